"""Networks by local sharpness and global connectivity (Yang et al. 2021, Fig. 1)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, isfinite
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.comparison.phase import BARRIER, CONNECTIVITY, SHARPNESS, Quadrants, quadrants
from landscape.figures import style
from landscape.figures.captions import by_name, with_notes
from landscape.figures.phase.maps import own_protocol
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.scales import limits, log_ticks
from landscape.numbers import number, plain_number, written

_LINEAR = 1.0
"""Connectivity is drawn linearly from −1 to 1 percentage point, and logarithmically beyond."""
_BESIDE = 2.2
"""Inches of a panel in which the names of two quadrants stand beside each other."""
_POINTS = "percentage points of training error"


def _found(results: Datasets, sharp: float | None, barrier: float) -> dict[str, Quadrants]:
    return {name: quadrants(dataset, sharp=sharp, barrier=barrier) for name, dataset in results.items()}


def _ends_in_words(results: Datasets, column: str) -> str:
    """What bars are: intervals, or standard deviations of a table."""
    words = {
        name: "95 % intervals"
        if f"{column}_low" in dataset
        else "± the standard deviation that the table gives"
        if f"{column}_sd" in dataset
        else "not known"
        for name, dataset in results.items()
    }
    return by_name(words)


def _caption(results: Datasets, *, sharp: float | None = None, barrier: float = BARRIER) -> str:
    found = _found(results, sharp, barrier)
    limit = by_name({name: number(each.sharp) for name, each in found.items()})
    chosen = "" if sharp is not None else ", the median over cells"
    counts = "; ".join(
        f"{where}: {count} cells, median test accuracy "
        f"{f'{median:.1f} %' if isfinite(median) else 'not measured'}"
        for each in list(found.values())[:1]
        for where, (count, median) in each.counts().items()
        if count
    )
    first = f" ({next(iter(found))})" if len(found) > 1 else ""
    return with_notes(
        f"Cells by the largest Hessian eigenvalue and by mode connectivity, in {_POINTS}: ½(E(A) + E(B)) "
        "less the error on the way between two networks of the cell, where it deviates most (Yang et al. "
        f"2021). Lines: sharp from λmax {limit} on{chosen}; poorly connected under {written(barrier, 'g')}.",
        f"Bars of λmax: {_ends_in_words(results, SHARPNESS)}; of connectivity: "
        f"{_ends_in_words(results, CONNECTIVITY)}. Rings: no test accuracy. The vertical scale is linear "
        "between −1 and 1.",
        f"{counts[:1].upper()}{counts[1:]}{first}.",
    )


@figure(
    kind="phase",
    title="Local sharpness against global connectivity",
    caption=_caption,
    width=style.by_count,
    heads=own_protocol,
    further=True,
    order=61,
)
def phase_quadrants(
    networks: Datasets,
    *,
    sharp: float | None = None,
    barrier: float = BARRIER,
    width: float,
    colour_map: str = "viridis",
) -> Figure:
    """Networks in four quadrants, locally sharp or flat against globally poorly or well connected.

    Each cell of a grid is a point, its colour the test accuracy; the lines are the thresholds.

    Args:
        networks: Results of kind `phase` by name, or a single one.
        sharp: λmax from which on a cell is sharp; by default the median of each result.
        barrier: Connectivity, in percentage points of training error, under which it is poorly connected.
        width: Width in inches; by default one ICML column for one result, two for several.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind, or has not both measures in any cell.
    """
    found = _found(networks, sharp, barrier)
    across = (
        1 if len(found) == 1 else min(style.columns(len(found), width), 3 if width >= style.NARROW else 1)
    )
    side = width / across - 0.75
    height = ceil(len(found) / across) * (min(side, 2.4) + 0.62)
    drawing = Figure(figsize=(width, height), layout="constrained")
    axes = style.grid(drawing, len(found), across)
    colours = _colours(found, colour_map)
    for axis, (name, each) in zip(axes, found.items(), strict=True):
        _panel(axis, each, colours, lines=side < _BESIDE)
        axis.set_title(style.short(name, max(int(15 * side), 10)))
    bar = style.colour_bar(drawing, colours, "test accuracy (%)", ax=axes, pad=0.02, aspect=25)
    bar.ax.tick_params(labelsize=6)
    return drawing


def _colours(found: Mapping[str, Quadrants], colour_map: str) -> ScalarMappable:
    low, high = limits([each.accuracy for each in found.values()]) or (0.0, 100.0)
    return ScalarMappable(Normalize(low, high if high > low else low + 1), matplotlib.colormaps[colour_map])


def _panel(axis: Axes, each: Quadrants, colours: ScalarMappable, *, lines: bool) -> None:
    x, y = each.sharpness, each.connectivity
    known = np.isfinite(each.accuracy)
    bars: dict[str, Any] = {"xerr": _bars(x, each.sharpness_ends), "yerr": _bars(y, each.connectivity_ends)}
    axis.errorbar(x, y, fmt="none", ecolor="0.75", elinewidth=0.5, zorder=1, label="_ends", **bars)
    look: dict[str, Any] = {"s": 13, "linewidths": 0.4, "zorder": 2}
    axis.scatter(x[known], y[known], c=colours.to_rgba(each.accuracy[known]), edgecolors="0.3", **look)
    axis.scatter(x[~known], y[~known], facecolors="white", edgecolors="0.45", **look)
    line: dict[str, Any] = {"color": "0.35", "linewidth": 0.8, "linestyle": "--", "zorder": 0}
    axis.axvline(each.sharp, label="_sharp", **line)
    axis.axhline(each.barrier, label="_barrier", **line)
    _scales(axis, x, y, each.barrier)
    axis.set(xlabel="λmax (nats, log)", ylabel="connectivity (points of error)")
    for place, words, how in (
        ((0.02, 0.99), "flat, well connected", ("left", "top")),
        ((0.98, 0.99), "sharp, well connected", ("right", "top")),
        ((0.02, 0.01), "flat, poorly connected", ("left", "bottom")),
        ((0.98, 0.01), "sharp, poorly connected", ("right", "bottom")),
    ):
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8}
        said: dict[str, Any] = {"ha": how[0], "va": how[1], "fontsize": 6, "color": "0.3", "bbox": behind}
        axis.text(*place, words.replace(", ", ",\n") if lines else words, transform=axis.transAxes, **said)


def _bars(values: np.ndarray, ends: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray | None:
    """Lengths of error bars, shape (2, cell); NaN where an end is not known."""
    return None if ends is None else np.clip([values - ends[0], ends[1] - values], 0, None)


def _scales(axis: Axes, x: np.ndarray, y: np.ndarray, barrier: float) -> None:
    """Logarithmic sharpness where it is positive, and room for the words in the corners."""
    positive = x[x > 0]
    if positive.size:
        axis.set_xscale("log")
        axis.set_xlim(positive.min() / 1.6, positive.max() * 1.6)
        ticks = log_ticks(*axis.get_xlim(), 5)
        axis.set_xticks(ticks, labels=[plain_number(tick) for tick in ticks])
        axis.minorticks_off()
    axis.set_yscale("symlog", linthresh=_LINEAR, linscale=0.6)
    low, high = min(y.min(), barrier), max(y.max(), 0.0)
    axis.set_ylim(2.5 * low, max(2.5 * high, 2.5))
    steps = [
        s for s in (-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100) if 2.5 * low < s < max(2.5 * high, 2.5)
    ]
    axis.set_yticks(steps, labels=[plain_number(step) for step in steps])
