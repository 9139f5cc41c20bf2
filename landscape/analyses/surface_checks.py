"""The trust report of surfaces."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from landscape.analyses import checks
from landscape.forward import batch_norms
from landscape.objective import Objective
from landscape.results import Check
from landscape.surface import Directions, Mesh


def trust(objective: Objective, mesh: Mesh, dataset: xr.Dataset) -> list[Check]:
    """Everything there is to say of a surface."""
    measured = dataset.nll.values[dataset.done.values]
    found = [checks.finite("surface", measured), *_completeness(dataset)]
    if bool(_middle(mesh, dataset).done):
        found += [_centre(objective, mesh, dataset), _sampling(mesh, dataset)]
    if "repeat" not in dataset.dims or bool(dataset.done.all()):
        found.append(_spread(dataset))
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


def _middle(mesh: Mesh, dataset: xr.Dataset) -> xr.Dataset:
    """The point in the middle of the (first) grid."""
    first = dataset.isel({name: 0 for name in ("repeat", "mask") if name in dataset.dims})
    return first.isel(dict(zip(mesh.dims, mesh.order[0], strict=True)))


def _centre(objective: Objective, mesh: Mesh, dataset: xr.Dataset) -> Check:
    """The grid's middle point against an evaluation of its own: the plain way, in other micro-batches."""
    middle, place = _middle(mesh, dataset), mesh.order[0]
    measured, error = float(middle.nll), float(middle.sampling_error)
    expected = checks.plainly(objective).value(mesh.weights(place), draw=mesh.draw(place)).nll
    room = checks.ROUNDING * abs(expected) + 1e-7 + 4 * error
    same = measured == expected or abs(measured - expected) <= room
    text = f"The surface's centre is {measured:.6f}, the evaluated loss {expected:.6f}."
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
    middle = _middle(mesh, dataset)
    value, error, samples = float(middle.nll), float(middle.standard_error), int(middle.samples)
    text = f"{samples} samples give the centre's NLL as {value:.4f} ± {error:.4f} (one standard error)."
    if math.isfinite(error) and error <= 0.5 * abs(value):
        return Check("sampling", True, text)
    return Check("sampling", False, f"{text} That is more than half of it; take more --samples.")


def _spread(dataset: xr.Dataset) -> Check:
    """How much the rise towards the border differs from one draw of directions to the next."""
    if "repeat" not in dataset.dims:
        text = "One draw of directions was measured: how much another would differ is not known from it "
        return Check("directions", True, text + "(--repeats or --flatness tell).")
    rises = border_rises(dataset)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN, and fails
        mean, spread = float(rises.mean()), float(rises.std(ddof=1))
    text = f"Over {len(rises)} draws of directions the NLL rises by {mean:.4g} ± {spread:.2g} to the border "
    text += "(mean, standard deviation)."
    if math.isfinite(spread) and spread <= 0.5 * abs(mean):
        return Check("directions", True, text)
    return Check("directions", False, f"{text} No single picture stands for them; take more --repeats.")


def border_rises(dataset: xr.Dataset) -> np.ndarray:
    """Mean NLL of the outermost points minus that of the middle one, shape (repeat,); NaN if one is NaN."""
    dims = [name for name in ("y", "x") if name in dataset.dims]
    inner = {name: slice(1, -1) for name in dims}
    middle = {name: dataset.sizes[name] // 2 for name in dims}
    total = dataset.nll.sum(dims, skipna=False) - dataset.nll.isel(inner).sum(dims, skipna=False)
    count = math.prod(dataset.sizes[name] for name in dims) - math.prod(dataset.sizes[n] - 2 for n in dims)
    return (total / count - dataset.nll.isel(middle)).values


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
