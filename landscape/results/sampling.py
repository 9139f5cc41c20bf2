"""What leaving samples out costs a surface, read in one place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

_OLD = 4.0
"""Errors in an interval, of results that do not say."""


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
