"""Scales shared by the panels of a comparison: limits, whether to take logarithms, contour levels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from landscape.numbers import plain_number as plain_number

WIDE = 20.0
"""A positive range whose ends differ by more than this factor is drawn on a logarithmic axis."""
WIDE_SURFACE = 8.0
"""The same for surfaces, where linear levels soon leave the neighbourhood of the minimum without any."""
_DECADES = 6
_STEPS = (
    (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)


@dataclass(frozen=True)
class Scale:
    """One scale for all panels.

    Attributes:
        low: Smallest finite value.
        high: Largest finite value.
        log: Whether it is logarithmic.
        levels: Increasing contour levels; they reach `high`, and `low` unless that is `below`.
        below: Whether values under the first level exist (more than six decades under the largest).
    """

    low: float
    high: float
    log: bool
    levels: np.ndarray
    below: bool


def limits(arrays: Iterable[np.ndarray]) -> tuple[float, float] | None:
    """Smallest and largest finite value of all arrays; None if no value is finite."""
    values = np.concatenate([np.ravel(np.asarray(a, dtype=float)) for a in arrays])
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else None


def is_wide(low: float, high: float, factor: float = WIDE) -> bool:
    """Whether a range is positive and its ends differ by more than a factor."""
    return low > 0 and high / low > factor


def scale(arrays: Iterable[np.ndarray], *, count: int = 11, log: bool | None = None) -> Scale | None:
    """The scale shared by several grids; None if no value is finite.

    Args:
        arrays: Grids of values, NaN or infinite where not measured.
        count: About how many levels.
        log: Force a logarithmic (True) or linear (False) scale; by default it follows from the range.
            Zero or negative values always make it linear.
    """
    found = limits(arrays)
    if found is None:
        return None
    low, high = found
    take_log = low > 0 and high > low and (is_wide(low, high, WIDE_SURFACE) if log is None else log)
    # No round numbers of a logarithmic ladder lie in a narrow range, where both scales are alike.
    take_log = take_log and len(_inside(_log_levels(low, high, count), low, high)) > 1
    levels = _log_levels(low, high, count) if take_log else _linear_levels(low, high, count)
    return Scale(low, high, take_log, levels, bool(levels[0] > low))


def _linear_levels(low: float, high: float, count: int) -> np.ndarray:
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        half = abs(low) / 2 or 0.5
        return np.array([low - half, low + half])
    levels = np.asarray(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    first = np.searchsorted(levels, low, side="right") - 1
    last = np.searchsorted(levels, high, side="left")
    return levels[max(first, 0) : last + 1]


def _log_levels(low: float, high: float, count: int) -> np.ndarray:
    """Round numbers, evenly spread in the logarithm, from just below `low` to just above `high`."""
    low = max(low, high / 10**_DECADES)
    exponents = np.arange(np.floor(np.log10(low)) - 1, np.ceil(np.log10(high)) + 2)
    for steps in _STEPS:
        ladder = np.outer(10.0**exponents, steps).ravel()
        first = np.searchsorted(ladder, low * (1 + 1e-12), side="right") - 1
        last = np.searchsorted(ladder, high * (1 - 1e-12), side="left")
        levels = ladder[first : last + 1]
        if len(levels) <= count + 2:
            break
    return levels


def log_ticks(low: float, high: float, count: int = 7) -> np.ndarray:
    """At most about `count` round numbers in a positive range, evenly spread in the logarithm.

    In one too narrow for that they are evenly spread as they are.
    """
    inside = _inside(_log_levels(low, high, count), low, high)
    return inside if len(inside) > 1 else _inside(_linear_levels(low, high, count), low, high)


def _inside(levels: np.ndarray, low: float, high: float) -> np.ndarray:
    return levels[(levels >= low) & (levels <= high)]


def inner_ticks(low: float, high: float) -> list[float]:
    """Three or so round numbers strictly inside a range, symmetric when the range is."""
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    margin = 0.02 * (high - low)
    return [float(tick) for tick in ticks if low + margin < tick < high - margin]
