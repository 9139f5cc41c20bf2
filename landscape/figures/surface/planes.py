"""How one plane is drawn: areas, lines, marks, and what cannot be filled, hatched or dotted round.

Cells that were computed but are not finite are hatched, those not computed yet are white within dots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from landscape.figures import style
from landscape.figures.style.scales import Scale
from landscape.figures.surface.grids import Cells
from landscape.numbers import plain_number, plain_numbers

LOSSES = ("nll", "l2", "total")
"""Quantities whose minimum is marked."""
_APART = 0.14  # labels of lines keep this distance, as a share of the panel
NOT_FINITE = "not finite"
NOT_DONE = "not computed"


def colours_of(shared: Scale | None, colours: Colormap) -> ScalarMappable:
    """Colours for the steps between the levels of a scale."""
    levels = np.array([0.0, 1.0]) if shared is None else shared.levels
    return ScalarMappable(BoundaryNorm(levels, colours.N, extend=_extend(shared)), colours)


def draw_plane(
    axis: Axes,
    grid: Cells,
    shared: Scale | None,
    colours: ScalarMappable,
    *,
    filled: bool = True,
    numbers: bool = True,
) -> None:
    """One plane: open cells, areas, lines, and the limits and ticks of the axes.

    Args:
        axis: Where to draw.
        grid: The plane.
        shared: Levels; None if no value of any panel is finite.
        colours: Colours of the levels.
        filled: Whether areas have colours, or lines alone.
        numbers: Whether the lines are labelled.
    """
    drawn = grid.covering()
    mark_open(axis, drawn, grid)
    if shared and drawn.finite.any():
        values = np.ma.masked_invalid(drawn.drawn())
        if filled:
            scale: dict[str, Any] = {"cmap": colours.cmap, "norm": colours.norm, "levels": shared.levels}
            axis.contourf(drawn.x, drawn.y, values, **scale, extend=_extend(shared))
        _lines(axis, drawn, values, shared, None if filled else colours, numbers)
    axis.set(xlim=(grid.x.min(), grid.x.max()), ylim=(grid.y.min(), grid.y.max()))
    plain_ticks(axis.xaxis, 4)
    plain_ticks(axis.yaxis, 4)


def plain_ticks(side: MatplotlibAxis, count: int) -> None:
    """About so many round ticks along an axis, in plain numbers."""
    side.set_major_locator(MaxNLocator(count, steps=[1, 2, 5, 10]))
    side.set_major_formatter(lambda value, _: plain_number(value))


def mark_points(axis: Axes, grid: Cells, *, lowest: bool = True) -> None:
    """A plus at (0, 0) if the plane holds it, and a circle at the lowest value."""
    marks = {"+": (0.0, 0.0), "o": grid.lowest() if lowest else None}
    for marker, place in marks.items():
        if place and all(a.min() <= p <= a.max() for p, a in zip(place, (grid.x, grid.y), strict=True)):
            shape: dict[str, Any] = {"marker": marker, "markersize": 6, "markeredgewidth": 1.1}
            shape |= {"color": "white", "markerfacecolor": "none", "path_effects": outline("black", 2.1)}
            axis.plot(*place, **shape, clip_on=marker == "+", zorder=5)  # the lowest may lie on the border


def name_points(axis: Axes, places: Mapping[str, tuple[float, float]]) -> None:
    """A disc at each point, and its name while there are few."""
    for name, place in places.items():
        axis.plot(*place, "o", markersize=3, color="white", path_effects=outline("black", 1.6), zorder=6)
        if len(places) <= 3:
            text = axis.annotate(
                style.short(name, 14), place, (0, 4), textcoords="offset points", ha="center", fontsize=6
            )
            text.set_path_effects(outline("white", 1.6))


def outline(colour: str, width: float) -> list[patheffects.AbstractPathEffect]:
    """An outline that sets a mark or a letter off from any background."""
    return [patheffects.withStroke(linewidth=width, foreground=colour)]


def colour_bar(
    figure: Figure, axes: Sequence[Axes], colours: ScalarMappable, shared: Scale, label: str
) -> None:
    """One bar for all panels, with a tick at each level, or at as many as its height has room for."""
    own = colours_of(shared, colours.cmap)  # not the same object: contours drawn later reset its ticks
    shrink = min(1.0, 3.5 / figure.get_figheight())
    options: dict[str, Any] = {"aspect": 30, "pad": 0.02, "shrink": shrink, "spacing": "uniform"}
    bar = style.colour_bar(figure, own, "", ax=axes, **options)
    figure.draw_without_rendering()
    room = max(int(bar.ax.get_window_extent().height / figure.dpi / 0.11), 2)
    ticks = shared.levels[:: -(-len(shared.levels) // room)]
    bar.set_ticks(ticks.tolist(), labels=plain_numbers(ticks))
    bar.minorticks_off()
    bar.set_label(f"{label} (logarithmic levels)" if shared.log else label)


def _extend(shared: Scale | None) -> Literal["min", "neither"]:
    return "min" if shared and shared.below else "neither"


def _lines(
    axis: Axes,
    grid: Cells,
    values: np.ma.MaskedArray,
    shared: Scale,
    coloured: ScalarMappable | None,
    numbers: bool,
) -> None:
    """Lines at the levels, labelled where there is room."""
    inside = [v for v in shared.levels if values.min() < v < values.max()]
    if not inside:
        return
    scale = {"cmap": coloured.cmap, "norm": coloured.norm} if coloured else {"colors": "black"}
    width = 0.9 if coloured else 0.4
    lines = axis.contour(grid.x, grid.y, values, levels=inside, linewidths=width, **scale)
    if not numbers:
        return
    roomy = [v for v in inside if 0.06 < np.mean(values < v) < 0.92]  # others are too short for a label
    sides, kept = (grid.x, grid.y), np.empty((0, 2))
    words = dict(zip(inside, plain_numbers(inside), strict=True))
    for text in axis.clabel(lines, roomy, fontsize=6, inline=False, fmt=words, colors="black"):
        text.set_path_effects(outline("white", 1.4))
        # Near the border a label would be cut off, near another it would lie on it.
        place = np.array(text.get_position()) / [np.ptp(along) for along in sides]
        apart = (np.abs(kept - place).max(axis=1) > _APART).all()
        within = all(_inside(v, along) for v, along in zip(text.get_position(), sides, strict=True))
        text.set_visible(bool(apart and within))
        kept = np.vstack([kept, place]) if apart and within else kept


def _inside(value: float, along: np.ndarray) -> bool:
    """Whether a position keeps clear of both ends of an axis by a fifteenth of its length."""
    margin = (along.max() - along.min()) / 15
    return along.min() + margin <= value <= along.max() - margin


def mark_open(axis: Axes, grid: Cells, whole: Cells) -> None:
    """Hatch and outline the cells that contours leave open, beneath them.

    A contour plot stops at the last finite neighbour, so the hatching reaches that far; the outline goes
    round the cells themselves, on white.

    Args:
        axis: Where the plane is drawn.
        grid: The grid that is drawn.
        whole: The whole grid; what the other does not reach of it is not computed either.
    """
    broken, undone = grid.done & ~np.isfinite(grid.values), ~grid.done
    if broken.any():
        hatched: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.55", "hatch": "///////"}
        cells = _rectangles(grid, broken, reach=1.0)
        axis.add_patch(PathPatch(cells, **hatched, linewidth=0, zorder=0.5, label=NOT_FINITE))
    if undone.any():
        axis.add_patch(PathPatch(_rectangles(grid, undone), facecolor="white", linewidth=0, zorder=0.6))
    segments = list(borders(grid, undone))
    if np.ptp(grid.x) < np.ptp(whole.x) or np.ptp(grid.y) < np.ptp(whole.y):
        segments += list(_frame(grid))
    if segments:
        dots: dict[str, Any] = {"colors": "0.25", "linewidths": 0.7, "linestyles": [(0, (1, 1.5))]}
        axis.add_collection(LineCollection(segments, **dots, zorder=1.5, label=NOT_DONE))


def edges(along: np.ndarray, reach: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Where each cell begins and ends, kept within the grid.

    Args:
        along: Coordinates of the points, shape (N,).
        reach: How far a cell reaches towards its neighbours, as a share of the way.

    Returns:
        Two arrays of shape (N,).
    """
    before, after = (np.concatenate(pair) for pair in ((along[:1], along[:-1]), (along[1:], along[-1:])))
    return along + reach * (before - along), along + reach * (after - along)


