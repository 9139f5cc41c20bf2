"""Contours of loss surfaces side by side on one colour scale (Park & Kim 2022a, Fig. 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Literal

import matplotlib
import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from landscape.figures import style
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.scales import Scale, plain_number, scale
from landscape.figures.style.units import axis as axis_of
from landscape.figures.style.units import panel_labels, proportion
from landscape.figures.surface.grids import QUANTITIES, Cells, cells, first, marked
from landscape.figures.surface.hatching import mark_open

LOSSES = ("nll", "l2", "total")
"""Quantities whose minimum is marked."""


def contours(
    datasets: Datasets,
    *,
    quantity: str = "nll",
    width: float | None = None,
    log: bool | None = None,
    filled: bool = True,
    colour_map: str = "viridis",
) -> Figure:
    """Filled contours with labelled lines, one panel a network, one colour scale and one colour bar.

    A plus marks the trained weights at (0, 0), a circle the lowest loss of the grid, discs with names other
    checkpoints. Cells that were computed
    but are not finite are hatched, cells not computed yet are white within dots, and neither is ever filled.
    Of several direction pairs the first is drawn.

    Args:
        datasets: Results of kind `surface` by network name, or a single one.
        quantity: `nll`, `l2`, `total`, `accuracy`, `ece` or `convexity`.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force logarithmic or linear levels; by default they follow from the range.
        filled: Whether areas have colours, or lines alone.
        colour_map: A perceptually uniform colour map of matplotlib, for the areas.

    Raises:
        ResultError: If a result is of another kind, has no such quantity, or is not a two-dimensional grid.
    """
    surfaces = {name: first(dataset) for name, dataset in named(datasets, "surface").items()}
    grids = {name: cells(dataset, quantity) for name, dataset in surfaces.items()}
    shared = scale((grid.drawn() for grid in grids.values()), log=log)
    with style.context():
        total = style.width_for(len(grids), width)
        figure, axes = panels(surfaces, total)
        mappable = mappable_of(shared, matplotlib.colormaps[colour_map] if filled else style.ramp())
        for axis, (name, grid) in zip(axes, grids.items(), strict=True):
            draw_plane(axis, grid, shared, mappable, filled=filled, numbers=_side(len(grids), total) > 1)
            mark_points(axis, grid, lowest=quantity in LOSSES)
            name_points(axis, marked(surfaces[name]))
        if shared:
            colour_bar(figure, axes, mappable, shared, QUANTITIES[quantity])
        trim(figure)
    return figure


def panels(surfaces: Mapping[str, xr.Dataset], width: float) -> tuple[Figure, list[Axes]]:
    """Labelled panels in the proportions of weight space; they share axes if their planes are as large."""
    ends = {tuple(float(e) for w in "xy" for e in (d[w].min(), d[w].max())) for d in surfaces.values()}
    alike = len(ends) == 1
    across = columns(len(surfaces), width)
    side = _side(len(surfaces), width) - 0.25 * (not alike) * (across - 1) / across
    lines = side < 1.75
    axes_of = [(axis_of(dataset, "x"), axis_of(dataset, "y")) for dataset in surfaces.values()]
    labels = panel_labels(axes_of, across, lines=lines)
    shapes = [proportion(dataset) for dataset in surfaces.values()]
    inner = 0.15 * any(x for x, _ in labels[:-across]) + 0.15 * (not alike)
    down = ceil(len(surfaces) / across)
    height = down * (side * max(shapes) + 0.26 + inner) + 0.5 + 0.12 * lines
    figure = Figure(figsize=(width, height), layout="compressed")
    grid = figure.subplots(down, across, squeeze=False, sharex=alike, sharey=alike)
    for spare in grid.flat[len(surfaces) :]:
        spare.remove()
    axes = list(grid.flat[: len(surfaces)])
    for axis in axes[-across:]:  # with nothing below them, they show their own tick labels
        axis.xaxis.set_tick_params(labelbottom=True)
    for axis, name, (x, y), shape in zip(axes, surfaces, labels, shapes, strict=True):
        axis.set(title=style.short(name, min(26, max(int(17 * side), 9))), xlabel=x, ylabel=y)
        axis.set_box_aspect(shape)
    return figure, axes


def trim(figure: Figure) -> None:
    """Take away the height that panels of a fixed shape leave empty."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    figure.set_figheight(box.height + 0.08)


def columns(count: int, width: float) -> int:
    """Panels in a row: no more than two in one column of a page, where three would be thumbnails."""
    return min(style.columns(count), 2) if width < 5 else style.columns(count)


