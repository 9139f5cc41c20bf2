"""The trust report of surfaces."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from landscape import hessian
from landscape.analyses import checks
from landscape.errors import LandscapeError
from landscape.forward.contexts import batch_norms
from landscape.objective import Objective
from landscape.results import Check, centre, left_out
from landscape.results.checks import agreement, complete, finite
from landscape.surface import Directions, Mesh, apart
from landscape.work import Item, Runner


def trust(objective: Objective, mesh: Mesh, dataset: xr.Dataset) -> list[Check]:
    """Everything there is to say of a surface."""
    measured = dataset.nll.values[dataset.done.values]
    found = [finite("surface", measured), *complete(dataset)]
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
    passed = math.isfinite(high - low) and high - low <= abs(mean)
    return checks.judged("directions", passed, text, "That is wider than the value; take more directions.")


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
    return agreement(_named(mesh, dataset), measured, expected, error)


def _sampling(mesh: Mesh, dataset: xr.Dataset) -> Check:
    point, name = _judged(mesh, dataset), _named(mesh, dataset)
    value, error, samples = float(point.nll), float(point.standard_error), int(point.samples)
    text = f"{samples} samples give the {name}'s NLL as {value:.4f} ± {error:.4f} (one standard error)."
    passed = math.isfinite(error) and error <= 0.5 * abs(value)
    return checks.judged("sampling", passed, text, "That is more than half of it; take more --samples.")


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
    passed = math.isfinite(spread) and spread <= 0.5 * abs(mean)
    remedy = "No single picture stands for them; take more --repeats."
    return checks.judged("directions", passed, text, remedy)


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
    return [checks.judged("precision", error <= 0.05, text, "Use --precision full.")]


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


CHECKED = 5
"""Points at which a reduced precision is compared with the full one."""

_CURVATURE = {
    "hessian_largest": "largest Hessian eigenvalue",
    "hessian_smallest": "smallest Hessian eigenvalue",
    "hessian_residual": "larger residual of the two",
}
_NOTHING = {**dict.fromkeys(_CURVATURE, np.array(math.nan)), "hessian_converged": np.array(False)}


def curvature(objective: Objective, mesh: Mesh, run: Runner, *, tolerance: float = 1e-3) -> xr.Dataset:
    """The largest and the smallest Hessian eigenvalue at every point (Li et al. 2018, section 6).

    Their ratio |λmin/λmax| tells how far from convex the loss is there, which a picture cannot.

    Args:
        objective: The loss.
        mesh: Where.
        run: Runs the points.
        tolerance: Of each eigenvalue, relative; a coarse one may take the second largest for the largest.

    Returns:
        Shaped like the surface: `hessian_largest`, `hessian_smallest`, `hessian_residual` and
        `hessian_converged`; NaN where loss or products are not finite, or nothing has been computed.
    """

    def compute(index: int) -> Item:
        place = mesh.order[index]
        try:
            here, theta = apart(objective, mesh.weights(place))
            return _both_ends(here.replace(parameters=theta), mesh.draw(place), tolerance)
        except LandscapeError:
            if index == 0:  # what the network or the protocol cannot do
                raise
            return _NOTHING  # the loss is finite there, but its derivatives overflow

    table = {name: np.full(mesh.shape, np.nan) for name in _CURVATURE}
    converged = np.zeros(mesh.shape, bool)
    for place, item in zip(mesh.order, run(len(mesh.order), compute, "curvature"), strict=True):
        if item is not None:
            for name, values in table.items():
                values[place] = item[name]
            converged[place] = item["hessian_converged"]
    return xr.Dataset(
        {name: (mesh.dims, values, {"long_name": _CURVATURE[name]}) for name, values in table.items()}
        | {"hessian_converged": (mesh.dims, converged, {"long_name": "whether both eigenvalues converged"})}
    )


def _both_ends(objective: Objective, draw: int, tolerance: float) -> Item:
    """Both ends of the spectrum at the objective's own parameters."""
    if not math.isfinite(objective.value(draw=draw).nll):
        return _NOTHING
    options = {"tolerance": tolerance, "seed": objective.seed, "draw": draw, "confirm": 0, "rounding": False}
    largest, smallest = (
        hessian.eigenpairs(objective, 1, which=which, **options) for which in ("largest", "smallest")
    )
    return {
        "hessian_largest": largest.eigenvalues[0],
        "hessian_smallest": smallest.eigenvalues[0],
        "hessian_residual": max(largest.residuals[0], smallest.residuals[0]),
        "hessian_converged": largest.converged[0] & smallest.converged[0],
    }


def precision_error(objective: Objective, mesh: Mesh, run: Runner) -> xr.Dataset:
    """The loss in full and in reduced precision at a few points, the centre and those around it.

    Returns:
        Dimension `checked`: coordinates `checked_x` (and `checked_y`), `reduced_nll` and `full_nll`, over
        every sample. One number: `precision_error`, the largest |reduced/full − 1| among them.
    """
    places = mesh.order[:CHECKED]

    def compute(index: int) -> Item:
        here, theta = apart(objective, mesh.weights(places[index]))
        draw = mesh.draw(places[index])
        return {
            "reduced_nll": np.array(here.value(theta, draw=draw).nll),
            "full_nll": np.array(here.replace(precision="full").value(theta, draw=draw).nll),
        }

    items = [item for item in run(len(places), compute, "precision") if item is not None]
    found = {name: np.array([float(item[name]) for item in items]) for name in ("reduced_nll", "full_nll")}
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.abs(found["reduced_nll"] / found["full_nll"] - 1)
    at = np.array([mesh.coordinates(place) for place in places[: len(items)]])
    about = {"long_name": "largest relative error of reduced precision at the points compared"}
    return xr.Dataset(
        {name: ("checked", values, {"units": "nats"}) for name, values in found.items()}
        | {f"checked_{axis}": ("checked", column) for axis, column in zip("xy", at.T, strict=False)}
        | {"precision_error": ((), errors.max() if len(errors) else math.nan, about)}
    )
