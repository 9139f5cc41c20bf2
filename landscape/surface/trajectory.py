"""Where the checkpoints of a training run lie: on a plane, and seen from its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.parameters import Parameters, dot, norm, shifted
from landscape.surface.directions import Directions, rejected
from landscape.surface.norms import require_same_shapes
from landscape.surface.series import line, only_parameters


def project(
    checkpoints: Sequence[Mapping[str, Tensor]],
    directions: Directions,
    origin: Mapping[str, Tensor] | None = None,
) -> xr.Dataset:
    """Coordinates of checkpoints on a plane, and how far off it they lie.

    The nearest point origin + x·δ + y·η, by least squares, so that δ and η need not be orthogonal. Distances
    are over the origin's parameters, BatchNorm's running statistics left out; where a direction lacks a
    tensor, or is zero, a move of it is off the plane.

    Args:
        checkpoints: Parameters by name; they may hold more than the origin does.
        directions: One or two.
        origin: The point (0, 0); by default the directions' own.

    Returns:
        Dimension `checkpoint`: `x` and, on a plane, `y` in units of the directions, `off_plane` and
        `distance` (‖w_t − origin‖), both ‖Δw‖. Dimension `axis`: `explained_variance`, the share of
        Σ‖w_t − origin‖² along the first direction, and what the second adds; NaN if nothing moved.

    Raises:
        LandscapeError: If there are no checkpoints or no origin, names or shapes do not fit, or the
            directions are parallel.
    """
    if origin is None and directions.origin is None:
        raise LandscapeError("these directions start at a network's own weights; give those as the origin")
    if not checkpoints:
        raise LandscapeError("there is nothing to project: the series of checkpoints is empty")
    centre = only_parameters(directions.origin if origin is None else origin)  # type: ignore[arg-type]
    axes = [{name: value.double() for name, value in vector.items()} for vector in directions.vectors]
    require_same_shapes(axes[0], centre, what="a direction", of="the origin's parameters", subset=True)
    corners = axes[:1] + [rejected(axis, axes[0]) for axis in axes[1:]]
    if float(norm(corners[-1])) <= 1e-6 * directions.lengths[-1]:
        raise LandscapeError(
            "the two directions are parallel and span no plane; give others, or a single one"
        )
    table = []
    for index, checkpoint in enumerate(checkpoints):
        mine = {name: value for name, value in only_parameters(checkpoint).items() if name in centre}
        require_same_shapes(mine, centre, what=f"checkpoint {index}", of="the origin's parameters")
        moved = {name: mine[name].double() - value.double() for name, value in centre.items()}
        table.append(_nearest(moved, axes, corners))
    return _dataset(np.array(table), directions)


def polar(checkpoints: Sequence[Mapping[str, Tensor]]) -> xr.Dataset:
    """The polar trajectory of training (Park & Kim, ICLR 2022, Fig. 1), seen from its end w*.

    r_t = ‖w_t − w*‖ / ‖w_0 − w*‖, and θ_t the angle between w_t − w* and w_0 − w*; over the parameters,
    BatchNorm's running statistics left out. The angle is an arctangent, as an arccosine is blind to angles
    under 1e-8.

    Args:
        checkpoints: In the order of training, w_0 first and w* last.

    Returns:
        Dimension `checkpoint`: `radius` and `angle` in radians, NaN where the radius is zero, as at the end.

    Raises:
        LandscapeError: If there are fewer than two, they do not fit, or the first equals the last.
    """
    if len(checkpoints) < 2:
        raise ArgumentError(f"a polar trajectory needs at least two checkpoints, got {len(checkpoints)}")
    start, end = ({k: v.double() for k, v in only_parameters(checkpoints[i]).items()} for i in (0, -1))
    require_same_shapes(start, end, what="the first checkpoint", of="the last checkpoint")
    if all(torch.equal(start[name], value) for name, value in end.items()):
        raise LandscapeError(
            "the first and the last checkpoint hold the same weights; give the series from start to end"
        )
    back = line(end, start)
    seen = project(checkpoints, back)
    angle = np.arctan2(seen.off_plane.values, seen.x.values * back.lengths[0])
    radius = seen.distance.values / back.lengths[0]
    return xr.Dataset(
        {
            "radius": ("checkpoint", radius, {"long_name": "‖w_t − w*‖ / ‖w_0 − w*‖"}),
            "angle": (
                "checkpoint",
                np.where(radius > 0, angle, np.nan),
                {"long_name": "angle between w_t − w* and w_0 − w*", "units": "rad"},
            ),
        },
        coords={"checkpoint": np.arange(len(radius))},
    )


def _nearest(moved: Parameters, axes: Sequence[Parameters], corners: Sequence[Parameters]) -> list[float]:
    """Coordinates of the nearest point, that on the first axis alone, distance off the plane, distance.

    The corners, δ and η without its part along δ, give the last coordinate, and what is left gives the first:
    the normal equations would square the condition of directions that are nearly parallel.
    """
    rest, coordinates = moved, list[float]()
    for axis, corner in reversed(list(zip(axes, corners, strict=True))):
        coordinates.insert(0, _share(rest, corner))
        rest = shifted(rest, (-coordinates[0], axis))
    return [*coordinates, _share(moved, axes[0]), float(norm(rest)), float(norm(moved))]


def _share(vector: Parameters, axis: Parameters) -> float:
    return float(dot(axis, vector)) / float(dot(axis, axis))


def _dataset(table: np.ndarray, directions: Directions) -> xr.Dataset:
    *coordinates, first, off_plane, distance = table.T
    total = (distance**2).sum() or np.nan
    explained = [(first**2).sum() * directions.lengths[0] ** 2 / total]
    if len(coordinates) == 2:
        explained.append(1 - (off_plane**2).sum() / total - explained[0])
    return xr.Dataset(
        {
            **{
                name: ("checkpoint", values, {"long_name": label, "units": directions.units})
                for name, values, label in zip("xy", coordinates, directions.labels, strict=False)
            },
            "off_plane": ("checkpoint", off_plane, {"long_name": "distance off the plane", "units": "‖Δw‖"}),
            "distance": ("checkpoint", distance, {"long_name": "distance from the origin", "units": "‖Δw‖"}),
            "explained_variance": ("axis", explained, {"long_name": "share of the squared distances"}),
        },
        coords={"checkpoint": np.arange(len(table))},
    )
