"""Recipes of curvature: eigenvalues, mini-batch spectrum, trace, density, layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import xarray as xr

from landscape import hessian
from landscape.analyses import checks
from landscape.analyses.running import KeptProducts, tuned
from landscape.analyses.stamping import stamped
from landscape.derivatives.graphs import Curvature
from landscape.hessian import Operator
from landscape.linalg import Which
from landscape.linalg.eigenpairs import check_request
from landscape.objective import Objective
from landscape.results import Check
from landscape.results import checks as of_numbers
from landscape.work import Progress, Runner, in_memory, silent


@dataclass(frozen=True)
class Matrix:
    """Which curvature matrix.

    Attributes:
        kind: `hessian`, or `ggn` for the generalised Gauss–Newton matrix.
        coordinates: `raw` weights, or weights in units of their `filter`'s or `layer`'s norm.
    """

    kind: Curvature = "hessian"
    coordinates: hessian.Coordinates = "raw"

    def operator(self, objective: Objective, keep: int | None = 0) -> Operator:
        """The matrix of an objective; kept graphs may take so many bytes."""
        return Operator(objective, kind=self.kind, coordinates=self.coordinates, keep=keep)


@dataclass(frozen=True)
class Certified(Matrix):
    """A search for eigenvalues that says how far it can be trusted.

    Attributes:
        tolerance: Residual that counts as converged, as a share of the eigenvalue.
        max_products: Products allowed; 0 chooses.
        confirm: Products that may look for eigenvalues passed over; None takes the usual share.
    """

    tolerance: float = 1e-2
    max_products: int = 0
    confirm: int | None = None

    def options(self, *left_out: str) -> dict[str, Any]:
        """The fields, but for these and a `confirm` that nobody chose."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in left_out and (name, value) != ("confirm", None)
        }


@dataclass(frozen=True)
class Search(Certified):
    """A search for extreme eigenvalues.

    Attributes:
        k: How many.
        method: `lanczos`, `power` or `pyhessian`.
        which: `largest`, `smallest` or `magnitude`.
    """

    k: int = 1
    method: hessian.Method = "lanczos"
    which: Which = "magnitude"


def eigenvalues(
    objective: Objective,
    *,
    vectors: bool = False,
    block: int = 1,
    basis: int = 0,
    keep: int | None = None,
    tune: bool = False,
    start: hessian.Start | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
    **options: Any,
) -> xr.Dataset:
    """Extreme eigenvalues over all samples, see `landscape.hessian.top_eigenvalues`.

    Args:
        objective: The loss.
        vectors: Whether to keep the eigenvectors.
        block: Directions that Lanczos takes at once.
        basis: Vectors that Lanczos keeps at most; 0 takes up to 1 GiB of them.
        keep: Bytes that graphs may take between products, as in `Objective.curvature`.
        tune: Whether a short measurement chooses the micro-batch.
        start: Where the search begins, instead of at random.
        progress: Counts the products.
        run: Runs the products, each an item of its own; in memory by default.
        **options: Fields of `Search`; by default the five largest, to a tolerance of 0.001.

    Raises:
        LandscapeError: As `landscape.hessian.top_eigenvalues`, or if the objective is no function.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> found = ls.analyses.eigenvalues(objective, k=1, confirm=8)
        >>> [check["passed"] for check in ls.results.attribute(found, "checks")]
        [True, True, True, True, True, True, True]
    """
    search = Search(**{"k": 5, "which": "largest", "tolerance": 1e-3, **options})
    if search.method != "lanczos" and search.which == "largest":
        search = replace(search, which="magnitude")  # all that power iteration can find
    check_request(search.k, Operator(objective).size, search.tolerance, search.max_products or 200 * search.k)
    if tune:
        objective = tuned(objective, search.kind, run or in_memory())
    operator = search.operator(objective, keep)
    chosen = search.options("kind", "coordinates")
    chosen |= {"block": block, "basis": basis, "seed": objective.seed}
    # Steps of finite differences follow from the products before: they are not kept apart.
    source = operator if run is None or not operator.exact else KeptProducts(operator, run)

    def measure() -> xr.Dataset:
        dataset = hessian.top_eigenvalues(source, vectors=vectors, start=start, progress=progress, **chosen)
        loss = operator.objective.value()
        return dataset.assign(loss=((), loss.total, {"long_name": "loss + L2", "units": "nats"}))

    def judge(dataset: xr.Dataset) -> list[Check]:
        nll = float(dataset.loss) - operator.objective.l2()
        return [checks.loss(operator.objective, nll), *checks.found(dataset, search.method)]

    recorded = chosen | ({"start": start.record()} if start else {})
    return _stamped("eigenvalues", operator, recorded, measure, judge)


