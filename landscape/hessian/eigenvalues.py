"""Top eigenvalues of a curvature matrix, each with a bound on its error that includes rounding."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.allocation import memory_kept
from landscape.distributed.fsdp import FullySharded
from landscape.errors import ArgumentError, LandscapeError
from landscape.hessian.crosscheck import pyhessian_eigenpairs
from landscape.hessian.operators import Operator, as_operator
from landscape.hessian.parts import PartedHessian
from landscape.linalg import Eigenpairs, Which, lanczos, power_iteration
from landscape.linalg.eigenpairs import bounds
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
        rounding: Eigenvectors whose rounding is measured in float64 for the error bounds; None takes all.

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
    rounding: int | None = None

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
    progress: Progress = silent,
    **options: Any,
) -> Eigenpairs:
    """Eigenpairs of a curvature matrix of the total loss over the free parameters.

    Args:
        source: An objective, for its Hessian, or an `Operator`. Of one whose parameters are sharded, every
            rank finds the same values, and its part of the vectors.
        k: Number of pairs.
        draw: Which dropout masks, with an objective of `fresh` dropout.
        progress: Counts the products; how many there will be is not known beforehand.
        **options: As in `Search`.

    Raises:
        LandscapeError: If the search is none that can be made.
    """
    search, operator = Search(**options), _operator(source, draw)
    with full_precision(operator.like.device):  # for the solvers' own arithmetic
        pairs = _found(operator, k, search, progress)
        if isinstance(operator, Operator):
            pairs = rounding_measured(operator, pairs, vectors=search.rounding)
    return replace(pairs, error_bounds=pairs.error_bounds + operator.product_error)


def _operator(source: Any, draw: int) -> Operator | PartedHessian:
    if isinstance(source, PartedHessian):
        return source
    return PartedHessian(source) if isinstance(source, FullySharded) else as_operator(source, draw=draw)


def _found(operator: Operator | PartedHessian, k: int, search: Search, progress: Progress) -> Eigenpairs:
    common: dict[str, Any] = {"tolerance": search.tolerance, "seed": search.seed}
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
    **options: Any,
) -> xr.Dataset:
    """The k largest eigenvalues, or others, as a dataset.

    Args:
        source: As in `eigenpairs`.
        k: Number of eigenvalues.
        vectors: Whether to keep the eigenvectors, as directions in the network's weights.
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
    pairs = eigenpairs(operator, k, **options)
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


_ALL, _FEW, _SHARE = 8, 2, 64


def rounding_measured(operator: Operator, pairs: Eigenpairs, *, vectors: int | None = None) -> Eigenpairs:
    """The pairs with error bounds that include what float32 does to the products.

    The asymmetry of products says nothing of errors that are themselves symmetric, such as those of rounded
    weights and activations, and these are the larger part. So products with the eigenvectors are compared
    with their like in float64: over all of up to eight samples, over one sample in 64, two at least, of
    more. Of a part of the samples, the relative error counts, as a share of the eigenvalue.

    Args:
        operator: Whose eigenpairs they are.
        pairs: Found with it.
        vectors: How many of the first eigenvectors to measure; the others take the largest relative error of
            those. None takes all.
    """
    objective = operator.objective
    if vectors == 0 or objective.dtype is torch.float64 or objective.device.type == "mps":
        return pairs
    if not operator.exact:
        return pairs
    try:
        return _measured(operator, pairs, vectors)
    except (RuntimeError, TypeError):
        return pairs  # the network holds numbers in float32 of its own


def _measured(operator: Operator, pairs: Eigenpairs, vectors: int | None) -> Eigenpairs:
    objective = operator.objective
    samples = len(objective.samples)
    count = samples if samples <= _ALL else min(max(samples // _SHARE, _FEW), _ALL)
    part = objective.subset(0, count)
    coarse, fine = operator.elsewhere(part), operator.elsewhere(finer(part))
    chosen = pairs.vectors[:vectors]
    shares, moved, residuals = [], [], []
    for value, vector in zip(pairs.eigenvalues, chosen, strict=False):
        unit = vector.double() / torch.linalg.vector_norm(vector.double())
        image = fine(unit)
        error = float(torch.linalg.vector_norm(coarse(vector).double() - image))
        shares.append(error / max(float(torch.linalg.vector_norm(image)), np.finfo(float).tiny))
        moved.append(abs(float(unit @ image) - float(value)))
        residuals.append(float(torch.linalg.vector_norm(image - float(value) * unit)))
    rest = len(pairs.eigenvalues) - len(shares)
    relative = np.array(shares + [max(shares)] * rest)
    rounding = np.maximum(relative * np.abs(pairs.eigenvalues), pairs.symmetry_defect)
    totals = pairs.residuals + rounding
    rounding = rounding + torch.finfo(objective.dtype).eps * np.abs(pairs.eigenvalues)
    if count == samples and not rest:
        rounding, totals = np.array(moved), np.array(residuals)
    return replace(pairs, error_bounds=bounds(totals, rounding, pairs.gaps))


def finer(objective: Objective) -> Objective:
    """The same objective in float64, from weights and buffers as they were before they were rounded."""
    module, forward = objective.network.module, objective.forward
    return objective.replace(
        soundness=None,
        dtype="float64",
        parameters=_widened(objective.parameters, dict(module.named_parameters())),
        forward=forward.replace(buffers=_widened(forward.buffers, dict(module.named_buffers()))),
    )


def _widened(rounded: Mapping[str, Tensor], original: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values in float64: the original ones, where they are still those that were rounded."""
    wide = {}
    for name, value in rounded.items():
        source, before = value, original.get(name)
        if before is not None and before.shape == value.shape:
            before = before.detach().to(value.device)
            source = before if torch.equal(before.to(value.dtype), value) else value
        wide[name] = source.double() if value.is_floating_point() else value
    return wide
