"""What figures of curves share: lines with bands or bars, rows of categories, one legend below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from landscape.figures import style
from landscape.figures.style import NARROW
from landscape.figures.style.scales import is_wide, limits, log_ticks
from landscape.numbers import plain_numbers

TALLEST = 8.4
"""Rows of panels take no more than this height, so that a figure fits on a page (inches)."""
MARKS = 9
"""About how many markers a curve has."""
MOST = 3
"""More networks than this have markers instead of bars."""
_LONGEST = 30  # letters of a label that stands beside two others in a legend
_HATCHES = ("", "/////", ".....")
Table = Mapping[str, Mapping[str, tuple[float, float]]]
"""Network → category → value and standard error."""


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
    across = style.columns(count, width)
    figure = Figure(figsize=(width, -(-count // across) * row + extra), layout="constrained")
    return figure, style.grid(figure, count, across, sharex=True, sharey=True), across


def label_tiles(axes: Sequence[Axes], across: int, x: str, y: str) -> None:
    """Labels of the panels with nothing below them and of the first of each row."""
    for index, axis in enumerate(axes):
        axis.set_xlabel(x if index + across >= len(axes) else "")
        axis.set_ylabel("" if index % across else y)


def legend_columns(entries: int, width: float, labels: Sequence[str] = ()) -> int:
    """Columns of a legend: names fit three times, or four times if that fills the row, across a page.

    Args:
        entries: How many there are.
        width: Of the figure in inches.
        labels: Of the entries, where they are longer than names.
    """
    if max(map(len, labels), default=0) > _LONGEST:
        return min(entries, 1 if width < NARROW else 2)
    return min(entries, 2 if width < NARROW else 4 if entries == 4 else 3)


def legend_rows(entries: int, width: float, labels: Sequence[str] = ()) -> int:
    """Rows of such a legend."""
    return -(-entries // max(legend_columns(entries, width, labels), 1))


def legend(
    figure: Figure,
    looks: Mapping[str, style.Look],
    width: float,
    extra: Mapping[str, Artist] | None = None,
    *,
    labels: Sequence[str] = (),
) -> None:
    """One legend below for the networks, then for what else is drawn, by label.

    Args:
        figure: Where it stands.
        looks: Looks of the networks by name.
        width: Of the figure in inches.
        extra: What else is drawn, by label.
        labels: What is said of the networks; by default their names, shortened if need be.
    """
    more = extra or {}
    limit = 21 if width < NARROW else 26
    handles = [*(style.key(look) for look in looks.values()), *more.values()]
    said = [*(labels or [style.short(name, limit) for name in looks]), *more]
    style.legend_below(figure, handles, said, columns=legend_columns(len(handles), width, labels))


def of_networks(
    axis: Axes,
    drawn: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    looks: Mapping[str, style.Look],
    *,
    count: int,
    marked: Callable[[np.ndarray], Sequence[int]] | None = None,
) -> None:
    """A line for each network, with a band of ± two standard errors where these are known.

    Markers do not stand at the same points of every line, so that lines that coincide are seen.

    Args:
        axis: Where to draw.
        drawn: Coordinates, values and standard errors by name, shape (N,) each; what is not finite is a gap.
        looks: Looks by name.
        count: How many networks the figure has: bands are fainter where many lie on one another.
        marked: Which points of a line have a marker, given its coordinates; by default about nine.
    """
    for row, (name, (x, values, error)) in enumerate(drawn.items()):
        if not x.size:
            continue
        every = max(x.size // MARKS, 1)
        marks = range(row % every, x.size, every) if marked is None else marked(x)
        axis.plot(x, values, **looks[name].line, markevery=list(marks), label=name, zorder=3)
        band(axis, x, values, 2 * error, looks[name], count)


def band(
    axis: Axes, x: np.ndarray, values: np.ndarray, half: np.ndarray, look: style.Look, count: int
) -> None:
    """A band around a line, half its width known where it is finite; fainter among many networks."""
    if np.isfinite(half).any():
        shade: dict[str, Any] = {"color": look.colour, "alpha": opacity(count), "linewidth": 0}
        axis.fill_between(x, values - half, values + half, **shade)


def with_bars(
    axis: Axes,
    x: np.ndarray,
    y: np.ndarray,
    half: np.ndarray,
    look: style.Look,
    *,
    along: Literal["x", "y"] = "y",
    **options: Any,
) -> None:
    """Line and markers of one network with error bars, where these are known.

    Args:
        axis: Where to draw.
        x: Shape (N,).
        y: Shape (N,).
        half: Half the length of the bars, shape (N,), or both sides, shape (2, N).
        look: Its look.
        along: The axis of the bars.
        **options: Of `Axes.errorbar`, such as `label`.
    """
    known = half if np.isfinite(half).any() else None
    axis.errorbar(x, y, **{f"{along}err": known, "elinewidth": 0.7, "capsize": 1.5} | look.line | options)


def opacity(networks: int) -> float:
    """Opacity of bands: fainter where many lie on one another."""
    return 0.18 if networks <= 2 else 0.11 if networks <= 4 else 0.07


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
    label_logarithm(axis)
    return True


def label_logarithm(axis: Axes, count: int = 6) -> None:
    """Give a logarithmic vertical axis about so many round ticks, in plain numbers."""
    ticks = log_ticks(*axis.get_ylim(), count)
    axis.set_yticks(ticks, labels=plain_numbers(ticks))
    axis.minorticks_off()


def by_category(
    table: Table, *, label: str, looks: Mapping[str, style.Look], width: float, from_zero: bool = True
) -> Figure:
    """Horizontal bars, or markers, in rows of categories, with ± two standard errors.

    Args:
        table: Network → category → value and its standard error.
        label: What the value is.
        looks: Looks by name.
        width: Width in inches.
        from_zero: Whether the axis has to begin at zero; otherwise there are markers and no bars.
    """
    categories = list(dict.fromkeys(category for row in table.values() for category in row))
    barred = len(table) <= MOST and from_zero
    step = 0.08 * len(table) + 0.06 if barred else 0.19 + 0.012 * len(table)
    height = 0.55 + step * len(categories) + 0.14 * legend_rows(len(table), width)
    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    handles: list[Artist] = []
    for row, (name, found) in enumerate(table.items()):
        values, errors = np.array([found.get(each, (np.nan, np.nan)) for each in categories]).T
        place = (row, len(table))
        draw = _bars if barred else _markers
        handles.append(draw(axis, values, 2 * errors, looks[name], place, name))
    labels = [style.short(category.replace("_", " "), 20) for category in categories]
    axis.set_yticks(np.arange(len(categories)), labels=labels)
    axis.set_ylim(len(categories) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    if barred:
        axis.set_xlim(left=0)
    else:
        axis.grid(axis="y", color="0.88", linewidth=0.5)
        axis.set_axisbelow(True)
    axis.set_xlabel(label)
    names = [style.short(name, 21 if width < NARROW else 26) for name in table]
    style.legend_below(figure, handles, names, columns=legend_columns(len(names), width))
    return figure


def _bars(
    axis: Axes,
    values: np.ndarray,
    errors: np.ndarray,
    look: style.Look,
    place: tuple[int, int],
    name: str,
) -> Artist:
    """Bars of one network, told apart in grey by their hatching."""
    row, count = place
    thick = 0.8 / count
    options: dict[str, Any] = {"facecolor": look.colour, "edgecolor": "white", "linewidth": 0}
    options["hatch"] = _HATCHES[row]
    known = errors if np.isfinite(errors).any() else None
    error = {"elinewidth": 0.7, "ecolor": "0.2", "capsize": 1.2, "capthick": 0.7}
    rows = np.arange(values.size) + (row - (count - 1) / 2) * thick
    axis.barh(rows, values, height=0.92 * thick, xerr=known, error_kw=error, label=name, **options)
    return Patch(**options)


def _markers(
    axis: Axes,
    values: np.ndarray,
    errors: np.ndarray,
    look: style.Look,
    place: tuple[int, int],
    name: str,
) -> Artist:
    """Markers of one network, a little off the row where there are several."""
    row, count = place
    rows = np.arange(values.size) + 0.5 * ((row + 0.5) / count - 0.5)
    shape = style.Look(look.colour, "none", look.marker)
    options = {"elinewidth": 0.6, "capsize": 0, "label": name}
    with_bars(axis, values, rows, errors, shape, along="x", **options)
    return style.key(shape)
