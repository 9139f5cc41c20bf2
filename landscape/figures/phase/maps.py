"""Maps of networks over two fields, one panel a measure (Yang et al. 2021, Figs. 2 to 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import CenteredNorm, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from landscape.comparison.phase import JUMP, SHARE, is_log, jumps
from landscape.errors import ResultRequestError
from landscape.figures import style
from landscape.figures.captions import joined, with_notes
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.scales import inner_ticks, log_ticks
from landscape.numbers import plain_number
from landscape.results import attribute
from landscape.results.phases import DRAWN, MEASURES, Grid, axes_of, columns, grid

_TICK = 0.19  # inches that the label of a value takes along an axis
_HATCH = "//////"


def measured(dataset: xr.Dataset) -> bool:
    """Whether this is no table that was read, but cells that were measured under a protocol."""
    return not attribute(dataset, "provenance").get("imported")


def own_protocol(results: Datasets) -> Datasets:
    """The results that were measured here, whose protocol is known."""
    return {name: dataset for name, dataset in results.items() if measured(dataset)}


def said_of_cells(results: Datasets, names: Sequence[str]) -> str:
    """Which measures have no number in how many cells."""
    parts = []
    for network, dataset in results.items():
        found = {
            MEASURES[name].label if name in MEASURES else name: grid(dataset, name).missing
            for name in names
            if name in dataset
        }
        total = grid(dataset, names[0]).values.size if names else 0
        listed = ", ".join(f"{label} in {count}" for label, count in found.items() if count)
        of = f" ({network})" if len(results) > 1 else ""
        if listed:
            parts.append(f"Hatched, without a number: {listed} of {total} cells{of}.")
    return joined(*parts)


def drawn(dataset: xr.Dataset, measures: Sequence[str] | None) -> list[str]:
    """Names of the measures that are drawn: those asked for, or the usual ones that any cell has.

    Raises:
        ResultRequestError: If one is asked for that the result does not hold.
    """
    there = columns(dataset)
    if measures is None:
        known = [name for name in there if np.isfinite(dataset[name].values).any()]
        return [name for name in DRAWN if name in known] or known[: len(DRAWN)] or there[:1]
    absent = [name for name in measures if name not in there]
    if absent:
        raise ResultRequestError(f"this grid has no {', '.join(absent)}; it has {', '.join(there)}")
    return list(measures)


def _caption(results: Datasets, *, measures: Sequence[str] | None = None) -> str:
    first = next(iter(results.values()))
    names = drawn(first, measures)
    x, y = axes_of(first)
    logs = [MEASURES[n].label for n in names if is_log(n, grid(first, n).values)]
    return with_notes(
        f"Measures of networks by {_said(x)} and {_said(y)}, each cell the mean over its networks or, of "
        "connectivity, CKA and distance, over pairs of them (Yang et al. 2021). Dark lines are jumps: steps "
        f"between neighbouring cells of more than {JUMP:g} robust standard deviations of all steps of the "
        f"panel (1.4826 · median |step|) and more than {100 * SHARE:.0f} % of its range.",
        f"On logarithmic scales, jumps included: {', '.join(logs)}." if logs else "",
        "Connectivity under zero: a barrier between the networks of a cell; over zero: the way between them "
        "lies lower than its ends."
        if any(name.startswith("mc_") for name in names)
        else "",
        said_of_cells(results, names),
        _not_drawn(first) if measures is None else "",
    )


def _not_drawn(dataset: xr.Dataset) -> str:
    """Usual measures that no cell has."""
    shown, there = drawn(dataset, None), columns(dataset)
    lacking = [MEASURES[name].label for name in DRAWN if name in there and name not in shown]
    return f"Not drawn, without a number in any cell: {', '.join(lacking)}." if lacking else ""


def _said(field: str) -> str:
    return field.replace("_", " ")


@figure(
    kind="phase",
    title="Map of measures over a grid of networks",
    caption=_caption,
    heads=own_protocol,
    further=True,
    order=60,
)
def phase_map(
    networks: Datasets, *, measures: Sequence[str] | None = None, width: float, colour_map: str = "viridis"
) -> Figure:
    """Local and global measures of networks over a grid of two fields, one panel a measure.

    Colours are logarithmic where the measure is, and diverge from zero for connectivity. Cells without a
    number are hatched; dark lines between cells are jumps, the boundaries of phases.

    Args:
        networks: Results of kind `phase` by name, or a single one.
        measures: Names of columns, a panel each; by default those of Yang et al.
        width: Width in inches; by default two ICML columns.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind, or has no such measure.
    """
    panels = [
        (name, dataset, each) for name, dataset in networks.items() for each in drawn(dataset, measures)
    ]
    across = 2 if width < style.NARROW else 4
    side = width / across - 0.72
    groups = {name: len(drawn(dataset, measures)) for name, dataset in networks.items()}
    rows = sum(-(-count // across) for count in groups.values())
    drawing = Figure(figsize=(width, rows * (side + 0.6) + 0.45), layout="compressed")
    axes = _places(drawing, groups, across)
    for axis, (name, dataset, each) in zip(axes, panels, strict=True):
        _panel(drawing, axis, dataset, each, side, colour_map)
        if each == drawn(dataset, measures)[0]:
            beside: dict[str, Any] = {
                "textcoords": "offset points",
                "xycoords": "axes fraction",
                "fontweight": "bold",
            }
            above = 15 + 9 * axis.get_title().count("\n")
            axis.annotate(style.short(name), (0, 1), (-2, above), fontsize=7.5, **beside)
    style.legend_below(drawing, *_legend(), columns=2)
    style.trim(drawing)
    return drawing


def _places(drawing: Figure, groups: dict[str, int], across: int) -> list[Axes]:
    """Panels in rows, those of each result beginning a new one."""
    rows = sum(-(-count // across) for count in groups.values())
    cells = drawing.subplots(rows, across, squeeze=False)
    found: list[Axes] = []
    start = 0
    for count in groups.values():
        down = -(-count // across)
        own = list(cells[start : start + down].flat)
        found += own[:count]
        for spare in own[count:]:
            spare.remove()
        start += down
    return found


def _panel(drawing: Figure, axis: Axes, dataset: xr.Dataset, name: str, side: float, colour_map: str) -> None:
    found = grid(dataset, name)
    centred = name in MEASURES and MEASURES[name].centred
    scale, colour = _norm(name, found.values), "RdBu" if centred else colour_map
    # A cell without a number has no colour, so that its hatching is seen.
    shown = np.ma.masked_invalid(found.values)
    axis.pcolormesh(
        np.arange(len(found.x) + 1) - 0.5,
        np.arange(len(found.y) + 1) - 0.5,
        shown,
        norm=scale,
        cmap=matplotlib.colormaps[colour],
        rasterized=found.values.size > 2000,
    )
    _hatch(axis, found)
    axis.add_collection(LineCollection(_boundaries(name, found), colors="0.05", linewidths=1.3, zorder=3))
    axis.set_box_aspect(1)
    x, y = axes_of(dataset)
    first = axis.get_subplotspec()
    axis.set(xlabel=_said(x), ylabel=_said(y) if first and first.is_first_col() else "")
    _ticks(axis, found, side)
    _titled(axis, name, side)
    _bar(drawing, axis, ScalarMappable(scale, colour))


def _titled(axis: Axes, name: str, side: float) -> None:
    measure = MEASURES.get(name)
    label, unit = (measure.label, measure.unit) if measure else (name, "")
    one_line = f"{label} ({unit})" if unit else label
    axis.set_title(one_line if len(one_line) <= 22 * side or not unit else f"{label}\n({unit})", fontsize=7)


def _norm(name: str, values: np.ndarray) -> Normalize:
    known = values[np.isfinite(values)]
    if not known.size:
        return Normalize(0, 1)
    low, high = float(known.min()), float(known.max())
    if name in MEASURES and MEASURES[name].centred:
        return CenteredNorm(0, max(abs(low), abs(high)) or 1.0)
    if is_log(name, values) and high > low:
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + (abs(low) or 1.0))


def _hatch(axis: Axes, found: Grid) -> None:
    for row, column in np.argwhere(~np.isfinite(found.values)).tolist():
        cell: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.6", "linewidth": 0.0, "hatch": _HATCH}
        axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, label="_not measured", **cell))


def _boundaries(name: str, found: Grid) -> list[list[tuple[float, float]]]:
    """Segments between the cells between which a measure jumps."""
    across, upward = jumps(name, found)
    sides = [
        [(column + 0.5, row - 0.5), (column + 0.5, row + 0.5)] for row, column in np.argwhere(across).tolist()
    ]
    return sides + [
        [(column - 0.5, row + 0.5), (column + 0.5, row + 0.5)] for row, column in np.argwhere(upward).tolist()
    ]


def _ticks(axis: Axes, found: Grid, side: float) -> None:
    """Values of as many columns and rows as there is room for."""
    for words, which in ((found.x, axis.xaxis), (found.y, axis.yaxis)):
        longest = max(map(len, words)) if which is axis.xaxis else 1
        room = max(int(side / max(_TICK, 0.075 * longest)), 2)
        places = np.arange(0, len(words), -(-len(words) // room))
        which.set_ticks(places, labels=[style.short(words[place], 8) for place in places])
    axis.tick_params(length=1.5, labelsize=6)
    axis.spines[:].set_visible(False)


def _bar(drawing: Figure, axis: Axes, colours: ScalarMappable) -> None:
    bar = drawing.colorbar(colours, ax=axis, fraction=0.06, pad=0.03, aspect=18)
    bar.outline.set_linewidth(0.4)
    low, high = float(colours.norm.vmin), float(colours.norm.vmax)  # type: ignore[arg-type]
    ticks = list(log_ticks(low, high, 4)) if isinstance(colours.norm, LogNorm) else []
    ticks = ticks if len(ticks) > 1 else inner_ticks(low, high)
    bar.set_ticks(ticks, labels=[plain_number(tick) for tick in ticks])
    bar.minorticks_off()
    bar.ax.tick_params(length=1.5, labelsize=6)


def _legend() -> tuple[list, list[str]]:
    hatched = Patch(facecolor="white", edgecolor="0.6", linewidth=0.4, hatch=_HATCH)
    return [Line2D([], [], color="0.05", linewidth=1.3), hatched], ["jump", "no number"]
