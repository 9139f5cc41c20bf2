"""Fourier analysis of feature maps (Park & Kim 2022b, Fig. 2a and Fig. 8)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.depth import by_depth
from landscape.figures.inputs import Datasets, named
from landscape.figures.reductions import smoothing


def fourier(datasets: Datasets, *, width: float | None = None) -> Figure:
    """Δ log amplitude against frequency, one curve a layer; colour is depth, smoothing layers are dashed.

    Panels share their axes and one colour bar.

    Args:
        datasets: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.

    Raises:
        ResultError: If a result is of another kind.
    """
    features = named(datasets, "features")
    with style.context():
        total = style.width_for(len(features), width)
        row = 0.72 * total / max(style.columns(len(features)), 1.3)
        figure, axes = style.panels(len(features), width=total, row=row, extra=0.35, sharex=True, sharey=True)
        mappable = ScalarMappable(Normalize(0, 1), style.ramp())
        for index, (axis, (name, dataset)) in enumerate(zip(axes, features.items(), strict=True)):
            _curves(axis, dataset, mappable)
            bottom, left = style.outer(index, len(features))
            axis.set(title=style.short(name), xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
            axis.set_xticklabels(["0", "0.25", "0.5", "0.75", "1"])
            axis.set_xlabel("frequency (units of π)" if bottom else "")
            axis.set_ylabel("Δ log amplitude" if left else "")
        bar = figure.colorbar(mappable, ax=axes, aspect=30, pad=0.02, ticks=[0, 0.5, 1])
        bar.set_label("normalised depth")
        bar.outline.set_linewidth(0.6)
    return figure


def high_frequency(
    datasets: Datasets, *, width: float | None = None, looks: Mapping[str, style.Look] | None = None
) -> Figure:
    """Δ log amplitude at the highest frequency of each layer, by depth, bars of ± two standard errors.

    Args:
        datasets: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    features = named(datasets, "features")
    chosen = style.looks_for(list(features), looks)
    with style.context():
        figure, axis = by_depth(
            features,
            "high_frequency",
            looks=chosen,
            width=width or style.TWO_COLUMN,
            error="high_frequency_standard_error",
        )
        axis.set_ylabel("high-frequency Δ log amplitude")
    return figure


def curve(dataset: xr.Dataset, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (units of π) and Δ log amplitudes of one layer, without padding; shapes (F,) and (F,)."""
    frequency = dataset["frequency_pi"].transpose("layer", "frequency").values[layer].astype(float)
    amplitude = dataset["delta_log_amplitude"].transpose("layer", "frequency").values[layer].astype(float)
    kept = np.isfinite(frequency) & np.isfinite(amplitude)
    return frequency[kept], amplitude[kept]


def _curves(axis: Axes, dataset: xr.Dataset, mappable: ScalarMappable) -> None:
    dashed = smoothing(dataset)
    for layer, depth in enumerate(dataset["depth"].values.astype(float)):
        frequency, amplitude = curve(dataset, layer)
        axis.plot(
            frequency,
            amplitude,
            color=mappable.to_rgba(depth),
            linestyle=(0, (3, 1.2)) if dashed[layer] else "-",
            linewidth=1.0,
            marker="." if frequency.size < 6 else "",
            label=str(dataset["layer"].values[layer]),
        )
