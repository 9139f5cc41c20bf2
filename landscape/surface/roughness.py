"""How rough a measured surface is: its local minima, how deep they are, and what no quadratic explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy import ndimage

from landscape.errors import LandscapeError
from landscape.surface.quadratic import fit

_CERTAIN = 2.0  # standard errors that a persistence must exceed
_LAYOUTS = (("x",), ("y", "x"))
_NEVER = -1  # in place of the point where a component joins another

_ABOUT: dict[str, dict[str, str]] = {
    "local_minimum": {"long_name": "local minimum inside the surface"},
    "death": {"long_name": "loss of the lowest pass to a lower minimum", "units": "nats"},
    "persistence": {"long_name": "height of that pass above the minimum", "units": "nats"},
    "significant": {"long_name": "persistence exceeds two standard errors"},
    "minima": {"long_name": "local minima inside the surface"},
    "components": {"long_name": "parts of the finite surface that never join"},
    "total_persistence": {"long_name": "sum of finite persistences", "units": "nats"},
    "significant_minima": {"long_name": "local minima inside the surface, beyond sampling error"},
    "significant_persistence": {"long_name": "sum of significant finite persistences", "units": "nats"},
    "loops": {"long_name": "rings of lower loss around a hill"},
    "loop_persistence": {"long_name": "sum of finite heights of hills above their rings", "units": "nats"},
    "not_finite": {"long_name": "points whose loss is not finite, taken as walls"},
    "quadratic_residual": {"long_name": "share of the variation that no quadratic explains, 1 − R²"},
}


def roughness(surface: xr.Dataset, *, radius: float | None = None, loops: bool = False) -> xr.Dataset:
    """Local minima of a line or a plane, their persistence, and the residual of the best quadratic.

    A local minimum is a point, or a connected plateau of equal values, all of whose neighbours (8 in a plane,
    diagonals included; 2 on a line) are higher. On the border some neighbours are unknown, so minima there
    are not counted. Persistence (Edelsbrunner & Harer 2010, *Computational Topology*, chapter VII) is how far
    one must climb from a minimum before a lower one can be reached: the set {loss ≤ t} gains a component at
    the minimum (birth), which joins an older one at a pass (death). The lowest minimum never dies: its
    persistence is infinite.

    A loss that is NaN or infinite counts as a wall of height +∞, so as a neighbour that is higher; nothing is
    filled in. Walls can cut the surface into several parts, each with an infinite persistence.

    Sampling error makes minima of its own. With the variable `standard_error` a minimum is `significant` if
    its persistence is infinite or exceeds 2·√(se² at the minimum + se² at the pass). Points of one surface
    share their samples, so that their difference is known better than that: the rule is cautious.

    Args:
        surface: `nll` with dimensions `y`, `x`, or `x` alone, or either after `repeat`.
        radius: Of the circle around the origin that the quadratic is fitted to; all points by default.
        loops: Whether to count rings as well: a ring of lower loss is born when it closes around a hill, and
            dies at the hill's top.

    Returns:
        To be merged into the surface. Shaped like it: `local_minimum` (one point for each plateau, inside
        only); `death` and `persistence` at every minimum, border included, else NaN; `significant`. One
        number each: `minima`; `total_persistence` (finite ones, border included); `components` (parts that
        never join); `not_finite`; `quadratic_residual` (1 − R²; NaN if the finite points are too few). With
        standard errors, and else left out: `significant_minima`, `significant_persistence`. With `loops`:
        `loops`, `loop_persistence` (finite ones).

    Raises:
        LandscapeError: If the surface has other dimensions or is not finished, or gudhi is not installed.
    """
    _check(surface)
    loss = surface["nll"]
    if loss.dims[0] == "repeat":
        parts = [
            roughness(surface.isel(repeat=index), radius=radius, loops=loops) for index in range(len(loss))
        ]
        joined = xr.concat(
            parts, "repeat", data_vars="all", coords="minimal", compat="override", join="override"
        )
        return joined.assign_coords({name: surface[name] for name in loss.dims if name in surface.coords})
    walled = np.where(np.isfinite(loss), loss, np.inf)
    found = _sublevel_sets(walled, surface["standard_error"].values if "standard_error" in surface else None)
    if loops:
        _, heights = _heights(walled, _pairs(walled, 1))
        found |= {"loops": len(heights), "loop_persistence": _finite_sum(heights)}
    found["not_finite"] = np.count_nonzero(np.isinf(walled))
    found["quadratic_residual"] = _quadratic_residual(loss, radius)
    table = {
        name: (loss.dims if np.ndim(value) else (), value, _ABOUT[name]) for name, value in found.items()
    }
    return xr.Dataset(table, coords={name: surface[name] for name in loss.dims})


def local_minima(values: np.ndarray) -> np.ndarray:
    """Plateaus that are lower than everything around them, those on the border included.

    Args:
        values: A line or a grid, +∞ where there is nothing.

    Returns:
        Shaped like the values: 0 where there is no minimum, else the minimum's number, from 1 on.
    """
    around = np.ones((3,) * values.ndim)
    lowest = ndimage.minimum_filter(values, footprint=around, mode="constant", cval=np.inf)
    candidates = (values == lowest) & np.isfinite(values)
    # Candidates that touch are equal. A plateau with a way down has an equal neighbour that is no candidate.
    others = np.where(candidates, np.inf, values)
    beside = ndimage.minimum_filter(others, footprint=around, mode="constant", cval=np.inf)
    labels, count = ndimage.label(candidates, around)
    keep = np.setdiff1d(np.arange(1, count + 1), labels[candidates & (beside == values)])
    numbers = np.zeros(count + 1, int)
    numbers[keep] = np.arange(1, len(keep) + 1)
    return numbers[labels]


def _check(surface: xr.Dataset) -> None:
    dims = tuple(surface["nll"].dims) if "nll" in surface else ()
    if dims not in _LAYOUTS and (dims[:1] != ("repeat",) or dims[1:] not in _LAYOUTS):
        raise LandscapeError(
            f"roughness needs a surface: `nll` with dimensions y, x (or x alone), after `repeat` if there "
            f"are several; got {', '.join(map(str, dims)) or 'no nll'}"
        )
    if "done" in surface and not surface["done"].values.all():
        open_points = int((~surface["done"]).sum())
        raise LandscapeError(
            f"{open_points} of {surface['done'].size} points are not computed yet, and their neighbours "
            "would pass for minima; finish the run, or choose the points of a coarser grid that are all there"
        )


def _sublevel_sets(values: np.ndarray, error: np.ndarray | None) -> dict[str, Any]:
    """Minima and their persistence: arrays shaped like the values, and numbers."""

    def placed(points: np.ndarray, what: Any, empty: Any) -> np.ndarray:
        grid = np.full(values.size, empty)
        grid[points] = what
        return grid.reshape(values.shape)

    labels = local_minima(values)
    border = np.ones(values.shape, bool)
    border[(slice(1, -1),) * values.ndim] = False
    first = _first_places(labels)
    inside = first[np.setdiff1d(labels, np.append(labels[border], 0))]
    pairs = _pairs(values, 0)
    births = first[labels.ravel()[pairs[:, 0]]]  # a plateau is born at any of its points
    deaths, heights = _heights(values, pairs)
    found = {
        "local_minimum": placed(inside, True, False),
        "death": placed(births, deaths, np.nan),
        "persistence": placed(births, heights, np.nan),
        "minima": len(inside),
        "components": np.count_nonzero(np.isinf(heights)),
        "total_persistence": _finite_sum(heights),
    }
    if error is not None:
        error = error.ravel()
        certain = np.isinf(heights) | (heights > _CERTAIN * np.hypot(error[births], error[pairs[:, 1]]))
        found["significant"] = placed(births, certain, False)
        found["significant_minima"] = np.count_nonzero(np.isin(births[certain], inside))
        found["significant_persistence"] = _finite_sum(heights[certain])
    return found


def _first_places(labels: np.ndarray) -> np.ndarray:
    """Flat position of the first point of each label."""
    numbers, positions = np.unique(labels, return_index=True)
    first = np.zeros(labels.max() + 1, int)
    first[numbers] = positions
    return first


def _pairs(values: np.ndarray, dimension: int) -> np.ndarray:
    """Flat positions of birth and death (or `_NEVER`) of each class of the sublevel sets, shape (n, 2).

    Points are the top cells of a cubical complex, so that those that share a corner touch.
    """
    try:
        from gudhi import CubicalComplex
    except ImportError as error:
        raise LandscapeError(
            "the persistence of a surface is computed by the package gudhi, which is not installed; "
            "pip install gudhi"
        ) from error
    cells = CubicalComplex(top_dimensional_cells=values)
    cells.compute_persistence()
    dying, lasting = (kind[dimension : dimension + 1] for kind in cells.cofaces_of_persistence_pairs())
    found = [np.empty((0, 2), int), *dying]
    found += [np.stack([births, np.full(len(births), _NEVER)], 1) for births in lasting]
    pairs = np.concatenate(found)
    order = np.arange(values.size).reshape(values.shape).ravel(order="F")  # gudhi counts columns first
    pairs = np.where(pairs == _NEVER, _NEVER, order[pairs])
    return pairs[np.isfinite(values.ravel()[pairs[:, 0]])]


def _heights(values: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values at the deaths, and persistences, shape (n,)."""
    births, deaths = (values.ravel()[column] for column in pairs.T)
    deaths = np.where(pairs[:, 1] == _NEVER, np.inf, deaths)
    return deaths, deaths - births


def _finite_sum(heights: np.ndarray) -> float:
    return float(heights[np.isfinite(heights)].sum())


def _quadratic_residual(loss: xr.DataArray, radius: float | None) -> float:
    y = loss["y"].values if "y" in loss.dims else None
    try:
        return fit(loss["x"].values, y, loss.values, radius=radius).relative
    except LandscapeError:
        if radius is not None and not radius > 0:
            raise
        return float("nan")
