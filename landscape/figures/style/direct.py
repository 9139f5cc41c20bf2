"""Names at the ends of curves instead of in a legend, where there is room for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression

from landscape.figures import style
from landscape.figures.style import curves
from landscape.figures.style.groups import Panels

_LINE = 0.12
"""Inches from one name to the next."""
_ASTRAY = 1.5
"""Lines by which a name may stand above or below the end of its curve."""
_NEAR = 0.9
"""Share of the panel's width at which a curve has reached the right edge."""


def name_ends(page: Panels) -> None:
    """Write the name of each curve at its right end, in its colour, and take it out of the legend.

    The legend stays where there are several panels, where the figure is narrow, where names have additions,
    where a curve ends before the right edge, and where curves end so close together that names would not
    stand beside theirs.

    Args:
        page: With everything drawn, and the scales final.
    """
    if len(page.axes) != 1 or page.width < style.NARROW or page.labels:
        return
    (axis,) = page.axes
    page.figure.draw_without_rendering()
    ends = _ends(axis, tuple(page.looks))
    height = axis.get_window_extent().height / page.figure.dpi
    gap = _LINE / height
    order = sorted(ends, key=ends.__getitem__)
    wanted = np.array([ends[name] for name in order])
    places = _apart(wanted, gap)
    if len(ends) < len(page.looks) or not len(ends) or np.abs(places - wanted).max() > _ASTRAY * gap:
        return
    for name, place in zip(order, places, strict=True):
        words: dict[str, Any] = {"color": page.looks[name].colour, "fontsize": 6.5, "va": "center"}
        axis.text(1.015, place, style.short(name, 26), transform=axis.transAxes, **words)
    _shrink(page)


def _ends(axis: Axes, names: tuple[str, ...]) -> dict[str, float]:
    """Where each curve that reaches the right edge ends, as a share of the height of the panel."""
    curve = {line.get_label(): line for line in axis.lines}
    curve |= {container.get_label(): container[0] for container in axis.containers}  # of error bars
    found: dict[str, float] = {}
    for name in names:
        points = np.column_stack(curve[name].get_data()).astype(float) if name in curve else np.empty((0, 2))
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            x, y = axis.transAxes.inverted().transform(axis.transData.transform(points[-1]))
            found |= {name: float(y)} if x > _NEAR else {}
    return found


def _apart(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Increasing places nearest to those wanted, in least squares, each at least `gap` over the last."""
    if not wanted.size:
        return wanted
    steps = gap * np.arange(wanted.size)
    return np.asarray(isotonic_regression(wanted - steps).x) + steps


def _shrink(page: Panels) -> None:
    """A legend of what else is drawn alone, and a figure that is shorter by the rows it has less."""
    for legend in list(page.figure.legends):
        legend.remove()
    extra = len(page.extra)
    rows = [curves.legend_rows(count, page.width) for count in (len(page.looks) + extra, extra)]
    page.figure.set_figheight(page.figure.get_figheight() - 0.14 * (rows[0] - rows[1]))
    if page.extra:
        curves.legend(page.figure, {}, page.width, page.extra)
