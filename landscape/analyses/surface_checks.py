"""The trust report of surfaces."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from landscape.analyses import checks
from landscape.forward.contexts import batch_norms
from landscape.objective import Objective
from landscape.results import Check, centre, left_out
from landscape.surface import Directions, Mesh, apart


def trust(objective: Objective, mesh: Mesh, dataset: xr.Dataset) -> list[Check]:
    """Everything there is to say of a surface."""
    measured = dataset.nll.values[dataset.done.values]
    found = [checks.finite("surface", measured), *_completeness(dataset)]
    if bool(_judged(mesh, dataset).done):
        found += [_centre(objective, mesh, dataset), _sampling(mesh, dataset)]
    if "repeat" not in dataset.dims or bool(dataset.done.all()):
        found.append(_spread(dataset))
    found += _left_out(dataset)
    found += [*_statistics(objective, mesh.directions), *_eigenvectors(mesh.directions)]
    return [*found, *_precision(dataset), *_curvature(dataset)]


def directions_enough(dataset: xr.Dataset) -> Check:
    """Whether the flatness along many directions is known to better than its own size."""
    low, high = (float(end) for end in dataset.curvature_interval.values)
    mean, repeats = float(dataset.curvature_mean), dataset.sizes["repeat"]
    text = f"Over {repeats} directions the curvature is {mean:.4g}, 95 % interval {low:.4g} to {high:.4g}."
    if math.isfinite(high - low) and high - low <= abs(mean):
        return Check("directions", True, text)
    return Check("directions", False, f"{text} That is wider than the value; take more directions.")


def _place(mesh: Mesh, dataset: xr.Dataset) -> tuple[int, ...]:
    """The centre, or the point that comes first where the grid has none."""
    found = centre(dataset)
    return mesh.order[0] if found is None else tuple(found[name] for name in mesh.dims)


def _judged(mesh: Mesh, dataset: xr.Dataset) -> xr.Dataset:
    """That point of the (first) grid."""
    first = dataset.isel({name: 0 for name in ("repeat", "mask") if name in dataset.dims})
    return first.isel(dict(zip(mesh.dims, _place(mesh, dataset), strict=True)))


def _named(mesh: Mesh, dataset: xr.Dataset) -> str:
    if centre(dataset) is not None:
        return "centre"
    where = ", ".join(f"{value:.3g}" for value in mesh.coordinates(_place(mesh, dataset)))
    return f"point at ({where})"


def _centre(objective: Objective, mesh: Mesh, dataset: xr.Dataset) -> Check:
    """The centre against an evaluation of its own: the plain way, in other micro-batches."""
    point, place = _judged(mesh, dataset), _place(mesh, dataset)
    measured, error = float(point.nll), float(point.sampling_error)
    plain, theta = apart(checks.plainly(objective), mesh.weights(place))
    expected = plain.value(theta, draw=mesh.draw(place)).nll
    room = checks.ROUNDING * abs(expected) + 1e-7 + 4 * error
    same = measured == expected or abs(measured - expected) <= room
    text = f"The surface's {_named(mesh, dataset)} is {measured:.6f}, the evaluated loss {expected:.6f}."
    if same:
        return Check("centre", True, text)
    return Check(
        "centre",
        False,
        f"{text} They should agree: evaluation is not deterministic, or depends on the micro-batch (a "
        "BatchNorm that does not follow eval mode, a branch that depends on the data).",
    )


def _completeness(dataset: xr.Dataset) -> list[Check]:
    missing = int((~dataset.done.values).sum())
    if not missing:
        return []
    text = f"{missing} of {dataset.done.size} points are not computed; run the same command again."
    return [Check("complete", False, text)]


def _sampling(mesh: Mesh, dataset: xr.Dataset) -> Check:
    point, name = _judged(mesh, dataset), _named(mesh, dataset)
    value, error, samples = float(point.nll), float(point.standard_error), int(point.samples)
    text = f"{samples} samples give the {name}'s NLL as {value:.4f} ± {error:.4f} (one standard error)."
    if math.isfinite(error) and error <= 0.5 * abs(value):
        return Check("sampling", True, text)
    return Check("sampling", False, f"{text} That is more than half of it; take more --samples.")


def _left_out(dataset: xr.Dataset) -> list[Check]:
    part = left_out(dataset)
    if part is None:
        return []
    which = "1 point leaves" if part.points == 1 else f"{part.points} points leave"
    text = (
        f"{which} samples out: the standard error is at most {100 * part.error:.2g} % of "
        f"the NLL. Within {part.errors:g} standard errors, {100 * part.interval:.2g} %, lies the NLL of all "
        "samples at 95 % of the points or more, in 95 % of runs or more."
    )
    return [Check("tolerance", True, text)]


def _spread(dataset: xr.Dataset) -> Check:
    """How much the rise towards the border differs from one draw of directions to the next."""
    if "repeat" not in dataset.dims:
        text = "One set of directions was measured: how much another would differ is not known from it "
        return Check("directions", True, text + "(--repeats or --flatness tell).")
    rises = border_rises(dataset)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN, and fails
        mean, spread = float(rises.mean()), float(rises.std(ddof=1))
    text = f"Over {len(rises)} sets of directions the NLL rises by {mean:.4g} ± {spread:.2g} to the border "
    text += "(mean, standard deviation)."
    if math.isfinite(spread) and spread <= 0.5 * abs(mean):
        return Check("directions", True, text)
    return Check("directions", False, f"{text} No single picture stands for them; take more --repeats.")


def border_rises(dataset: xr.Dataset) -> np.ndarray:
    """Mean NLL of the outermost points minus that of the centre, shape (repeat,); NaN if one is NaN."""
    dims = [name for name in ("y", "x") if name in dataset.dims]
    inner = {name: slice(1, -1) for name in dims}
    total = dataset.nll.sum(dims, skipna=False) - dataset.nll.isel(inner).sum(dims, skipna=False)
    count = math.prod(dataset.sizes[name] for name in dims) - math.prod(dataset.sizes[n] - 2 for n in dims)
    place = centre(dataset)
    return (total / count - (math.nan if place is None else dataset.nll.isel(place))).values


def _statistics(objective: Objective, directions: Directions) -> list[Check]:
    """Between checkpoints the statistics of BatchNorm are nobody's."""
    stored = objective.forward.batch_norm == "eval" and bool(batch_norms(objective.network.module))
    if directions.kind not in ("checkpoints", "principal components") or not stored:
        return []
    text = "BatchNorm uses the stored statistics of one checkpoint at the weights of all others; "
    return [Check("statistics", False, text + "--batch-norm recalibrate estimates them at each point.")]


