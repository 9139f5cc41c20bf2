"""What figures of curves share: panels side by side or stacked, lines with bands, one legend below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.style.scales import is_wide, limits, log_ticks, plain_number

NARROW = 5.0
"""Figures under this width (inches) stack their panels and have shorter legends."""
TALLEST = 8.4
"""Rows of panels take no more than this height, so that a figure fits on a page (inches)."""
MARKS = 9
"""About how many markers a curve has."""


def panels(
    count: int, *, width: float, entries: int, height: float = 1.9, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Panels with a common horizontal axis, side by side or stacked if narrow, above room for a legend.

    Args:
        count: Number of panels.
        width: Width of the figure in inches.
        entries: Entries of the legend.
        height: Height of a row of panels in inches.
        sharey: Whether the panels share their vertical axis.
    """
    stacked = width < NARROW
    total = height * (count if stacked else 1) + 0.25 + 0.14 * legend_rows(entries, width)
    figure = Figure(figsize=(width, total), layout="constrained")
    shape = (count, 1) if stacked else (1, count)
    return figure, list(figure.subplots(*shape, sharex=True, sharey=sharey, squeeze=False).flat)


def tiles(count: int, *, width: float, row: float, extra: float) -> tuple[Figure, list[Axes], int]:
    """Panels in rows that share both axes, no more than two in a row if narrow.

    Args:
        count: Number of panels.
        width: Width of the figure in inches.
        row: Height of a row in inches, title included.
        extra: Height added once, for labels and a legend under the last row.

    Returns:
        The figure, its panels, and how many of them are in a row.
    """
    across = min(style.columns(count), 2) if width < NARROW else style.columns(count)
    down = -(-count // across)
    figure = Figure(figsize=(width, down * row + extra), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for spare in grid.flat[count:]:
        spare.remove()
    axes = list(grid.flat[:count])
    for axis in axes[-across:]:  # with nothing below them, they show their own tick labels
        axis.xaxis.set_tick_params(labelbottom=True)
    return figure, axes, across


def label_tiles(axes: Sequence[Axes], across: int, x: str, y: str) -> None:
    """Labels of the panels with nothing below them and of the first of each row."""
    for index, axis in enumerate(axes):
        axis.set_xlabel(x if index + across >= len(axes) else "")
        axis.set_ylabel("" if index % across else y)


def legend_columns(entries: int, width: float) -> int:
    """Columns of a legend: names fit three times, or four times if that fills the row, across a page."""
    return min(entries, 2 if width < NARROW else 4 if entries == 4 else 3)


def legend_rows(entries: int, width: float) -> int:
    """Rows of such a legend."""
    return -(-entries // max(legend_columns(entries, width), 1))


def legend(
    figure: Figure,
    looks: Mapping[str, style.Look],
    width: float,
    extra: Mapping[str, Artist] | None = None,
) -> None:
    """One legend below for the networks, then for what else is drawn, by label."""
    more = extra or {}
    limit = 21 if width < NARROW else 26
    handles = [*(style.key(look) for look in looks.values()), *more.values()]
    labels = [*(style.short(name, limit) for name in looks), *more]
    style.legend_below(figure, handles, labels, columns=legend_columns(len(handles), width))


def curve(
    axis: Axes,
    x: np.ndarray,
    values: np.ndarray,
    error: np.ndarray,
    look: style.Look,
    *,
    name: str,
    marks: Sequence[int],
    band: float = 0.18,
) -> None:
    """One network: its line, and a band of ± two standard errors where these are known.

    Args:
        axis: Where to draw.
        x: Shape (N,).
        values: Shape (N,); what is not finite is a gap.
        error: Standard errors, shape (N,).
        look: Its look.
        name: Its name.
        marks: Indices of the points with a marker.
        band: Opacity of the band.
    """
    axis.plot(x, values, **look.line, markevery=list(marks), label=name, zorder=3)
    if np.isfinite(error).any():
        low, high = values - 2 * error, values + 2 * error
        axis.fill_between(x, low, high, color=look.colour, alpha=band, linewidth=0)


def opacity(networks: int) -> float:
    """Opacity of bands: fainter where many lie on one another."""
    return 0.18 if networks <= 2 else 0.11 if networks <= 4 else 0.07


def staggered(size: int, row: int) -> list[int]:
    """Which points of a curve have a marker: not the same in each row, so that coinciding curves are seen."""
    every = max(size // MARKS, 1)
    return list(range(row % every, size, every))


def measured(
    dataset: xr.Dataset, name: str, dimensions: str | tuple[str, ...], factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A variable and its standard errors as floats, NaN where the result has none of that name.

    Args:
        dataset: Any result.
        name: Of the variable.
        dimensions: Its dimensions in the order of the arrays.
        factor: To the unit in which it is drawn.
    """
    order = (dimensions,) if isinstance(dimensions, str) else dimensions
    found = (dataset.get(each) for each in (name, f"{name}_standard_error"))
    shape = [dataset.sizes[dimension] for dimension in order]
    values, errors = (
        np.full(shape, np.nan) if each is None else factor * each.transpose(*order).values.astype(float)
        for each in found
    )
    return values, errors


def column(dataset: xr.Dataset, name: str, dimension: str, factor: float = 1.0) -> np.ndarray:
    """A variable of one dimension as floats; NaN where the result has none of that name."""
    return measured(dataset, name, dimension, factor)[0]


def known(bars: np.ndarray) -> np.ndarray | None:
    """Lengths of error bars; None where not one is finite."""
    return bars if np.isfinite(bars).any() else None


def label_below(axes: Sequence[Axes], label: str, width: float) -> None:
    """The label of a common horizontal axis: of the last of stacked panels, else of each."""
    for axis in axes[-1:] if width < NARROW else axes:
        axis.set_xlabel(label)


def label_left(axes: Sequence[Axes], label: str, width: float) -> None:
    """The label of a common vertical axis: of each of stacked panels, else of the first."""
    for axis in axes if width < NARROW else axes[:1]:
        axis.set_ylabel(label)


def logarithmic(axis: Axes, arrays: Iterable[np.ndarray], log: bool | None = None) -> bool:
    """Give the vertical axis a logarithmic scale over all values if their range is wide, or as forced.

    A band may leave the axis below. Values that are not positive always make it linear.

    Returns:
        Whether the axis is logarithmic.
    """
    span = limits(arrays)
    if span is None or span[0] <= 0 or not (is_wide(*span) if log is None else log):
        return False
    margin = max((span[1] / span[0]) ** 0.06, 1.1)
    axis.set_yscale("log")
    axis.set_ylim(span[0] / margin, span[1] * margin)
    ticks = log_ticks(*axis.get_ylim(), 6)
    axis.set_yticks(ticks, labels=[plain_number(tick) for tick in ticks])
    axis.minorticks_off()
    return True
