"""Loss surfaces in three dimensions on one scale (Li et al. 2018; Park & Kim 2022b, Fig. 1a)."""

from __future__ import annotations

from math import ceil

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.scales import Scale, inner_ticks, scale
from landscape.figures.surface.grids import Cells, cells, first, is_plane, label_of
from landscape.figures.surface.planes import NOT_DONE, NOT_FINITE
from landscape.figures.surface.words import Axis, axis_of, conditions, not_drawn, shared_scale, where
from landscape.numbers import plain_number, plain_numbers


def _caption(results: Datasets, *, quantity: str = "nll", log: bool | None = None) -> str:
    label = label_of(quantity, results.values())
    text = f"The {label} {where(results)}; height, colours and view are the same in all panels."
    shared = shared_scale(results, quantity, log, count=5)
    if shared:
        span = " to ".join(plain_numbers((shared.low, shared.high)))
        how = (
            "so the height is logarithmic; nothing is clipped"
            if shared.log
            else "all of them inside the axes"
        )
        text += f" Values span {span}, {how}."
    return with_notes(
        text,
        *conditions(results, quantity),
        not_drawn(results, quantity, "holes, crossed on the floor", "holes with dots on the floor"),
    )


@figure(
    kind="surface",
    title="Loss surface in 3D",
    caption=_caption,
    width=style.by_count,
    suits=is_plane,
    order=11,
)
def surface3d(
    networks: Datasets,
    *,
    quantity: str = "nll",
    width: float,
    log: bool | None = None,
    elevation: float = 28.0,
    azimuth: float = -58.0,
    colour_map: str = "viridis",
) -> Figure:
    """Loss around the trained weights as surfaces in three dimensions, on one scale.

    One panel per network; height, colour limits and view are the same in all panels.
    Nothing is clipped: a wide range makes the height logarithmic. Quadrilaterals with a corner that is not
    finite are holes, and such corners are crossed on the floor; those not computed yet are holes with dots.
    Of several direction pairs the first is drawn.

    Args:
        networks: Results of kind `surface` by network name, or a single one.
        quantity: `nll`, `l2`, `total`, `accuracy`, `ece` or `convexity`.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force a logarithmic or linear height; by default it follows from the range.
        elevation: Height of the viewpoint in degrees.
        azimuth: Direction of the viewpoint in degrees.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind, has no such quantity, or is not a two-dimensional grid.
    """
    surfaces = {name: first(dataset) for name, dataset in networks.items()}
    grids = {name: cells(dataset, quantity) for name, dataset in surfaces.items()}
    shared = scale((grid.drawn() for grid in grids.values()), count=5, log=log)
    figure, axes, bar_axis = _panels(len(grids), width)
    heights = _heights(shared)
    colours = ScalarMappable(Normalize(*heights), matplotlib.colormaps[colour_map])
    for axis, (name, grid) in zip(axes, grids.items(), strict=True):
        _draw(axis, grid.covering(), shared, colours)
        axis.set(xlim=grid.x[[0, -1]], ylim=grid.y[[0, -1]], zlim=heights)
        _decorate(axis, surfaces[name], grid, shared)
        cell = axis.get_position(True).width * width
        # The lower of two lines of units keeps clear of a corner that rises to the top.
        axis.set_title(style.short(name, min(26, max(int(16 * cell), 9))), pad=0, y=1.0 + 0.17 / cell)
        axis.view_init(elevation, azimuth)
    if shared:
        label = label_of(quantity, networks.values()) + (" (log)" if shared.log else "")
        bar = style.colour_bar(figure, colours, label, cax=bar_axis)
        places, labels = _ticks(shared)
        bar.set_ticks(places, labels=labels)
        bar.ax.minorticks_off()
    else:
        bar_axis.remove()
    return figure


def both_units(x: Axis, y: Axis) -> str:
    """The units of both axes for the space under a title; said once if they are the same."""
    if (x.unit, x.length) == (y.unit, y.length):
        return "\n".join(part for part in (x.unit, x.step) if part)
    if x.unit == y.unit and x.length and y.length:
        return f"{x.unit}\n{x.step}, {y.length}"
    return "\n".join(each.label() for each in (x, y))


def quadrilaterals(grid: Cells, height: np.ndarray) -> np.ndarray:
    """The faces whose four corners are finite.

    Args:
        grid: The grid.
        height: Height at each point, shape (Y, X); NaN where there is none.

    Returns:
        Shape (faces, 4, 3): x, y and height of each corner, in order around the face.
    """
    x, y = np.meshgrid(grid.x, grid.y)
    points = np.stack([x, y, height], axis=-1)
    faces = np.stack([points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]], axis=2)
    faces = faces.reshape(-1, 4, 3)
    return faces[np.isfinite(faces).all(axis=(1, 2))]