def _eigenvectors(directions: Directions) -> list[Check]:
    """Whether the eigenvectors are ones, and this network's own."""
    known = directions.options
    if directions.kind != "eigenvectors" or not {"converged", "own"} <= set(known):
        return []
    if not known["converged"]:
        text = "An eigenvector had not converged; compute it again with more --max-products."
        return [Check("eigenvectors", False, text)]
    if not known["own"]:
        text = "The eigenvectors are those of other weights than this network's: a direction like any other."
        return [Check("eigenvectors", True, text)]
    return [Check("eigenvectors", True, "The eigenvectors are this network's own and have converged.")]


def _precision(dataset: xr.Dataset) -> list[Check]:
    if not dataset.sizes.get("checked"):
        return []
    error, count = float(dataset.precision_error), dataset.sizes["checked"]
    text = f"Reduced precision is off by {100 * error:.2g} % of the NLL at worst, over {count} points."
    if error <= 0.05:
        return [Check("precision", True, text)]
    return [Check("precision", False, f"{text} Use --precision full.")]


def _curvature(dataset: xr.Dataset) -> list[Check]:
    if "hessian_converged" not in dataset:
        return []
    wanted = dataset.done.values & np.isfinite(dataset.nll.values)
    missing = int((wanted & ~dataset.hessian_converged.values).sum())
    if not missing:
        text = "The Hessian's largest and smallest eigenvalue converged at every finite point."
        return [Check("curvature", True, text)]
    text = f"At {missing} of {int(wanted.sum())} points a Hessian eigenvalue is missing or did not converge."
    return [Check("curvature", False, text + " Their residuals are stored.")]
