"""What each smoothing layer does to the variances of feature maps (Park & Kim 2022a, Fig. 5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.curves import legend, panels
from landscape.figures.style.reductions import smoothing, smoothing_ratios
from landscape.figures.style.scales import log_ticks, plain_number

PANELS = {
    "model_variance": "over dropout draws",
    "spatial_variance": "over the map",
    "sample_variance": "over samples",
}
"""Variable of each panel and its title."""


def smoothing_effect(
    datasets: Datasets,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Variance after each smoothing layer over that before it, a panel for each variance; below 1 it shrinks.

    Bars are ± two standard errors. Networks without smoothing layers are left out, and variances that no
    network has.

    Args:
        datasets: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or no network has a smoothing layer.
    """
    everything = named(datasets, "features")
    chosen = style.looks_for(list(everything), looks)
    features = {name: dataset for name, dataset in everything.items() if is_smoothed(dataset)}
    if not features:
        raise ResultError(f"no smoothing layer in {', '.join(everything)}; give a network that has some")
    found = {
        variable: {name: smoothing_ratios(d, variable) for name, d in features.items() if variable in d}
        for variable in PANELS
    }
    shown = {
        variable: ratios
        for variable, ratios in found.items()
        if any(np.isfinite(ratio).any() for _, ratio, _ in ratios.values())
    }
    total = width or style.TWO_COLUMN
    with style.context():
        figure, axes = panels(len(shown), width=total, entries=len(features), height=1.8, sharey=True)
        for axis, (variable, ratios) in zip(axes, shown.items(), strict=True):
            for row, (name, ratio) in enumerate(ratios.items()):
                _points(axis, ratio, chosen[name], name, 0.4 * ((row + 0.5) / len(ratios) - 0.5))
            axis.set_title(f"variance {PANELS[variable]}")
        _decorate(axes, max(int(smoothing(d).sum()) for d in features.values()), total < 5)
        legend(figure, {name: chosen[name] for name in features}, total)
    return figure


def is_smoothed(dataset: xr.Dataset) -> bool:
    """Whether there is a smoothing layer with a layer before it."""
    return bool(smoothing(dataset)[1:].any())


def _points(axis: Axes, found: tuple[np.ndarray, ...], look: style.Look, name: str, shift: float) -> None:
    _, ratios, errors = found
    axis.errorbar(
        1 + np.arange(ratios.size) + shift,
        ratios,
        yerr=2 * errors if np.isfinite(errors).any() else None,
        color=look.colour,
        linestyle=look.dash,
        linewidth=0.7,
        marker=look.marker,
        elinewidth=0.8,
        capsize=1.5,
        label=name,
    )


def _decorate(axes: list[Axes], count: int, stacked: bool) -> None:
    low, high = np.inf, 1.0
    for axis in axes:
        values = np.concatenate([line.get_ydata() for line in axis.lines if line.get_linestyle() != "None"])
        values = values[np.isfinite(values) & (values > 0)]
        low, high = min(low, values.min(initial=1.0)), max(high, values.max(initial=1.0))
    for axis in axes:
        axis.set_yscale("log")
        axis.set_ylim(low / 1.15, high * 1.15)
        ticks = log_ticks(*axis.get_ylim(), 6)
        axis.set_yticks(ticks, labels=[plain_number(tick) for tick in ticks])
        axis.minorticks_off()
        axis.axhline(1, color="0.6", linewidth=0.6, zorder=0, label="_unchanged")
        axis.set(xlim=(0.5, count + 0.5), xticks=range(1, count + 1))
    for axis in axes[-1:] if stacked else axes:
        axis.set_xlabel("smoothing layer, in order")
    for axis in axes if stacked else axes[:1]:
        axis.set_ylabel("after / before (log)")
