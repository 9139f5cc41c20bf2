"""Contours of loss surfaces side by side on one colour scale (Park & Kim 2022a, Fig. 7)."""

from __future__ import annotations

from typing import Literal

import matplotlib
import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from landscape.figures import style
from landscape.figures.inputs import Datasets, named
from landscape.figures.reductions import QUANTITIES, Cells, cells, option
from landscape.figures.scales import Scale, plain_number, scale

UNITS = {
    "filter": "filter norms",
    "layer": "layer norms",
    "weight": "weight norms",
    "none": "raw direction",
    "paper": "norms of Park & Kim",
}
"""Unit of the axes of a surface, by how its directions were normalised."""


def contours(
    datasets: Datasets,
    *,
    quantity: str = "nll",
    width: float | None = None,
    log: bool | None = None,
    colour_map: str = "viridis",
) -> Figure:
    """Filled contours with labelled lines, one panel a network, one colour scale and one colour bar.

    The trained weights are marked at (0, 0). Cells that were computed but are not finite, and cells not
    computed yet, are hatched and never filled.

    Args:
        datasets: Results of kind `surface` by network name, or a single one.
        quantity: `nll`, `l2`, `total` or `accuracy`.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force logarithmic or linear levels; by default they follow from the range.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind or is not a two-dimensional grid.
    """
    surfaces = named(datasets, "surface")
    grids = {name: cells(dataset, quantity) for name, dataset in surfaces.items()}
    shared = scale((grid.drawn() for grid in grids.values()), log=log)
    with style.context():
        total = style.width_for(len(grids), width)
        row, extra = _heights(total, style.columns(len(grids)))
        figure, axes = style.panels(
            len(grids), width=total, row=row, extra=extra, layout="compressed", sharex=True, sharey=True
        )
        mappable = _mappable(shared, colour_map) if shared else None
        for index, (axis, (name, grid)) in enumerate(zip(axes, grids.items(), strict=True)):
            _panel(axis, grid, shared, mappable)
            axis.set_title(style.short(name))
            _labels(axis, surfaces[name], *style.outer(index, len(grids)))
        if shared and mappable:
            _colour_bar(figure, axes, mappable, shared, QUANTITIES[quantity])
    return figure


def axis_label(axis: str, norm: str | None) -> str:
    """Label of an axis of a surface, with its unit."""
    return f"{axis} ({UNITS[norm]})" if norm in UNITS else axis


def _heights(width: float, across: int) -> tuple[float, float]:
    """Height of a row with square panels, and of the labels under the last one (inches)."""
    beside = 1.2 + 0.25 * (across - 1)  # tick labels, gaps and the colour bar
    return (width - beside) / across + 0.26, 0.5


def _mappable(shared: Scale, colour_map: str) -> ScalarMappable:
    colours = matplotlib.colormaps[colour_map]
    return ScalarMappable(BoundaryNorm(shared.levels, colours.N, extend=_extend(shared)), colours)


def _extend(shared: Scale) -> Literal["min", "neither"]:
    return "min" if shared.below else "neither"


def _panel(axis: Axes, grid: Cells, shared: Scale | None, mappable: ScalarMappable | None) -> None:
    if not grid.finite.all():
        axis.patch.set(facecolor="white", hatch="//////", edgecolor="0.6", linewidth=0)
    if shared and mappable and grid.finite.any():
        values = np.ma.masked_invalid(grid.drawn())
        axis.contourf(
            grid.x,
            grid.y,
            values,
            levels=shared.levels,
            cmap=mappable.cmap,
            norm=mappable.norm,
            extend=_extend(shared),
        )
        _lines(axis, grid, values, shared)
    axis.plot(
        0,
        0,
        marker="+",
        markersize=6,
        color="white",
        markeredgewidth=1.2,
        path_effects=_outline("black", 2.2),
    )
    axis.set(xlim=(grid.x.min(), grid.x.max()), ylim=(grid.y.min(), grid.y.max()))
    axis.set_box_aspect(1)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        side.set_major_formatter(lambda value, _: plain_number(value))


def _lines(axis: Axes, grid: Cells, values: np.ma.MaskedArray, shared: Scale) -> None:
    inside = [v for v in shared.levels if values.min() < v < values.max()]
    if not inside:
        return
    lines = axis.contour(grid.x, grid.y, values, levels=inside, colors="black", linewidths=0.4)
    roomy = [v for v in inside if 0.06 < np.mean(values < v) < 0.92]  # others are too short for a label
    for text in axis.clabel(lines, roomy, fontsize=6, inline=False, fmt=plain_number, colors="black"):
        text.set_path_effects(_outline("white", 1.4))
        # Near the border a label would be cut off.
        text.set_visible(
            all(_inside(v, along) for v, along in zip(text.get_position(), (grid.x, grid.y), strict=True))
        )


def _inside(value: float, along: np.ndarray) -> bool:
    """Whether a position keeps clear of both ends of an axis by a fifteenth of its length."""
    margin = (along.max() - along.min()) / 15
    return along.min() + margin <= value <= along.max() - margin


def _outline(colour: str, width: float) -> list[patheffects.AbstractPathEffect]:
    return [patheffects.withStroke(linewidth=width, foreground=colour)]


def _labels(axis: Axes, dataset: xr.Dataset, bottom: bool, left: bool) -> None:
    norm = option(dataset, "norm")
    if bottom:
        axis.set_xlabel(axis_label("x", norm))
    if left:
        axis.set_ylabel(axis_label("y", norm))


def _colour_bar(
    figure: Figure, axes: list[Axes], mappable: ScalarMappable, shared: Scale, label: str
) -> None:
    bar = figure.colorbar(mappable, ax=axes, ticks=shared.levels, aspect=30, pad=0.02, spacing="uniform")
    bar.ax.set_yticks(shared.levels, labels=[plain_number(v) for v in shared.levels])
    bar.ax.minorticks_off()
    bar.set_label(f"{label} (logarithmic levels)" if shared.log else label)
    bar.outline.set_linewidth(0.6)
