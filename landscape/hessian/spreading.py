"""Top eigenvalues of a network whose parameters are sharded: finite differences, vectors sharded alike."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from torch import Tensor

from landscape.distributed.parameters import SpreadLoss
from landscape.hessian.differences import FiniteDifferences
from landscape.hessian.eigenvalues import evidence
from landscape.linalg import Which, lanczos
from landscape.precision import full_precision


def spread_eigenvalues(
    loss: SpreadLoss,
    k: int = 5,
    *,
    which: Which = "largest",
    tolerance: float = 1e-2,
    max_products: int = 200,
    seed: int = 0,
    confirm: int | None = None,
) -> xr.Dataset:
    """Extreme eigenvalues of the Hessian of a network that no single device holds.

    Products are central differences of the exact gradient, each of two step lengths, whose difference bounds
    the error; Lanczos and its basis run over shards. No rank ever holds a whole vector.

    Args:
        loss: The loss; every rank calls this.
        k: Number of eigenvalues.
        which: End of the spectrum.
        tolerance: Residual that counts as converged, as a share of the eigenvalue.
        max_products: Products allowed, each of four gradients or more.
        seed: Random seed of the start vector, whose entries depend on the number of ranks.
        confirm: Products that look for what was passed over, see `landscape.linalg.lanczos`.

    Returns:
        As `landscape.hessian.top_eigenvalues`, alike on every rank, with `loss`, and `product_error`, the
        largest error of a product as a share of the largest product; the attribute `exactness` says in JSON
        what is exact.

    Raises:
        LandscapeError: As `landscape.linalg.lanczos`.
    """
    with loss.spreading(), full_precision(loss.device):
        double = loss.dtype.itemsize == 8
        differences = FiniteDifferences(loss, None, 0, double=double)

        def matvec(vector: Tensor) -> Tensor:
            return loss.flat(differences(loss.parts(vector)))

        pairs = lanczos(
            matvec,
            loss.size,
            k,
            which=which,
            tolerance=tolerance,
            max_products=max_products,
            seed=seed,
            like=next(iter(loss.free.values())),
            confirm=confirm,
        )
    bound = differences.bound
    columns: dict[str, Any] = {name: ("rank", values) for name, values in evidence(pairs).items()}
    columns["error_bound"] = ("rank", pairs.error_bounds + bound.error)
    found = xr.Dataset(columns, coords={"rank": np.arange(1, k + 1)})
    found = found.assign(
        loss=((), loss.value().total, {"long_name": "loss + L2", "units": "nats"}),
        products=((), pairs.products, {"long_name": "products with the matrix"}),
        product_error=((), bound.relative, {"long_name": "error bound of products", "units": "1"}),
    )
    blind = " beyond kinks of ReLU, which float32 cannot tell from curvature" if bound.blind else ""
    exactness = {
        "value": "exact: summed over ranks in float64",
        "gradient": f"exact: summed over ranks by FSDP, in {str(loss.dtype).removeprefix('torch.')}",
        "products": f"central finite differences, off by {bound.relative:.1e} of the largest at most{blind}",
        "vectors": f"sharded like the parameters, among {loss.group.size} ranks",
    }
    return found.assign_attrs(exactness=json.dumps(exactness))
