"""The same plane again and again, with fresh dropout masks on shared bases (Park & Kim 2022a, Fig. C.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import protocol_differences, with_notes
from landscape.figures.registry import figure, named
from landscape.figures.style.scales import Scale, inner_ticks, scale
from landscape.figures.surface import planes
from landscape.figures.surface.contours import panels
from landscape.figures.surface.grids import Cells, cells, first, label_of, masks
from landscape.figures.surface.words import axis_of, conditions, not_drawn, shared_scale, where
from landscape.files import atomic_path
from landscape.results import attribute, differences

Frames = xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset | Sequence[xr.Dataset]]
"""Surfaces in order, or one such sequence for each network."""
Rows = Mapping[str, Sequence[xr.Dataset]]
"""The frames of each network."""


def _heads(rows: Rows) -> dict[str, xr.Dataset]:
    return {name: found[0] for name, found in rows.items()}


def _caption(rows: Rows, *, quantity: str = "nll", log: bool | None = None) -> str:
    everything = {f"{name}, frame {i}": d for name, found in rows.items() for i, d in enumerate(found, 1)}
    heads = _heads(rows)
    shared = shared_scale(everything, quantity, log)
    levels = ", with logarithmic levels" if shared and shared.log else ""
    mixed = {
        entry
        for name, found in rows.items()
        for other in found[1:]
        for entry in protocol_differences({"": found[0], name: other})
    }
    return with_notes(
        f"{len(next(iter(rows.values())))} numbered frames of the same plane: "
        f"the {label_of(quantity, heads.values())} {where(heads)}; "
        f"+ marks w, ○ the lowest value. One colour scale for all frames{levels}.",
        f"The frames differ in {', '.join(sorted(mixed))}."
        if mixed
        else "The frames have the same protocol: they differ by what is drawn afresh.",
        *conditions(heads, quantity),
        not_drawn(everything, quantity, "hatched", "left white within dots"),
    )


def frames(datasets: Frames) -> dict[str, list[xr.Dataset]]:
    """The frames by network name, once they are known to show the same plane.

    Raises:
        ResultError: If there are none, a result is of another kind, or the frames of a network differ in
            their grid, directions or options, or in number from those of another network.
    """
    if isinstance(datasets, xr.Dataset) and "mask" not in datasets.dims:
        raise ResultError("a sequence needs several surfaces in order, received a single one")
    if not isinstance(datasets, Mapping) or isinstance(datasets, xr.Dataset):
        found = _listed(datasets)
        name = str(attribute(found[0], "network").get("name") or "network") if found else "network"
        datasets = {name: found}
    rows = {
        name: [first(frame) for each in _listed(found) for frame in masks(each)]
        for name, found in datasets.items()
    }
    counts = {len(found) for found in rows.values()}
    if len(counts) != 1 or 0 in counts:
        said = ", ".join(f"{len(found)} of {name}" for name, found in rows.items()) or "none"
        raise ResultError(f"a sequence needs as many frames of each network, at least one; received {said}")
    for name, found in rows.items():
        named({f"{name}, frame {i + 1}": each for i, each in enumerate(found)}, "surface")
        for index, each in enumerate(found[1:], 2):
            apart = _apart(found[0], each)
            if apart:
                raise ResultError(f"frame {index} of {name!r} is another plane than frame 1: {apart} differ")
    return rows


def _listed(found: xr.Dataset | Sequence[xr.Dataset]) -> list[xr.Dataset]:
    return [found] if isinstance(found, xr.Dataset) else list(found)


def _apart(one: xr.Dataset, other: xr.Dataset) -> str:
    """In what two frames differ that one plane under different masks would share."""
    for axis in ("x", "y"):
        if not np.array_equal(one[axis].values, other[axis].values):
            return f"coordinates {axis}"
        before, after = (float(d.get(f"{axis}_norm", np.nan)) for d in (one, other))
        if not np.isclose(before, after, equal_nan=True):
            return "lengths of the directions"
    options = [attribute(dataset, "protocol").get("options", {}) for dataset in (one, other)]
    return ", ".join(f"options {name}" for name in differences(*options))


@figure(
    kind="surface",
    title="Loss surface under fresh dropout masks",
    caption=_caption,
    read=frames,
    heads=_heads,
    suits=lambda dataset: False,  # it takes several results of each network
    further=True,
    order=14,
)
def sequence(
    rows: Rows,
    *,
    quantity: str = "nll",
    width: float,
    log: bool | None = None,
    colour_map: str = "viridis",
) -> Figure:
    """Contour plots of the same plane under one dropout mask after another, on one colour scale.

    Frames are numbered in the corner; each network has a row.

    Args:
        rows: Results of kind `surface` of one network, in order, or such a sequence by network name.
        quantity: `nll`, `l2`, `total`, `accuracy`, `ece` or `convexity`.
        width: Width in inches; by default two ICML columns.
        log: Force logarithmic or linear levels; by default they follow from the range.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind, or the frames of a network are not the same plane.
    """
    grids, shared, colours = _prepared(rows, quantity, log, colour_map)
    figure, axes = _strip({name: len(found) for name, found in rows.items()}, width)
    lengths = {(axis_of(found[0], "x").length, axis_of(found[0], "y").length) for found in rows.values()}
    for name, found in grids.items():
        numbers = width / len(axes[name]) > 1.4
        for index, (axis, grid) in enumerate(zip(axes[name], found, strict=True)):
            _frame(axis, grid, index, shared, colours, lowest=quantity in planes.LOSSES, numbers=numbers)
        step = axis_of(rows[name][0], "x").step if len(lengths) > 1 else ""
        title = f"{style.short(name)} ({step})" if step else style.short(name)
        axes[name][0].set_title(title, loc="left")
    for which, write in (("x", figure.supxlabel), ("y", figure.supylabel)):
        along = axis_of(next(iter(rows.values()))[0], which)
        write(along.label() if len(lengths) == 1 else along.bare().label(), fontsize=7)
    if shared:
        everything = [axis for row in axes.values() for axis in row]
        planes.colour_bar(figure, everything, colours, shared, label_of(quantity, _heads(rows).values()))
    style.trim(figure)
    return figure


def _prepared(
    rows: Rows, quantity: str, log: bool | None, colour_map: str
) -> tuple[dict[str, list[Cells]], Scale | None, ScalarMappable]:
    """The grids of all frames, and their common scale with its colours."""
    grids = {name: [cells(dataset, quantity) for dataset in found] for name, found in rows.items()}
    shared = scale((grid.drawn() for found in grids.values() for grid in found), log=log)
    return grids, shared, planes.colours_of(shared, matplotlib.colormaps[colour_map])


def animate(
    datasets: Frames,
    path: str | Path,
    *,
    quantity: str = "nll",
    width: float | None = None,
    log: bool | None = None,
    colour_map: str = "viridis",
    frames_per_second: int = 2,
    dpi: int = 150,
) -> Path:
    """Write the frames as an animated GIF that repeats, one panel per network, one scale for all frames.

    Args:
        datasets: As for `sequence`.
        path: Of the file, ending in `.gif`; it is written whole or not at all.
        quantity: As for `sequence`.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: As for `sequence`.
        colour_map: As for `sequence`.
        frames_per_second: How fast.
        dpi: Dots per inch.

    Raises:
        ResultError: As `sequence`, and if the path does not end in .gif.
        LandscapeError: If the place cannot be written.
    """
    if Path(path).suffix.lower() != ".gif":
        raise ResultError(f"animations are GIF files; choose a path that ends in .gif, not {path}")
    rows = frames(datasets)
    grids, shared, colours = _prepared(rows, quantity, log, colour_map)
    with style.context(), atomic_path(path) as draft:
        figure, axes = panels(_heads(rows), style.by_count(rows) if width is None else width)
        writer = PillowWriter(fps=frames_per_second)
        with writer.saving(figure, draft, dpi):
            for index, now in enumerate(zip(*grids.values(), strict=True)):
                for axis, grid in zip(axes, now, strict=True):
                    _clear(axis)
                    _frame(axis, grid, index, shared, colours, lowest=quantity in planes.LOSSES)
                if index == 0:  # placed once: panels must not move between frames
                    if shared:
                        planes.colour_bar(
                            figure, axes, colours, shared, label_of(quantity, _heads(rows).values())
                        )
                    style.trim(figure)
                    figure.draw_without_rendering()
                    figure.set_layout_engine("none")
                writer.grab_frame()
    return Path(path)


def _clear(axis: Axes) -> None:
    """Take away what was drawn, but not title and labels."""
    for kind in ("collections", "lines", "patches", "texts"):  # contours take their numbers with them
        for artist in list(getattr(axis, kind)):
            artist.remove()


def _strip(counts: Mapping[str, int], width: float) -> tuple[Figure, dict[str, list[Axes]]]:
    """Bare panels: the frames of several networks in rows, those of a single one wrapped."""
    longest = max(counts.values())
    across = longest if len(counts) > 1 else min(longest, 5 if width >= 5 else 3)
    down = len(counts) if len(counts) > 1 else ceil(longest / across)
    side = (width - 1.1 - 0.06 * across) / across  # beside the labels and the colour bar
    titles = len(counts) if len(counts) > 1 else 1
    height = down * (side + 0.06) + 0.2 * titles + 0.5
    engine = ConstrainedLayoutEngine(compress=True, w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=(width, height), layout=engine)
    grid = figure.subplots(down, across, squeeze=False)
    for index, axis in enumerate(grid.flat):
        if index >= sum(counts.values()):
            axis.remove()
        below = len(counts) == 1 and index + across < longest
        axis.tick_params(labelbottom=not below, labelleft=index % across == 0)
    rows = grid if len(counts) > 1 else [grid.flat[:longest]]
    return figure, {name: list(row) for name, row in zip(counts, rows, strict=True)}


def _frame(
    axis: Axes,
    grid: Cells,
    index: int,
    shared: Scale | None,
    colours: ScalarMappable,
    *,
    lowest: bool,
    numbers: bool = True,
) -> None:
    """One plane with its number, counted from one, in the corner."""
    planes.draw_plane(axis, grid, shared, colours, numbers=numbers)
    planes.mark_points(axis, grid, lowest=lowest)
    for side, along in ((axis.xaxis, grid.x), (axis.yaxis, grid.y)):
        ticks = inner_ticks(along.min(), along.max())  # at the ends they would meet those of the next panel
        side.set_ticks(ticks if numbers and len(ticks) < 4 else [ticks[0], ticks[-1]])
    axis.annotate(
        str(index + 1),
        (0, 1),
        xytext=(3, -3),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=7,
        fontweight="bold",
        path_effects=planes.outline("white", 2.0),
        zorder=6,
    )
