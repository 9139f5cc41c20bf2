"""What a map of networks over two fields says: trends with test accuracy, jumps, quadrants.

Yang et al. (2021), *Taxonomizing local versus global structure in neural network loss landscapes*: test
accuracy is best where the loss is locally flat and networks are globally well connected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats

from landscape.comparison.correlations import LEAST
from landscape.errors import ResultError
from landscape.intervals import UNKNOWN, Interval, of_rank_correlation
from landscape.results.phases import ACCURACY, MEASURES, Grid, columns, ends_of

JUMP = 3.0
"""Robust standard deviations of all steps between neighbours beyond which one is a jump."""
SHARE = 0.1
"""Share of a measure's range that a jump has at least."""
SHARPNESS, CONNECTIVITY = "lmax", "mc_train_err"
BARRIER = -1.0
"""Connectivity, in percentage points of training error, under which networks are poorly connected."""
_MAD = 1.4826


@dataclass(frozen=True)
class Trend:
    """How a measure goes with test accuracy over the cells that have both.

    Attributes:
        name: Of the measure's column.
        value: Spearman's rank correlation; NaN under four cells, or where one of them never changes.
        interval: Its 95 % interval.
        cells: How many cells.
    """

    name: str
    value: float
    interval: Interval
    cells: int


def trends(dataset: xr.Dataset) -> dict[str, Trend]:
    """Rank correlations of every measure with test accuracy, by name, in the order of the columns.

    The interval takes cells for independent draws. Cells of a grid were chosen and neighbours are alike, so
    it describes this grid and proves no cause.

    Args:
        dataset: A result of kind `phase`.

    Raises:
        ResultError: If no measure shares four cells with test accuracy.
    """
    found = {name: _trend(dataset, name) for name in columns(dataset) if name != ACCURACY}
    if not any(math.isfinite(each.value) for each in found.values()):
        raise ResultError(
            f"rank correlations with {ACCURACY} need at least {LEAST} cells, not all alike, that have it and "
            "another measure; train networks of more cells"
        )
    return found


def _trend(dataset: xr.Dataset, name: str) -> Trend:
    first, second = (dataset[each].values.astype(float) for each in (name, ACCURACY))
    both = np.isfinite(first) & np.isfinite(second)
    first, second, count = first[both], second[both], int(both.sum())
    if count < LEAST or not (np.ptp(first) and np.ptp(second)):
        return Trend(name, math.nan, UNKNOWN, count)
    value = float(stats.spearmanr(first, second).statistic)
    return Trend(name, value, of_rank_correlation(value, count), count)


def is_log(name: str, values: np.ndarray) -> bool:
    """Whether a measure is taken on a logarithmic scale: by its nature, and where all values are positive."""
    measure = MEASURES.get(name)
    known = values[np.isfinite(values)]
    return measure is not None and measure.log and known.size > 0 and bool((known > 0).all())


def jumps(name: str, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Where a measure jumps from one cell of a grid to the next: the boundaries of phases.

    A step between neighbours is a jump if it is larger than three robust standard deviations of all steps,
    1.4826 · median |step|, and larger than a tenth of the measure's range. Steps of measures that are drawn
    on a logarithmic scale are those of logarithms.

    Args:
        name: Of the measure.
        grid: Its values.

    Returns:
        Masks of the steps across, shape (Y, X − 1), and upward, shape (Y − 1, X); a step to a cell without a
        number is none.
    """
    values = np.log(grid.values) if is_log(name, grid.values) else grid.values
    steps = [np.abs(np.diff(values, axis=axis)) for axis in (1, 0)]
    known = np.concatenate([each[np.isfinite(each)] for each in steps])
    if not known.size:
        return np.zeros(steps[0].shape, bool), np.zeros(steps[1].shape, bool)
    size = max(JUMP * _MAD * float(np.median(known)), SHARE * float(np.nanmax(values) - np.nanmin(values)))
    across, upward = (np.where(np.isfinite(each), each, 0.0) > size for each in steps)
    return across, upward


@dataclass(frozen=True)
class Quadrants:
    """Cells by how sharp they are and how well their networks are connected.

    Attributes:
        sharpness: λmax of each cell, shape (cell,).
        connectivity: Mode connectivity of each, in percentage points of training error.
        accuracy: Test accuracy, in per cent; NaN where it was not measured.
        sharpness_ends: Lower and upper ends, where anything is known of them.
        connectivity_ends: The same of the connectivity.
        sharp: λmax from which on a cell is called sharp.
        barrier: Connectivity under which it is called poorly connected.
    """

    sharpness: np.ndarray
    connectivity: np.ndarray
    accuracy: np.ndarray
    sharpness_ends: tuple[np.ndarray, np.ndarray] | None
    connectivity_ends: tuple[np.ndarray, np.ndarray] | None
    sharp: float
    barrier: float

    def counts(self) -> dict[str, tuple[int, float]]:
        """Cells of each quadrant and their median test accuracy, by its name in words."""
        found = {}
        for local, flat in (("flat", True), ("sharp", False)):
            for how, well in (("well", True), ("poorly", False)):
                inside = (self.sharpness < self.sharp) == flat
                inside &= (self.connectivity >= self.barrier) == well
                known = self.accuracy[inside & np.isfinite(self.accuracy)]
                median = float(np.median(known)) if known.size else math.nan
                found[f"locally {local}, globally {how} connected"] = (int(inside.sum()), median)
        return found


def quadrants(dataset: xr.Dataset, *, sharp: float | None = None, barrier: float = BARRIER) -> Quadrants:
    """Cells of a map by λmax and mode connectivity.

    Args:
        dataset: A result of kind `phase`.
        sharp: λmax from which on a cell is sharp; by default the median of all cells.
        barrier: Connectivity, in percentage points of training error, under which it is poorly connected.

    Raises:
        ResultError: If the result has not both measures in any cell.
    """
    absent = [name for name in (SHARPNESS, CONNECTIVITY) if name not in dataset]
    if absent:
        raise ResultError(
            f"quadrants take {SHARPNESS} and {CONNECTIVITY}, and this result has no {', '.join(absent)}; it "
            f"has {', '.join(columns(dataset))}"
        )
    held = {name: dataset[name].values.astype(float) for name in (SHARPNESS, CONNECTIVITY, ACCURACY)}
    both = np.isfinite(held[SHARPNESS]) & np.isfinite(held[CONNECTIVITY])
    if not both.any():
        raise ResultError(
            f"no cell of this result has {SHARPNESS} and {CONNECTIVITY}: two seeds of each cell give both"
        )
    ends = [_of(ends_of(dataset, name), both) for name in (SHARPNESS, CONNECTIVITY)]
    values = {name: each[both] for name, each in held.items()}
    middle = float(np.median(values[SHARPNESS])) if sharp is None else sharp
    sharpness, connectivity, accuracy = values.values()
    return Quadrants(sharpness, connectivity, accuracy, ends[0], ends[1], middle, barrier)


def _of(
    ends: tuple[np.ndarray, np.ndarray] | None, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    return None if ends is None else (ends[0][chosen], ends[1][chosen])
