"""Every measure of local sharpness beside how far each moves when the function does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style.scales import limits, log_ticks
from landscape.numbers import plain_number
from landscape.results.invariance import CHANGES, NOTICED

MARKERS = dict(zip(CHANGES, "osD^v", strict=True))
"""A marker for each change of the audit."""

_SHORT = {
    "largest_eigenvalue": "λ max",
    "frobenius": "Frobenius norm",
    "average_sharpness": "average",
    "worst_sharpness": "worst",
    "adaptive_average_sharpness": "average, each |w|",
    "adaptive_average_sharpness_filter": "average, filters",
    "adaptive_worst_sharpness": "worst, each |w|",
    "adaptive_worst_sharpness_filter": "worst, filters",
    "relative_flatness": "relative flatness",
    "pac_bayes_sigma": "Gaussian radius",
    "basin_radius": "basin radius",
    "gradient_noise": "gradient noise",
    "llc": "learning coefficient",
}
_ENDS = {"_layer": ", layers", "_filter": ", filters"}


def _caption(results: Datasets) -> str:
    audited = any("ratio" in found for found in results.values())
    beside = (
        " Right, the audit: each measure of networks that compute the same, over what it is for the network "
        f"itself; beyond the grey band of ± {100 * NOTICED:.0f} % it moves though the function does not."
    )
    return with_notes(
        "Local sharpness: left, each measure over its median over networks, with 95 % intervals."
        + (beside if audited else ""),
        "Worst-case sharpness is a lower bound, found by ascent. The interval of λ max is the bound of its "
        "residual.",
    )


@figure(kind="sharpness", title="Local sharpness and its audit", caption=_caption)
def sharpness(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Every measure of local sharpness, and how far each moves for the same function.

    Args:
        networks: Results of kind `sharpness` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    names = list(dict.fromkeys(str(each) for found in networks.values() for each in found["measure"].values))
    audited = any("ratio" in found for found in networks.values())
    narrow, panels = width < style.NARROW, 1 + audited
    entries = len(networks) + (len(MARKERS) if audited else 0)
    across = 2 if narrow else 5
    height = (panels if narrow else 1) * (0.45 + 0.135 * len(names)) + 0.16 * -(-entries // across) + 0.1
    drawn = Figure(figsize=(width, height), layout="constrained")
    shape = (panels, 1) if narrow else (1, panels)
    left, *right = np.ravel(drawn.subplots(*shape, squeeze=False, sharey=not narrow))
    _values(left, networks, names, looks)
    if right:
        _audits(right[0], networks, names, looks)
    for axis in (left, *right):
        _rows(axis, names)
        _logarithmic(axis, 4 if narrow else 5)
    handles = [style.key(looks[name]) for name in networks]
    words = [style.short(name, 18 if narrow else 26) for name in networks]
    if right:
        mark: dict[str, Any] = {"color": "0.3", "linestyle": "none", "markersize": 3.2}
        handles += [Line2D([], [], marker=each, **mark) for each in MARKERS.values()]
        words += [CHANGES[each].partition(" behind")[0].partition(" across")[0] for each in MARKERS]
    style.legend_below(drawn, handles, words, columns=across)
    return drawn


def _values(axis: Axes, networks: Datasets, names: list[str], looks: Looks) -> None:
    """Each measure over its median over networks, one row a measure."""
    table = {name: _column(found, names) for name, found in networks.items()}
    stacked = np.stack([columns[0] for columns in table.values()])
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.array([_median(column) for column in stacked.T])
        for row, (name, columns) in enumerate(table.items()):
            value, low, high = (each / middle for each in columns)
            shift = 0.7 * ((row + 0.5) / len(table) - 0.5)
            places = np.arange(len(names)) + shift
            errors = np.stack([value - low, high - value])
            errors = np.where(np.isfinite(errors), np.maximum(errors, 0), 0.0)
            errors[0] = np.minimum(errors[0], 0.999 * np.abs(value))  # a logarithmic axis has no zero
            look = looks[name]
            mark: dict[str, Any] = {
                "color": look.colour,
                "marker": look.marker,
                "markersize": 2.6,
                "linestyle": "none",
            }
            mark |= {"markerfacecolor": "white" if look.dropout else look.colour, "elinewidth": 0.7}
            shown = np.where(value > 0, value, np.nan)
            axis.errorbar(shown, places, xerr=errors, **mark, label=name)
    axis.set_xlabel("value over the median of networks (log)")


def _audits(axis: Axes, networks: Datasets, names: list[str], looks: Looks) -> None:
    """Ratios of the audit, one row a measure, a marker for each change."""
    axis.axvspan(1 - NOTICED, 1 + NOTICED, color="0.88", linewidth=0, zorder=0)
    for row, (network, found) in enumerate(networks.items()):
        if "ratio" not in found:
            continue
        shift = 0.7 * ((row + 0.5) / len(networks) - 0.5)
        changes = found["change"].values.astype(str).tolist()
        known = found["measure"].values.astype(str).tolist()
        for change, marker in MARKERS.items():
            if change not in changes:
                continue
            column = found["ratio"].values[:, changes.index(change)]
            ratios = [column[known.index(name)] if name in known else np.nan for name in names]
            shown = np.where(np.array(ratios) > 0, ratios, np.nan)
            axis.plot(
                shown,
                np.arange(len(names)) + shift,
                marker,
                color=looks[network].colour,
                markersize=2.4,
                markeredgewidth=0,
                label=f"_{network} {change}",
            )
    axis.set_xlabel("for the same function, over itself (log)")


def _rows(axis: Axes, names: list[str]) -> None:
    axis.set_yticks(range(len(names)), labels=[short(name) for name in names])
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.set_axisbelow(True)
    for row in range(1, len(names), 2):
        axis.axhspan(row - 0.5, row + 0.5, color="0.96", linewidth=0, zorder=-1)


def _logarithmic(axis: Axes, count: int) -> None:
    """A logarithmic axis around all that is drawn, with few ticks."""
    drawn = [np.asarray(line.get_xdata(), float) for line in axis.lines]
    span = limits([each[each > 0] for each in drawn] + [np.array([0.8, 1.25])]) or (0.8, 1.25)
    axis.set_xscale("log")
    axis.set_xlim(span[0] / 1.15, span[1] * 1.15)
    ticks = log_ticks(*axis.get_xlim(), count)
    axis.set_xticks(ticks, labels=[plain_number(tick) for tick in ticks])
    axis.minorticks_off()
    axis.axvline(1, color="0.6", linewidth=0.6, zorder=0, label="_one")


def _column(found: xr.Dataset, names: list[str]) -> list[np.ndarray]:
    """Values and both ends of intervals, in the order of the names; NaN where a measure is absent."""
    known = found["measure"].values.astype(str).tolist()
    columns = [found[each].values.astype(float) for each in ("value", "value_low", "value_high")]
    return [
        np.array([column[known.index(name)] if name in known else np.nan for name in names])
        for column in columns
    ]


def _median(column: np.ndarray) -> float:
    finite = column[np.isfinite(column) & (column > 0)]
    return float(np.median(finite)) if len(finite) else float("nan")


def short(name: str) -> str:
    """The name of a measure at the left of its row."""
    if name in _SHORT:
        return _SHORT[name]
    for end, words in _ENDS.items():
        if name.endswith(end):
            stem = name.removesuffix(end)
            return _SHORT.get(stem, stem) + words
    return name
