"""Extreme eigenvalues of a curvature matrix, each with its residual and error bound."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.hessian.crosscheck import pyhessian_eigenpairs
from landscape.hessian.operators import Operator, as_operator
from landscape.hessian.rounding import rounding_measured
from landscape.linalg import Eigenpairs, Which, lanczos, power_iteration
from landscape.objective import Objective
from landscape.precision import full_precision
from landscape.progress import Progress, silent

Method = Literal["lanczos", "power", "pyhessian"]
METHODS: tuple[Method, ...] = ("lanczos", "power", "pyhessian")


def eigenpairs(
    source: Objective | Operator,
    k: int,
    *,
    method: Method = "lanczos",
    which: Which = "largest",
    tolerance: float = 1e-3,
    max_products: int = 0,
    block: int = 1,
    basis: int = 0,
    seed: int = 0,
    draw: int = 0,
    confirm: int | None = None,
    rounding: int | None = None,
    progress: Progress = silent,
) -> Eigenpairs:
    """Eigenpairs of a curvature matrix of the total loss over the free parameters.

    Args:
        source: An objective, for its Hessian, or an `Operator`.
        k: Number of pairs.
        method: `lanczos`; block `power` iteration, the papers' method; or `pyhessian`, that package on the
            same matrix, for cross-checking. The last two find the largest magnitudes.
        which: `largest`, `smallest` or `magnitude`.
        tolerance: Residual that counts as converged, as a share of the eigenvalue, see `landscape.linalg`.
        max_products: Products allowed; 0 allows 200 for Lanczos, 200·k for power iteration.
        basis: Vectors that Lanczos keeps at most, each with its image; 0 takes up to 1 GiB of them.
        block: Directions that Lanczos takes at once; more than one finds repeated eigenvalues.
        seed: Of the start vectors.
        draw: Which dropout masks, with an objective of `fresh` dropout.
        confirm: Products that may be spent on whether an eigenvalue was passed over, see `landscape.linalg`.
        rounding: Eigenvectors whose rounding is measured in float64 for the error bounds; None takes all.
        progress: Counts the products; how many there will be is not known beforehand.

    Raises:
        LandscapeError: On an unknown method, or one end of the spectrum asked of one that finds magnitudes.
    """
    if method not in METHODS:
        raise LandscapeError(f"method is {method!r}; choose one of {', '.join(METHODS)}")
    if method != "lanczos" and which != "magnitude":
        raise LandscapeError(
            f"method {method} finds the largest magnitudes, not the {which}; use lanczos or ask for magnitude"
        )
    operator = as_operator(source, draw=draw)
    options: dict[str, Any] = {"tolerance": tolerance, "seed": seed}
    with full_precision(operator.like.device):  # for the solvers' own arithmetic
        if method == "pyhessian":
            pairs = pyhessian_eigenpairs(operator, k, max_products=max_products, **options)
            pairs = rounding_measured(operator, pairs, vectors=rounding)
        else:
            matvec = _counted(operator, progress)
            options |= {"like": operator.like, "confirm": confirm}
            if method == "power":
                options |= {"max_products": max_products or 200 * k}
                pairs = power_iteration(matvec, operator.size, k, **options)
            else:
                options |= {"block": block, "basis": basis, "max_products": max_products or 200}
                pairs = lanczos(matvec, operator.size, k, which=which, **options)
            pairs = rounding_measured(operator, pairs, vectors=rounding)
    return replace(pairs, error_bounds=pairs.error_bounds + operator.product_error)


def top_eigenvalues(
    source: Objective | Operator, k: int = 5, *, vectors: bool = False, **options
) -> xr.Dataset:
    """K eigenvalues as a dataset.

    Args:
        source: An objective, for its Hessian, or an `Operator`.
        k: Number of eigenvalues.
        vectors: Whether to keep the eigenvectors, as directions in the network's weights.
        **options: As in `eigenpairs`.

    Returns:
        Dimension `rank`: `eigenvalue`, `residual` (‖Hv − λv‖), `error_bound` (some eigenvalue lies within it;
        the rounding of the products and the error of those that are finite differences included),
        `converged`, `rank_risk` (bound on the chance that an eigenvalue, a copy of a repeated one included,
        was passed over before it) and `rank_certain` (converged, at a risk of 1 in 1,000 at most); `products`
        counts products. With `vectors`, `vector` with dimensions `rank`, `parameter`, the free parameters
        flattened in order.
    """
    operator = as_operator(source, draw=options.pop("draw", 0))
    pairs = eigenpairs(operator, k, **options)
    dataset = xr.Dataset(
        {
            "eigenvalue": ("rank", pairs.eigenvalues, {"long_name": "Hessian eigenvalue"}),
            "residual": ("rank", pairs.residuals, {"long_name": "‖Hv − λv‖"}),
            "error_bound": ("rank", pairs.error_bounds, {"long_name": "error bound, rounding included"}),
            "converged": ("rank", pairs.converged),
            "rank_risk": ("rank", pairs.risks, {"long_name": "risk that an eigenvalue was passed over"}),
            "rank_certain": ("rank", pairs.certain),
            "products": ((), pairs.products, {"long_name": "products with the matrix"}),
        },
        coords={"rank": np.arange(1, k + 1)},
    )
    if not vectors:
        return dataset
    rows = [operator.flat_direction(vector) for vector in pairs.vectors]
    return dataset.assign(vector=(("rank", "parameter"), np.stack(rows)))


def _counted(operator: Operator, progress: Progress) -> Callable[[Tensor], Tensor]:
    counter = iter(progress(itertools.count(), "products", None))

    def matvec(vector: Tensor) -> Tensor:
        next(counter)
        return operator(vector)

    return matvec