def _panels(count: int, width: float) -> tuple[Figure, list[Axes3D], Axes]:
    """Panels placed by hand: the layout engines reserve far too much room around 3D axes."""
    across = style.columns(count, width)
    down = ceil(count / across)
    bar = 0.75 / width  # room for the colour bar and its labels
    cell = (1 - bar) / across
    row = 0.96 * cell * width + 0.38  # a title and two lines of units above, labels below
    height = down * row
    figure = Figure(figsize=(width, height))
    axes = []
    for i in range(count):
        row, column = divmod(i, across)
        labels = 0.08 / height  # below the box
        place = (column * cell, 1 - (row + 1) / down + labels, cell, 1 / down - labels)
        axis: Axes3D = figure.add_axes(place, projection="3d", computed_zorder=True)
        axis.set_box_aspect((1, 1, 0.8), zoom=0.88)
        axis.set_anchor("S")
        axis.patch.set_alpha(0)  # a long label reaches into the next panel
        axes.append(axis)
    length = min(0.7, 1.8 / height)
    return figure, axes, figure.add_axes((1 - bar + 0.02, 0.5 - length / 2, 0.09 / width, length))


def _heights(shared: Scale | None) -> tuple[float, float]:
    """Limits of the height axis; they hold every finite value."""
    if shared is None:
        return 0.0, 1.0
    low, high = (shared.low, shared.high) if shared.high > shared.low else shared.levels[[0, -1]]
    return (float(np.log10(low)), float(np.log10(high))) if shared.log else (float(low), float(high))


def _ticks(shared: Scale) -> tuple[list[float], list[str]]:
    """Places of the levels on the height axis, off its ends, and their labels."""
    places = np.log10(shared.levels) if shared.log else shared.levels
    floor, top = _heights(shared)
    kept = (places > floor + 0.05 * (top - floor)) & (places <= top)
    return places[kept].tolist(), plain_numbers(shared.levels[kept])


def _draw(axis: Axes3D, grid: Cells, shared: Scale | None, colours: ScalarMappable) -> None:
    height = np.log10(grid.drawn()) if shared and shared.log else grid.drawn()
    faces = quadrilaterals(grid, height)
    if len(faces):
        shades = colours.to_rgba(faces[:, :, 2].mean(axis=1))
        edge = (0, 0, 0, 0.35)
        axis.add_collection3d(Poly3DCollection(faces, facecolors=shades, edgecolors=edge, linewidths=0.15))
    floor = _heights(shared)[0]
    for label, mask, marker in ((NOT_FINITE, grid.done & ~grid.finite, "x"), (NOT_DONE, ~grid.done, ".")):
        if mask.any():
            j, i = np.nonzero(mask)
            place = (grid.x[i], grid.y[j], np.full(len(i), floor))
            axis.scatter(*place, marker=marker, s=4, color="0.35", linewidths=0.5, label=label)


def _decorate(axis: Axes3D, dataset: xr.Dataset, grid: Cells, shared: Scale | None) -> None:
    x, y = (axis_of(dataset, which) for which in ("x", "y"))
    axis.set_xlabel(x.name, labelpad=-6.5, fontsize=6)
    axis.set_ylabel(y.name, labelpad=-5.5, fontsize=6)
    below = {"xycoords": axis.title, "xytext": (0, -2), "textcoords": "offset points"}
    axis.annotate(both_units(x, y), (0.5, 0), **below, ha="center", va="top", fontsize=6)
    cell = axis.get_position(True).width * axis.figure.get_figwidth()
    for which, values in (("x", grid.x), ("y", grid.y)):
        ticks = inner_ticks(values.min(), values.max())
        ticks = [ticks[0], ticks[-1]] if cell < 1.5 else ticks  # what fits side by side
        axis.set(**{f"{which}ticks": ticks, f"{which}ticklabels": [plain_number(v) for v in ticks]})
    if shared:
        places, labels = _ticks(shared)
        axis.set_zticks(places, labels=labels)
    else:
        labels = []
        axis.set_zticks([])
    axis.tick_params(labelsize=6, pad=-4)
    axis.tick_params(axis="z", pad=-2 if all(len(label) < 5 for label in labels) else 1)
    for side in (axis.xaxis, axis.yaxis, axis.zaxis):
        side.set_pane_color((1, 1, 1, 0))
        side._axinfo["grid"].update(color="0.88", linewidth=0.4)
