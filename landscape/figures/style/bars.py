"""A number by category and network: bars for few networks, markers on a line for many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from landscape.figures import style
from landscape.figures.style import curves

MOST = 3
"""More networks than this have markers instead of bars."""
_HATCHES = ("", "/////", ".....")
Table = Mapping[str, Mapping[str, tuple[float, float]]]
"""Network → category → value and standard error."""


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
    height = 0.55 + step * len(categories) + 0.14 * curves.legend_rows(len(table), width)
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
    names = [style.short(name, 21 if width < style.NARROW else 26) for name in table]
    style.legend_below(figure, handles, names, columns=curves.legend_columns(len(names), width))
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
    curves.with_bars(axis, values, rows, errors, shape, along="x", **options)
    return style.key(shape)
