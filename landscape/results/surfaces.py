"""Where the centre of a surface is, and what leaving samples out costs it, for everything that reads one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

_OLD = 4.0
"""Errors in an interval, of results that do not say."""


SCORES = ("accuracy", "iou", "exact_match", "rmse", "perplexity")
"""Scores of a task that stand beside the loss at the centre."""


def loss_label(surface: xr.Dataset) -> str:
    """What its `nll` is called: the loss of a task without a likelihood is none."""
    return "loss" if surface["nll"].attrs.get("long_name") == "loss" else "NLL"


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


@dataclass(frozen=True)
class LeftOut:
    """Over the points from a part of the samples.

    Attributes:
        points: How many there are.
        error: Largest standard error, as a share of the point's NLL.
        interval: Half the 95 % interval that goes with it, as such a share.
        errors: Standard errors in that half.
    """

    points: int
    error: float
    interval: float
    errors: float


def left_out(surface: xr.Dataset) -> LeftOut | None:
    """Of a surface with a tolerance; None where no point left samples out."""
    if "sampling_error" not in surface:
        return None
    errors, nll = (surface[name].values.astype(float) for name in ("sampling_error", "nll"))
    kept = (errors > 0) & np.isfinite(nll) & (nll != 0)
    if not kept.any():
        return None
    largest = float((errors[kept] / np.abs(nll[kept])).max())
    width = float(surface["sampling_error"].attrs.get("errors_in_95_interval", _OLD))
    return LeftOut(int(kept.sum()), largest, width * largest, width)
