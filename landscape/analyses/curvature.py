"""Recipes of curvature: eigenvalues, mini-batch spectrum, trace, density, layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from landscape import hessian
from landscape.analyses import checks
from landscape.analyses.stamping import stamped
from landscape.derivatives.graphs import KEPT_BYTES, Curvature
from landscape.hessian import Operator
from landscape.hessian.differences import ErrorBound
from landscape.intervals import from_error
from landscape.linalg import Which
from landscape.objective import Objective
from landscape.results import Check
from landscape.work import Progress, Runner, in_memory, silent

_LARGE = 0.01
"""Error of finite differences, as a share of the largest product, that is worth a look."""
_RARE = 6e-5  # as far out as four standard errors of a normal distribution


def eigenvalues(
    objective: Objective,
    *,
    k: int = 5,
    method: hessian.Method = "lanczos",
    which: Which = "largest",
    kind: Curvature = "hessian",
    coordinates: hessian.Coordinates = "raw",
    tolerance: float = 1e-3,
    max_products: int = 0,
    confirm: int | None = None,
    block: int = 1,
    basis: int = 0,
    vectors: bool = False,
    keep: int = KEPT_BYTES,
    progress: Progress = silent,
) -> xr.Dataset:
    """Extreme eigenvalues over all samples, see `landscape.hessian.top_eigenvalues`."""
    if method != "lanczos" and which == "largest":
        which = "magnitude"  # all that power iteration can find
    search: dict[str, Any] = {
        "k": k,
        "method": method,
        "which": which,
        "tolerance": tolerance,
        "max_products": max_products,
        "block": block,
        "basis": basis,
        "seed": objective.seed,
    } | _asked(confirm)
    operator = _operator(objective, kind, coordinates, keep)

    def measure() -> xr.Dataset:
        dataset = hessian.top_eigenvalues(operator, vectors=vectors, progress=progress, **search)
        loss = operator.objective.value()
        dataset = dataset.assign(loss=((), loss.total, {"long_name": "loss + L2", "units": "nats"}))
        return _with_error(operator, dataset)

    def judge(dataset: xr.Dataset) -> list[Check]:
        nll = float(dataset.loss) - operator.objective.l2()
        return [*_exactness(operator), checks.loss(operator.objective, nll), *_found(dataset, method)]

    return stamped(
        "eigenvalues",
        operator.objective,
        operator.record() | search,
        measure,
        judge,
        strict=True,
    )


def spectrum(
    objective: Objective,
    *,
    batch_size: int = 128,
    batches: int = 0,
    k: int = 1,
    method: hessian.Method = "lanczos",
    which: Which = "magnitude",
    kind: Curvature = "hessian",
    coordinates: hessian.Coordinates = "raw",
    tolerance: float = 1e-2,
    max_products: int = 0,
    confirm: int | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Mini-batch max-eigenvalue spectrum, see `landscape.hessian.max_eigenvalue_spectrum`."""
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "batches": batches,
        "k": k,
        "method": method,
        "which": which,
        "kind": kind,
        "coordinates": coordinates,
        "tolerance": tolerance,
        "max_products": max_products,
        "seed": objective.seed,
    } | _asked(confirm)
    operator = _operator(objective, kind, coordinates, 0)
    run = _noting(operator, run or in_memory(progress))
    return stamped(
        "spectrum",
        operator.objective,
        options | operator.record(),
        lambda: _with_error(
            operator, hessian.max_eigenvalue_spectrum(operator.objective, run=run, **options)
        ),
        lambda dataset: [*_exactness(operator), checks.loss(operator.objective), *_found(dataset, method)],
        strict=True,
    )


