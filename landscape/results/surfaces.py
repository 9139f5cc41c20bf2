"""Where the centre of a surface is, and what leaving samples out costs it, for everything that reads one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from landscape.errors import ResultError

_DIMENSIONS = {"repeat", "mask", "y", "x"}
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


def check_grid(surface: xr.Dataset, place: object) -> None:
    """Refuse a surface whose NLL is no grid of numbers over axes that are finite and ascend.

    Args:
        surface: The dataset.
        place: What errors call it.

    Raises:
        ResultError: If it is not one.
    """
    nll = surface["nll"]
    if nll.dtype.kind != "f" or "x" not in nll.dims or not set(nll.dims) <= _DIMENSIONS or not nll.size:
        shape = ", ".join(f"{name}: {size}" for name, size in nll.sizes.items())
        raise ResultError(f"{place} is no surface: its NLL is {nll.dtype} of the dimensions ({shape})")
    if "done" in surface and (surface["done"].dtype != bool or surface["done"].dims != nll.dims):
        raise ResultError(f"{place} is damaged: it does not say of each point whether it is done")
    for axis in ("y", "x"):
        if axis in nll.dims:
            check_axis(surface[axis].values, axis, place)


def check_axis(values: np.ndarray, axis: str, place: object) -> None:
    """Refuse coordinates that are not finite numbers, or do not ascend.

    Raises:
        ResultError: If they are not, or do not.
    """
    if values.ndim != 1 or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise ResultError(f"the {axis} axis of {place} is not a list of finite numbers")
    if (np.diff(values) <= 0).any():
        raise ResultError(f"the {axis} axis of {place} does not ascend from each point to the next")


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
