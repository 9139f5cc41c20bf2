"""Contours of loss surfaces side by side on one colour scale (Park & Kim 2022a, Fig. 7)."""

from __future__ import annotations

from math import ceil

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.scales import scale
from landscape.figures.surface import planes
from landscape.figures.surface.grids import cells, first, is_plane, label_of, marked
from landscape.figures.surface.words import (
    axis_of,
    conditions,
    not_drawn,
    panel_labels,
    proportion,
    shared_scale,
    where,
)
from landscape.numbers import plain_number


def _caption(
    results: Datasets, *, quantity: str = "nll", log: bool | None = None, filled: bool = True
) -> str:
    shared = shared_scale(results, quantity, log)
    lowest = ", ○ the lowest value of each grid" if quantity in ("nll", "l2", "total") else ""
    levels = ", with logarithmic levels" if shared and shared.log else ""
    areas = "Contours" if filled else "Contour lines"
    return with_notes(
        f"{areas} of the {label_of(quantity, results.values())} {where(results)}; + marks w{lowest}. "
        f"One colour scale for all panels{levels}.",
        f"Values under {plain_number(shared.levels[0])} share the lowest colour."
        if shared and shared.below
        else "",
        *conditions(results, quantity),
        not_drawn(
            results,
            quantity,
            "hatched, as is the area up to their finite neighbours",
            "left white within dots",
        ),
    )


@figure(
    kind="surface", title="Loss surface", caption=_caption, width=style.by_count, suits=is_plane, order=10
)
def contours(
    networks: Datasets,
    *,
    quantity: str = "nll",
    width: float,
    log: bool | None = None,
    filled: bool = True,
    colour_map: str = "viridis",
) -> Figure:
    """Contour plots of the loss around the trained weights, on one colour scale.

    Filled contours with labelled lines, one panel per network.
    A plus marks the trained weights at (0, 0), a circle the lowest loss of the grid, discs with names other
    checkpoints. Cells that were computed but are not finite are hatched, cells not computed yet are white
    within dots, and neither is ever filled. Of several direction pairs the first is drawn.

    Args:
        networks: Results of kind `surface` by network name, or a single one.
        quantity: `nll`, `l2`, `total`, `accuracy`, `ece` or `convexity`.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force logarithmic or linear levels; by default they follow from the range.
        filled: Whether areas have colours, or lines alone.
        colour_map: A perceptually uniform colour map of matplotlib, for the areas.

    Raises:
        ResultError: If a result is of another kind, has no such quantity, or is not a two-dimensional grid.
    """
    surfaces = {name: first(dataset) for name, dataset in networks.items()}
    grids = {name: cells(dataset, quantity) for name, dataset in surfaces.items()}
    shared = scale((grid.drawn() for grid in grids.values()), log=log)
    figure, axes = panels(surfaces, width)
    colours = planes.colours_of(shared, matplotlib.colormaps[colour_map] if filled else style.ramp())
    numbers = _side(len(grids), width) > 1
    for axis, (name, grid) in zip(axes, grids.items(), strict=True):
        planes.draw_plane(axis, grid, shared, colours, filled=filled, numbers=numbers)
        planes.mark_points(axis, grid, lowest=quantity in planes.LOSSES)
        planes.name_points(axis, marked(surfaces[name]))
    if shared:
        planes.colour_bar(figure, axes, colours, shared, label_of(quantity, networks.values()))
    style.trim(figure)
    return figure


def panels(surfaces: Datasets, width: float) -> tuple[Figure, list[Axes]]:
    """Labelled panels in the proportions of weight space; they share axes if their planes are as large."""
    ends = {tuple(float(e) for w in "xy" for e in (d[w].min(), d[w].max())) for d in surfaces.values()}
    alike = len(ends) == 1
    across = style.columns(len(surfaces), width)
    side = _side(len(surfaces), width) - 0.25 * (not alike) * (across - 1) / across
    lines = side < 1.75
    axes_of = [(axis_of(dataset, "x"), axis_of(dataset, "y")) for dataset in surfaces.values()]
    labels = panel_labels(axes_of, across, lines=lines)
    shapes = [proportion(dataset) for dataset in surfaces.values()]
    inner = 0.15 * any(x for x, _ in labels[:-across]) + 0.15 * (not alike)
    down = ceil(len(surfaces) / across)
    height = down * (side * max(shapes) + 0.26 + inner) + 0.5 + 0.12 * lines
    figure = Figure(figsize=(width, height), layout="compressed")
    axes = style.grid(figure, len(surfaces), across, sharex=alike, sharey=alike)
    for axis, name, (x, y), shape in zip(axes, surfaces, labels, shapes, strict=True):
        axis.set(title=style.short(name, min(26, max(int(17 * side), 9))), xlabel=x, ylabel=y)
        axis.set_box_aspect(shape)
    return figure, axes


def _side(count: int, width: float) -> float:
    """About the width of a panel, beside tick labels, gaps and the colour bar (inches)."""
    across = style.columns(count, width)
    return (width - 1.2 - 0.25 * (across - 1)) / across