def _side(count: int, width: float) -> float:
    """About the width of a panel, beside tick labels, gaps and the colour bar (inches)."""
    across = columns(count, width)
    return (width - 1.2 - 0.25 * (across - 1)) / across


def mappable_of(shared: Scale | None, colours: Colormap) -> ScalarMappable:
    """Colours for the steps between the levels of a scale."""
    levels = np.array([0.0, 1.0]) if shared is None else shared.levels
    return ScalarMappable(BoundaryNorm(levels, colours.N, extend=_extend(shared)), colours)


def draw_plane(
    axis: Axes,
    grid: Cells,
    shared: Scale | None,
    mappable: ScalarMappable,
    *,
    filled: bool = True,
    numbers: bool = True,
) -> None:
    """One plane: open cells, areas, lines, and the limits and ticks of the axes.

    Args:
        axis: Where to draw.
        grid: The plane.
        shared: Levels; None if no value of any panel is finite.
        mappable: Colours of the levels.
        filled: Whether areas have colours, or lines alone.
        numbers: Whether the lines are labelled.
    """
    drawn = grid.covering()
    mark_open(axis, drawn, grid)
    if shared and drawn.finite.any():
        values = np.ma.masked_invalid(drawn.drawn())
        if filled:
            axis.contourf(
                drawn.x,
                drawn.y,
                values,
                levels=shared.levels,
                cmap=mappable.cmap,
                norm=mappable.norm,
                extend=_extend(shared),
            )
        _lines(axis, drawn, values, shared, None if filled else mappable, numbers)
    axis.set(xlim=(grid.x.min(), grid.x.max()), ylim=(grid.y.min(), grid.y.max()))
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        side.set_major_formatter(lambda value, _: plain_number(value))


def mark_points(axis: Axes, grid: Cells, *, lowest: bool = True) -> None:
    """A plus at (0, 0) if the plane holds it, and a circle at the lowest value."""
    marks = {"+": (0.0, 0.0), "o": grid.lowest() if lowest else None}
    for marker, place in marks.items():
        if place and all(a.min() <= p <= a.max() for p, a in zip(place, (grid.x, grid.y), strict=True)):
            axis.plot(
                *place,
                marker=marker,
                markersize=6,
                color="white",
                markerfacecolor="none",
                markeredgewidth=1.1,
                path_effects=outline("black", 2.1),
                clip_on=marker == "+",  # the lowest value may lie on the border
                zorder=5,
            )


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
    figure: Figure, axes: Sequence[Axes], mappable: ScalarMappable, shared: Scale, label: str
) -> None:
    """One bar for all panels, with a tick at each level, or at as many as its height has room for."""
    shrink = min(1.0, 3.5 / figure.get_figheight())
    bar = figure.colorbar(
        mappable_of(shared, mappable.cmap),  # not the same object: contours drawn later reset its ticks
        ax=axes,
        aspect=30,
        pad=0.02,
        shrink=shrink,
        spacing="uniform",
    )
    figure.draw_without_rendering()
    room = max(int(bar.ax.get_window_extent().height / figure.dpi / 0.11), 2)
    ticks = shared.levels[:: -(-len(shared.levels) // room)]
    bar.set_ticks(ticks.tolist(), labels=[plain_number(v) for v in ticks])
    bar.minorticks_off()
    bar.set_label(f"{label} (logarithmic levels)" if shared.log else label)
    bar.outline.set_linewidth(0.6)


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
    colours = {"cmap": coloured.cmap, "norm": coloured.norm} if coloured else {"colors": "black"}
    lines = axis.contour(
        grid.x, grid.y, values, levels=inside, linewidths=0.9 if coloured else 0.4, **colours
    )
    if not numbers:
        return
    roomy = [v for v in inside if 0.06 < np.mean(values < v) < 0.92]  # others are too short for a label
    for text in axis.clabel(lines, roomy, fontsize=6, inline=False, fmt=plain_number, colors="black"):
        text.set_path_effects(outline("white", 1.4))
        # Near the border a label would be cut off.
        text.set_visible(
            all(_inside(v, along) for v, along in zip(text.get_position(), (grid.x, grid.y), strict=True))
        )


def _inside(value: float, along: np.ndarray) -> bool:
    """Whether a position keeps clear of both ends of an axis by a fifteenth of its length."""
    margin = (along.max() - along.min()) / 15
    return along.min() + margin <= value <= along.max() - margin
