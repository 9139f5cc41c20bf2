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
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.curves import NARROW, label_tiles, tiles
from landscape.figures.style.depth import by_depth
from landscape.figures.style.reductions import smoothing
from landscape.figures.style.scales import limits

DIAGONAL = ("frequency", "frequency_pi")
"""Dimension and frequencies of what is taken along the diagonal of a spectrum."""
RINGS = ("radius", "radial_frequency_pi")
"""The same of what is averaged over rings of equal frequency."""


def fourier(datasets: Datasets, *, width: float | None = None) -> Figure:
    """Δ log amplitude against frequency, one curve a layer; colour is depth, smoothing layers are dashed.

    Panels share their axes and one colour bar.

    Args:
        datasets: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.

    Raises:
        ResultError: If a result is of another kind.
    """
    return _spectra(named(datasets, "features"), "delta_log_amplitude", DIAGONAL, width)


def radial(datasets: Datasets, *, width: float | None = None) -> Figure:
    """The same, averaged over all directions: Δ log amplitude over rings of equal frequency.

    Args:
        datasets: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.

    Raises:
        ResultError: If a result is of another kind.
    """
    return _spectra(named(datasets, "features"), "radial_delta_log_amplitude", RINGS, width)


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


def is_radial(dataset: xr.Dataset) -> bool:
    """Whether a result of kind `features` holds averages over rings."""
    return "radial_delta_log_amplitude" in dataset


def curve(
    dataset: xr.Dataset,
    layer: int,
    variable: str = "delta_log_amplitude",
    over: tuple[str, str] = DIAGONAL,
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (units of π) and amplitudes of one layer, without padding; shapes (F,) and (F,).

    Args:
        dataset: Result of kind `features`.
        layer: Index of the layer.
        variable: Which amplitude.
        over: Its dimension and the variable with its frequencies.

    Returns:
        Empty where the result has no such variable.
    """
    dimension, places = over
    if variable not in dataset:
        return np.empty(0), np.empty(0)
    frequency = dataset[places].transpose("layer", dimension).values[layer].astype(float)
    amplitude = dataset[variable].transpose("layer", dimension).values[layer].astype(float)
    kept = np.isfinite(frequency) & np.isfinite(amplitude)
    return frequency[kept], amplitude[kept]


def frequency_axis(axis: Axes, highest: float = 1.0, *, step: float = 0.25) -> None:
    """Ticks up to the highest frequency there is, in units of π.

    Args:
        axis: One of axes that share it.
        highest: Highest frequency.
        step: Between ticks.
    """
    axis.set_xlim(0, highest)
    ticks = np.arange(0, highest + 1e-9, step)
    axis.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])


def _spectra(
    features: Mapping[str, xr.Dataset], variable: str, over: tuple[str, str], width: float | None
) -> Figure:
    """A panel a network, a curve a layer."""
    found = limits([np.zeros(1), *(dataset[over[1]].values for dataset in features.values())]) or (0.0, 1.0)
    with style.context():
        total = style.width_for(len(features), width)
        across = min(style.columns(len(features)), 2 if total < NARROW else 4)
        row = min(0.72 * total / max(across, 1.3), 2.7)
        figure, axes, across = tiles(len(features), width=total, row=row, extra=0.35)
        mappable = ScalarMappable(Normalize(0, 1), style.ramp())
        for axis, (name, dataset) in zip(axes, features.items(), strict=True):
            _curves(axis, dataset, mappable, variable, over)
            axis.set_title(style.short(name, min(26, int(12 * total / across))))
        frequency_axis(axes[0], max(1.0, found[1]), step=0.5 if total / across < 2 else 0.25)
        label_tiles(axes, across, "frequency (units of π)", "Δ log amplitude")
        shrink = min(1.0, 3.5 / figure.get_figheight())
        bar = figure.colorbar(mappable, ax=axes, aspect=30, pad=0.02, shrink=shrink, ticks=[0, 0.5, 1])
        bar.set_label("normalised depth")
        bar.outline.set_linewidth(0.6)
    return figure


def _curves(
    axis: Axes, dataset: xr.Dataset, mappable: ScalarMappable, variable: str, over: tuple[str, str]
) -> None:
    dashed = smoothing(dataset)
    for layer, depth in enumerate(dataset["depth"].values.astype(float)):
        frequency, amplitude = curve(dataset, layer, variable, over)
        axis.plot(
            frequency,
            amplitude,
            color=mappable.to_rgba(depth),
            linestyle=(0, (3, 1.2)) if dashed[layer] else "-",
            linewidth=1.0,
            marker="." if frequency.size < 6 else "",
            label=str(dataset["layer"].values[layer]),
        )
