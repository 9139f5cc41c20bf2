"""What may be measured beside the loss at the points of a surface: its curvature, and rounding's share."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from landscape import hessian
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.surface import Mesh, apart
from landscape.work import Item, Runner

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
            return _ends(here.replace(parameters=theta), mesh.draw(place), tolerance)
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


def _ends(objective: Objective, draw: int, tolerance: float) -> Item:
    """Both ends of the spectrum at the objective's own parameters."""
    if not math.isfinite(objective.value(draw=draw).nll):
        return _NOTHING
    options = {"tolerance": tolerance, "seed": objective.seed, "draw": draw, "confirm": 0, "rounding": 0}
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