def trace(
    objective: Objective,
    *,
    probes: int = 32,
    estimator: hessian.Estimator = "hutchinson",
    kind: Curvature = "hessian",
    coordinates: hessian.Coordinates = "raw",
    keep: int = KEPT_BYTES,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Trace, whole and by layer, see `landscape.hessian.trace`."""
    operator = _operator(objective, kind, coordinates, keep)
    options: dict[str, Any] = {"probes": probes, "estimator": estimator, "seed": objective.seed}
    run = _noting(operator, run or in_memory(progress))
    return stamped(
        "trace",
        operator.objective,
        operator.record() | options,
        lambda: _with_error(operator, hessian.trace(operator, run=run, **options)),
        lambda dataset: [*_exactness(operator), checks.loss(operator.objective), _spread(dataset)],
        strict=True,
    )


def density(
    objective: Objective,
    *,
    probes: int = 8,
    steps: int = 60,
    width: float = 0.0,
    kind: Curvature = "hessian",
    coordinates: hessian.Coordinates = "raw",
    keep: int = KEPT_BYTES,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Spectral density, see `landscape.hessian.density`; its first moment is checked against the trace."""
    operator = _operator(objective, kind, coordinates, keep)
    options: dict[str, Any] = {"probes": probes, "steps": steps, "width": width, "seed": objective.seed}
    run = _noting(operator, run or in_memory(progress))

    def judge(dataset: xr.Dataset) -> list[Check]:
        other = hessian.trace(operator, probes=max(probes, 8), seed=objective.seed + 1, run=run)
        return [
            *_exactness(operator),
            checks.loss(operator.objective),
            _mass(dataset),
            _moment(dataset, other),
        ]

    return stamped(
        "density",
        operator.objective,
        operator.record() | options,
        lambda: _with_error(operator, hessian.density(operator, run=run, **options)),
        judge,
        strict=True,
    )


def layers(
    objective: Objective,
    *,
    probes: int = 32,
    kind: Curvature = "hessian",
    coordinates: hessian.Coordinates = "raw",
    tolerance: float = 1e-2,
    max_products: int = 0,
    confirm: int | None = None,
    keep: int = KEPT_BYTES,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Top eigenvalue and trace by layer, see `landscape.hessian.layers`."""
    options: dict[str, Any] = {
        "kind": kind,
        "coordinates": coordinates,
        "probes": probes,
        "tolerance": tolerance,
        "max_products": max_products,
        "seed": objective.seed,
    } | _asked(confirm)
    operator = _operator(objective, kind, coordinates, 0)
    run = _noting(operator, run or in_memory(progress))
    return stamped(
        "layers",
        operator.objective,
        options | operator.record(),
        lambda: _with_error(operator, hessian.layers(operator.objective, keep=keep, run=run, **options)),
        lambda dataset: [*_exactness(operator), checks.loss(operator.objective), *_found(dataset)],
        strict=True,
    )


def _found(dataset: xr.Dataset, method: hessian.Method = "lanczos") -> list[Check]:
    """Of eigenvalues; what PyHessian passes over, it alone knows."""
    found = [checks.residuals(dataset)]
    return found if method == "pyhessian" else [*found, checks.ranks(dataset)]


def _asked(confirm: int | None) -> dict[str, Any]:
    """What confirming the ranks may take, where it is not the usual."""
    return {} if confirm is None else {"confirm": confirm}


def _operator(objective: Objective, kind: Curvature, coordinates: hessian.Coordinates, keep: int) -> Operator:
    return Operator(objective, kind=kind, coordinates=coordinates, keep=keep)


def _noting(operator: Operator, run: Runner) -> Runner:
    return run if operator.exact else operator.objective.product_error.noting(run)


def _with_error(operator: Operator, dataset: xr.Dataset) -> xr.Dataset:
    """With the error bound of the products, where these are finite differences."""
    if operator.exact:
        return dataset
    words = {"long_name": "error bound of products, as a share of the largest", "units": "1"}
    return dataset.assign(product_error=((), operator.objective.product_error.relative, words))


def _exactness(operator: Operator) -> list[Check]:
    """A line only where something is to be said."""
    if not operator.exact:
        return [_differences(operator.objective.product_error)]
    if operator.objective.forward.math_attention:
        return [
            Check(
                "exact products",
                True,
                "Fused attention has no second derivative; attention ran on its plain kernel.",
            )
        ]
    return []


def _differences(bound: ErrorBound) -> Check:
    text = (
        "The network holds a layer without a second derivative: products are central finite differences of "
        f"the gradient, with an error of at most {bound.relative:.1e} of the largest product"
    )
    if bound.blind:
        more = "its rounding asks for steps at which kinks of ReLU count as curvature, beyond this bound"
        return Check("exact products", False, f"{text}; {more}. Let every layer run in float64.")
    if bound.relative <= _LARGE:
        return Check("exact products", True, f"{text}.")
    return Check("exact products", False, f"{text}, which is large; take --dtype float64 or fewer samples.")


def _spread(dataset: xr.Dataset) -> Check:
    value, error = float(dataset.trace), float(dataset.trace_standard_error)
    ends = f"{float(dataset.trace_low):.5g} to {float(dataset.trace_high):.5g}"
    text = f"The trace is {value:.5g} ± {error:.2g} (one standard error; 95 % interval {ends})."
    if error <= 0.1 * abs(value):
        return Check("trace", True, text)
    return Check("trace", False, f"{text} That is more than a tenth of it; take more probes.")


def _mass(dataset: xr.Dataset) -> Check:
    total = float(np.trapezoid(dataset.density.values, dataset.eigenvalue.values))
    passed = abs(total - 1) < 1e-3
    text = f"The density integrates to {total:.6f}."
    return Check("mass", passed, text if passed else f"{text} It should be 1: the curve needs more points.")


def _moment(dataset: xr.Dataset, other: xr.Dataset) -> Check:
    """The first moment against Hutchinson's trace from other probes."""
    ours, theirs = float(dataset.trace), float(other.trace)
    error = math.hypot(float(dataset.trace_standard_error), float(other.trace_standard_error))
    text = f"The density's first moment gives a trace of {ours:.5g}, Hutchinson's estimate is {theirs:.5g}"
    if not math.isfinite(error):
        return Check("moment", True, f"{text}; one probe has no standard error to compare them by.")
    off = abs(ours - theirs) / error if error else math.inf * (ours != theirs)
    fewer = min(dataset.sizes["probe"], int(other.products))  # degrees of freedom are at least these less one
    if math.isnan(off) or from_error(off, 1.0, fewer - 1).p_value >= _RARE:
        return Check("moment", True, f"{text}, {0 if math.isnan(off) else off:.1f} standard errors apart.")
    return Check(
        "moment", False, f"{text}, {off:.1f} standard errors apart; take more steps or --dtype float64."
    )
