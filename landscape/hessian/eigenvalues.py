"""Top eigenvalues of a curvature matrix, each with a bound on its error that includes rounding."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from torch import Tensor

from landscape.allocation import memory_kept
from landscape.distributed.fsdp import FullySharded
from landscape.errors import ArgumentError, LandscapeError
from landscape.hessian.crosscheck import pyhessian_eigenpairs
from landscape.hessian.operators import Operator, as_operator
from landscape.hessian.parts import PartedHessian
from landscape.hessian.rounding import rounding_measured
from landscape.hessian.warm import Start
from landscape.linalg import Eigenpairs, Which, lanczos, power_iteration
from landscape.objective import Objective
from landscape.precision import full_precision
from landscape.work import Progress, silent

Method = Literal["lanczos", "power", "pyhessian"]
METHODS: tuple[Method, ...] = ("lanczos", "power", "pyhessian")

_ABOUT = {
    "eigenvalue": {"long_name": "Hessian eigenvalue"},
    "residual": {"long_name": "‖Hv − λv‖"},
    "error_bound": {"long_name": "error bound, rounding included"},
    "rank_risk": {"long_name": "risk that an eigenvalue was passed over"},
}


@dataclass(frozen=True, kw_only=True)
class Search:
    """How eigenpairs are looked for.

    Attributes:
        method: `lanczos`; block `power` iteration, the papers' method; or `pyhessian`, that package on the
            same matrix, for cross-checking. The last two find the largest magnitudes.
        which: `largest`, `smallest` or `magnitude`.
        tolerance: Residual that counts as converged, as a share of the eigenvalue, see `landscape.linalg`.
        max_products: Products allowed; 0 allows 200 for Lanczos, 200·k for power iteration.
        block: Directions that Lanczos takes at once; more than one finds repeated eigenvalues.
        basis: Vectors that Lanczos keeps at most, each with its image; 0 takes up to 1 GiB of them.
        seed: Random seed of the start vectors.
        confirm: Products that may be spent on whether an eigenvalue was passed over, see `landscape.linalg`.
        rounding: Whether error bounds include the rounding of products, measured in float64.

    Raises:
        LandscapeError: On an unknown method, or one end of the spectrum asked of one that finds magnitudes.
    """

    method: Method = "lanczos"
    which: Which = "largest"
    tolerance: float = 1e-3
    max_products: int = 0
    block: int = 1
    basis: int = 0
    seed: int = 0
    confirm: int | None = None
    rounding: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ArgumentError(f"method is {self.method!r}; choose one of {', '.join(METHODS)}")
        if self.method != "lanczos" and self.which != "magnitude":
            raise LandscapeError(
                f"method {self.method} finds the largest magnitudes, not the {self.which}; use lanczos or "
                "ask for magnitude"
            )


@memory_kept()
def eigenpairs(
    source: Objective | Operator | FullySharded | PartedHessian,
    k: int,
    *,
    draw: int = 0,
    start: Start | None = None,
    progress: Progress = silent,
    **options: Any,
) -> Eigenpairs:
    """Eigenpairs of a curvature matrix of the total loss over the free parameters.

    Args:
        source: An objective, for its Hessian, or an `Operator`. Of one whose parameters are sharded, every
            rank finds the same values, and its part of the vectors.
        k: Number of pairs.
        draw: Which dropout masks, with an objective of `fresh` dropout.
        start: Where to begin, instead of at random; with Lanczos, and without sharded parameters.
        progress: Counts the products; how many there will be is not known beforehand.
        **options: As in `Search`.

    Raises:
        LandscapeError: If the search is none that can be made.
    """
    search, operator = Search(**options), _operator(source, draw)
    with full_precision(operator.like.device):  # for the solvers' own arithmetic
        pairs = _found(operator, k, search, progress, start)
        if search.rounding and isinstance(operator, Operator):
            pairs = rounding_measured(operator, pairs)
    return replace(pairs, error_bounds=pairs.error_bounds + operator.product_error)


def _operator(source: Any, draw: int) -> Operator | PartedHessian:
    if isinstance(source, PartedHessian):
        return source
    return PartedHessian(source) if isinstance(source, FullySharded) else as_operator(source, draw=draw)


def _found(
    operator: Operator | PartedHessian, k: int, search: Search, progress: Progress, start: Start | None
) -> Eigenpairs:
    common: dict[str, Any] = {"tolerance": search.tolerance, "seed": search.seed}
    if start is not None:
        if search.method != "lanczos" or isinstance(operator, PartedHessian):
            raise LandscapeError(
                "only Lanczos over whole parameters begins with given eigenvectors; leave out --warm-from, "
                "or take --method lanczos"
            )
        common["start"] = start.on(operator)
    if isinstance(operator, PartedHessian):
        if search.method != "lanczos":
            raise LandscapeError(f"of sharded parameters method {search.method} knows nothing; use lanczos")
        common |= {"seed": operator.seed(search.seed), "parts": operator.parts}
    elif search.method == "pyhessian":
        return pyhessian_eigenpairs(operator, k, max_products=search.max_products, **common)
    matvec = _counted(operator, progress)
    common |= {"like": operator.like, "confirm": search.confirm}
    if search.method == "power":
        most = search.max_products or 200 * k
        return power_iteration(matvec, operator.size, k, max_products=most, **common)
    common |= {"which": search.which, "block": search.block, "basis": search.basis}
    return lanczos(matvec, operator.size, k, max_products=search.max_products or 200, **common)


def evidence(pairs: Eigenpairs) -> dict[str, np.ndarray]:
    """What results hold of eigenpairs, by name; each of shape (k,)."""
    return {
        "eigenvalue": pairs.eigenvalues,
        "residual": pairs.residuals,
        "error_bound": pairs.error_bounds,
        "converged": pairs.converged,
        "rank_risk": pairs.risks,
        "rank_certain": pairs.certain,
    }


def top_eigenvalues(
    source: Objective | Operator | FullySharded | PartedHessian,
    k: int = 5,
    *,
    vectors: bool = False,
    start: Start | None = None,
    **options: Any,
) -> xr.Dataset:
    """The k largest eigenvalues, or others, as a dataset.

    Args:
        source: As in `eigenpairs`.
        k: Number of eigenvalues.
        vectors: Whether to keep the eigenvectors, as directions in the network's weights.
        start: Where to begin, instead of at random.
        **options: As in `Search` and `eigenpairs`.

    Returns:
        Dimension `rank`: `eigenvalue`, `residual` (‖Hv − λv‖), `error_bound` (some eigenvalue lies within it;
        the rounding of the products and the error of those that are finite differences included),
        `converged`, `rank_risk` (bound on the chance that an eigenvalue, a copy of a repeated one included,
        was passed over before it) and `rank_certain` (converged, at a risk of 1 in 1,000 at most); `products`
        counts products. With `vectors`, `vector` with dimensions `rank`, `parameter`, the free parameters
        flattened in order. Of sharded parameters, the same on every rank, with an attribute `protocol` that
        says what is exact and what is not.

    Raises:
        LandscapeError: If the search is none that can be made, such as one for vectors of sharded parameters.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> found = ls.hessian.top_eigenvalues(objective, k=2)
        >>> bool(found.eigenvalue[0] > found.eigenvalue[1])
        True
        >>> found.converged.values, found.rank_certain.values.shape
        (array([ True,  True]), (2,))
    """
    operator = _operator(source, options.pop("draw", 0))
    if vectors and isinstance(operator, PartedHessian):
        raise LandscapeError(
            "eigenvectors of sharded parameters lie in parts with the ranks, and no result holds them; "
            "landscape.hessian.eigenpairs gives each rank its part"
        )
    pairs = eigenpairs(operator, k, start=start, **options)
    columns = {name: ("rank", values, _ABOUT.get(name)) for name, values in evidence(pairs).items()}
    dataset = xr.Dataset(
        columns | {"products": ((), pairs.products, {"long_name": "products with the matrix"})},
        coords={"rank": np.arange(1, k + 1)},
    )
    if isinstance(operator, PartedHessian):
        protocol = operator.objective.protocol() | operator.record()
        return dataset.assign_attrs(protocol=json.dumps(protocol))
    if not vectors:
        return dataset
    rows = [operator.flat_direction(vector) for vector in pairs.vectors]
    return dataset.assign(vector=(("rank", "parameter"), np.stack(rows)))


def _counted(operator: Callable[[Tensor], Tensor], progress: Progress) -> Callable[[Tensor], Tensor]:
    counter = iter(progress(itertools.count(), "products", None))

    def matvec(vector: Tensor) -> Tensor:
        next(counter)
        return operator(vector)

    return matvec
