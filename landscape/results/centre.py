"""Where the centre of a surface is, for everything that reads one."""

from __future__ import annotations

import numpy as np
import xarray as xr


def centre(surface: xr.Dataset) -> dict[str, int] | None:
    """Position of the point x = y = 0 along each dimension of the grid; None if the grid has no such point.

    It is where the directions start: the trained weights, or the first of the checkpoints that a plane goes
    through. A grid around checkpoints need not have it, and its middle is no particular point. A coordinate
    counts as zero up to a billionth of its axis's extent.

    Args:
        surface: Coordinates `x`, and `y` for a plane.
    """
    found = {}
    for axis in ("y", "x"):
        if axis in surface.dims:
            values = np.abs(surface[axis].values.astype(float))
            found[axis] = int(values.argmin())
            if values.min() > 1e-9 * float(np.ptp(surface[axis].values)):
                return None
    return found


def at_centre(surface: xr.Dataset) -> xr.Dataset | None:
    """The surface there, of several repeats or dropout masks the first; None if there is no such point."""
    place = centre(surface)
    if place is None:
        return None
    return surface.isel(place | {name: 0 for name in ("repeat", "mask") if name in surface.dims})
