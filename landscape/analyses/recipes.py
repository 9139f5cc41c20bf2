"""The recipe of each command: objective → numbers → checks → a stamped dataset."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape import features, hessian, predictive, surface
from landscape.analyses.settings import network_record
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.progress import Progress, silent
from landscape.results import Check, provenance, stamp

Recipe = Callable[..., xr.Dataset]


def _stamped(
    kind: str,
    objective: Objective,
    options: dict[str, Any],
    measure: Callable[[], xr.Dataset],
    checks: Callable[[xr.Dataset], Sequence[Check]],
) -> xr.Dataset:
    """Measure, judge and label; the time covers the measurement and its checks."""
    started = time.monotonic()
    dataset = measure()
    found = [_determinism(objective), *checks(dataset)]
    return stamp(
        dataset,
        kind=kind,
        network=network_record(objective.network),
        protocol=protocol(objective, options),
        provenance=provenance(time.monotonic() - started),
        checks=found,
    )


def protocol(objective: Objective, options: dict[str, Any]) -> dict[str, Any]:
    """What a result's numbers depend on: the objective's protocol and the options of the analysis."""
    return {**objective.protocol(), "options": options}


def evaluation(objective: Objective, *, bins: int = 10, progress: Progress = silent) -> xr.Dataset:
    """Predictions and their metrics, see `landscape.predictive.evaluate`."""
    return _stamped(
        "evaluation",
        objective,
        {"bins": bins},
        lambda: predictive.evaluate(objective, bins=bins, progress=progress),
        lambda dataset: [_finite("predictions", dataset.nll.values)],
    )


def eigenvalues(
    objective: Objective,
    *,
    k: int = 5,
    method: hessian.Method = "lanczos",
    tolerance: float = 1e-3,
    max_products: int = 0,
    progress: Progress = silent,
) -> xr.Dataset:
    """Top eigenvalues over all samples, see `landscape.hessian.top_eigenvalues`."""
    which = "magnitude" if method == "power" else "largest"
    options: dict[str, Any] = {
        "k": k,
        "method": method,
        "which": which,
        "tolerance": tolerance,
        "max_products": max_products,
        "seed": objective.seed,
    }

    def measure() -> xr.Dataset:
        dataset = hessian.top_eigenvalues(objective, progress=progress, **options)
        loss = objective.value()
        return dataset.assign(loss=((), loss.total, {"long_name": "NLL + L2", "units": "nats"}))

    return _stamped("eigenvalues", objective, options, measure, lambda dataset: [_residuals(dataset)])


def spectrum(
    objective: Objective,
    *,
    batch_size: int = 128,
    batches: int = 0,
    k: int = 1,
    method: hessian.Method = "lanczos",
    tolerance: float = 1e-2,
    progress: Progress = silent,
) -> xr.Dataset:
    """Mini-batch max-eigenvalue spectrum, see `landscape.hessian.max_eigenvalue_spectrum`."""
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "batches": batches,
        "k": k,
        "method": method,
        "tolerance": tolerance,
        "seed": objective.seed,
    }
    return _stamped(
        "spectrum",
        objective,
        options,
        lambda: hessian.max_eigenvalue_spectrum(objective, progress=progress, **options),
        lambda dataset: [_residuals(dataset)],
    )


def plane(
    objective: Objective, *, span: float = 1.0, steps: int = 21, progress: Progress = silent
) -> xr.Dataset:
    """A plane of the loss along filter-normalised random directions, see `landscape.surface.plane`."""
    options = {"norm": "filter", "span": span, "steps": steps, "direction_seed": objective.seed}
    if all(value.dim() < 2 for value in objective.free.values()):
        raise LandscapeError(
            f"--params {objective.params!r} names biases and BatchNorm only, which get no filter-normalised "
            "direction; choose a pattern with convolutions or dense layers"
        )

    def measure() -> xr.Dataset:
        directions = surface.random_directions(objective, seed=objective.seed)
        return surface.plane(objective, directions, span=span, steps=steps, progress=progress)

    def checks(dataset: xr.Dataset) -> list[Check]:
        return [_center(objective, dataset), _finite("surface", dataset.nll.values), _sampling(dataset)]

    return _stamped("surface", objective, options, measure, checks)


def feature_maps(
    objective: Objective, *, layers: Sequence[str] = (), progress: Progress = silent
) -> xr.Dataset:
    """Spatial variance and Fourier content by depth, see `landscape.features.measure`."""
    return _stamped(
        "features",
        objective,
        {"layers": list(layers)},
        lambda: features.measure(objective, layers or None, progress=progress),
        lambda dataset: [_finite("spatial variance", dataset.spatial_variance.values)],
    )


RECIPES: dict[str, Recipe] = {
    "evaluation": evaluation,
    "eigenvalues": eigenvalues,
    "spectrum": spectrum,
    "surface": plane,
    "features": feature_maps,
}


def _determinism(objective: Objective) -> Check:
    part = objective.subset(0, min(len(objective.samples), objective.micro_batch))
    if part.deterministic():
        return Check("deterministic", True, "Two evaluations of the same samples agree to the last bit.")
    return Check(
        "deterministic",
        False,
        "Two evaluations of the same samples differ: the network draws random numbers of its own, or the "
        "device adds in varying order; look for dropout written with torch.nn.functional, or compare on the "
        "CPU.",
    )


def _residuals(dataset: xr.Dataset) -> Check:
    open_pairs = int((~dataset.converged.values).sum())
    total = dataset.converged.size
    largest = max(np.abs(dataset.eigenvalue.values).max(), np.finfo(float).tiny)
    worst = float(dataset.residual.values.max() / largest)
    if not open_pairs:
        message = (
            f"All {total} eigenvalues converged; largest residual {worst:.1e} of the largest eigenvalue."
        )
        return Check("residuals", True, message)
    return Check(
        "residuals",
        False,
        f"{open_pairs} of {total} eigenvalues did not converge (largest residual {worst:.1e} of the largest "
        "eigenvalue); allow more --max-products or a larger --tolerance.",
    )


def _finite(what: str, values: np.ndarray) -> Check:
    bad = int((~np.isfinite(values)).sum())
    if not bad:
        return Check("finite", True, f"Every value of the {what} is finite.")
    return Check(
        "finite",
        False,
        f"{bad} of {values.size} values of the {what} are not finite; they are kept as measured.",
    )


def _center(objective: Objective, dataset: xr.Dataset) -> Check:
    """The grid's middle point against an evaluation of its own, in other micro-batches."""
    row, column = dataset.sizes["y"] // 2, dataset.sizes["x"] // 2
    measured = float(dataset.nll[row, column])
    draw = 1 + row * dataset.sizes["x"] + column
    count = len(objective.samples)
    other = objective.subset(0, count)
    other.micro_batch = max(1, min(objective.micro_batch, count) // 2)
    expected = other.value(draw=draw).nll
    same = measured == expected or math.isclose(measured, expected, rel_tol=1e-5, abs_tol=1e-7)
    text = f"The surface's centre is {measured:.6f}, the evaluated loss {expected:.6f}."
    if same:
        return Check("centre", True, text)
    return Check(
        "centre",
        False,
        f"{text} They should agree: evaluation is not deterministic, or depends on the micro-batch (a "
        "BatchNorm that does not follow eval mode).",
    )


def _sampling(dataset: xr.Dataset) -> Check:
    row, column = dataset.sizes["y"] // 2, dataset.sizes["x"] // 2
    value, error = float(dataset.nll[row, column]), float(dataset.standard_error[row, column])
    samples = int(dataset.samples[row, column])
    text = f"{samples} samples give the centre's NLL as {value:.4f} ± {error:.4f} (one standard error)."
    if math.isfinite(error) and error <= 0.5 * abs(value):
        return Check("sampling", True, text)
    return Check("sampling", False, f"{text} That is more than half of it; take more --samples.")


def recipe(kind: str) -> Recipe:
    """The recipe of a kind of result.

    Raises:
        LandscapeError: If there is none.
    """
    if kind not in RECIPES:
        raise LandscapeError(f"unknown analysis {kind!r}; known are {', '.join(RECIPES)}")
    return RECIPES[kind]