def spectrum(
    objective: Objective,
    *,
    batch_size: int = 128,
    batches: int = 0,
    progress: Progress = silent,
    run: Runner | None = None,
    **options: Any,
) -> xr.Dataset:
    """Mini-batch max-eigenvalue spectrum, see `landscape.hessian.max_eigenvalue_spectrum`.

    Args:
        objective: The loss.
        batch_size: Samples per mini-batch.
        batches: Number of mini-batches; 0 takes as many as the samples give.
        progress: Shows the mini-batches.
        run: Runs them; in memory by default.
        **options: Fields of `Search`; by default the one of largest magnitude, to a tolerance of 0.01.

    Raises:
        LandscapeError: If there are too few samples, or the objective is not a function.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> spectrum = ls.analyses.spectrum(objective, batch_size=20)
        >>> ls.figures.spectrum({"gap": spectrum}).savefig("spectrum.png")
    """
    search = Search(**options)
    operator = search.operator(objective)
    chosen = {"batch_size": batch_size, "batches": batches, **search.options(), "seed": objective.seed}
    run = _noting(operator, run or in_memory(progress))
    return _stamped(
        "spectrum",
        operator,
        chosen,
        lambda: hessian.max_eigenvalue_spectrum(operator.objective, run=run, **chosen),
        lambda dataset: [checks.loss(operator.objective), *checks.found(dataset, search.method)],
    )


def trace(
    objective: Objective,
    *,
    probes: int = 32,
    estimator: hessian.Estimator = "hutchinson",
    keep: int | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
    **matrix: Any,
) -> xr.Dataset:
    """Trace, whole and by layer, see `landscape.hessian.trace`.

    Args:
        objective: The loss.
        probes: Random probes.
        estimator: `hutchinson` or `xtrace`.
        keep: Bytes that graphs may take between products, as in `Objective.curvature`.
        progress: Shows the probes.
        run: Runs them; in memory by default.
        **matrix: Fields of `Matrix`.
    """
    operator = Matrix(**matrix).operator(objective, keep)
    chosen: dict[str, Any] = {"probes": probes, "estimator": estimator, "seed": objective.seed}
    run = _noting(operator, run or in_memory(progress))
    return _stamped(
        "trace",
        operator,
        chosen,
        lambda: hessian.trace(operator, run=run, **chosen),
        lambda dataset: [checks.loss(operator.objective), of_numbers.trace(dataset)],
    )


def density(
    objective: Objective,
    *,
    probes: int = 8,
    steps: int = 60,
    width: float = 0.0,
    keep: int | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
    **matrix: Any,
) -> xr.Dataset:
    """Spectral density, see `landscape.hessian.density`; its first moment is checked against the trace.

    Args:
        objective: The loss.
        probes: Random probes.
        steps: Lanczos steps per probe.
        width: Standard deviation of the kernel; 0 chooses.
        keep: Bytes that graphs may take between products, as in `Objective.curvature`.
        progress: Shows the probes.
        run: Runs them; in memory by default.
        **matrix: Fields of `Matrix`.
    """
    operator = Matrix(**matrix).operator(objective, keep)
    chosen: dict[str, Any] = {"probes": probes, "steps": steps, "width": width, "seed": objective.seed}
    run = _noting(operator, run or in_memory(progress))

    def judge(dataset: xr.Dataset) -> list[Check]:
        other = hessian.trace(operator, probes=max(probes, 8), seed=objective.seed + 1, run=run)
        return [checks.loss(operator.objective), of_numbers.mass(dataset), checks.moment(dataset, other)]

    return _stamped("density", operator, chosen, lambda: hessian.density(operator, run=run, **chosen), judge)


def layers(
    objective: Objective,
    *,
    probes: int = 32,
    keep: int | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
    **options: Any,
) -> xr.Dataset:
    """Top eigenvalue and trace by layer, see `landscape.hessian.layers`.

    Args:
        objective: The loss.
        probes: Random probes of each trace.
        keep: Bytes that graphs may take between products, as in `Objective.curvature`.
        progress: Shows the layers.
        run: Runs them; in memory by default.
        **options: Fields of `Certified`.
    """
    search = Certified(**options)
    operator = search.operator(objective)
    chosen = {"probes": probes, **search.options(), "seed": objective.seed}
    run = _noting(operator, run or in_memory(progress))
    return _stamped(
        "layers",
        operator,
        chosen,
        lambda: hessian.layers(operator.objective, keep=keep, run=run, **chosen),
        lambda dataset: [checks.loss(operator.objective), *checks.found(dataset)],
    )


def _stamped(
    kind: str,
    operator: Operator,
    options: dict[str, Any],
    measure: Callable[[], xr.Dataset],
    judge: Callable[[xr.Dataset], Sequence[Check]],
) -> xr.Dataset:
    """A measurement with the error bound of its products, where these are finite differences, and checks."""

    def measured() -> xr.Dataset:
        dataset = measure()
        if operator.exact:
            return dataset
        words = {"long_name": "error bound of products, as a share of the largest", "units": "1"}
        return dataset.assign(product_error=((), operator.objective.product_error.relative, words))

    return stamped(
        kind,
        operator.objective,
        operator.record() | options,
        measured,
        lambda dataset: [*checks.exactness(operator), *judge(dataset)],
        strict=True,
    )


def _noting(operator: Operator, run: Runner) -> Runner:
    return run if operator.exact else operator.objective.product_error.noting(run)