def _frame(grid: Cells) -> np.ndarray:
    """The four sides of a grid, shape (4, 2, 2)."""
    left, right, bottom, top = grid.x.min(), grid.x.max(), grid.y.min(), grid.y.max()
    corners = np.array([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)])
    return np.stack([corners[:-1], corners[1:]], axis=1)


def _rectangles(grid: Cells, mask: np.ndarray, reach: float = 0.5) -> Path:
    """One path around every cell of a mask; where they overlap, it is filled once."""
    (left, right), (bottom, top) = (edges(along, reach) for along in (grid.x, grid.y))
    corners = [
        [(left[i], bottom[j]), (right[i], bottom[j]), (right[i], top[j]), (left[i], top[j]), (0.0, 0.0)]
        for j, i in zip(*np.nonzero(mask), strict=True)
    ]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(np.concatenate(corners), codes * len(corners))


def borders(grid: Cells, mask: np.ndarray) -> np.ndarray:
    """The sides between cells of a mask and others, or the end of the grid.

    Args:
        grid: The grid.
        mask: Shape (Y, X).

    Returns:
        Segments from point to point, shape (N, 2, 2).
    """
    (left, right), (bottom, top) = edges(grid.x), edges(grid.y)
    around = np.pad(mask, 1)
    found = []
    for (dj, di), ends in {
        (-1, 0): lambda j, i: ((left[i], bottom[j]), (right[i], bottom[j])),
        (1, 0): lambda j, i: ((left[i], top[j]), (right[i], top[j])),
        (0, -1): lambda j, i: ((left[i], bottom[j]), (left[i], top[j])),
        (0, 1): lambda j, i: ((right[i], bottom[j]), (right[i], top[j])),
    }.items():
        beside = around[1 + dj : around.shape[0] - 1 + dj, 1 + di : around.shape[1] - 1 + di]
        found += [ends(j, i) for j, i in zip(*np.nonzero(mask & ~beside), strict=True)]
    return np.array(found, dtype=float).reshape(-1, 2, 2)
