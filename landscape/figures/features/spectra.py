"""Fourier spectra of feature maps (Park & Kim 2022b, Fig. 2a; 2022a, Fig. 6b and D.2)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import over, with_notes
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.depth import smoothing
from landscape.figures.style.groups import panels
from landscape.figures.style.scales import limits

DIAGONAL = ("frequency", "frequency_pi")
"""Dimension and frequencies of what is taken along the diagonal of a spectrum."""
RINGS = ("radius", "radial_frequency_pi")
"""The same of what is averaged over rings of equal frequency."""
SMALL_MAP = 8
"""Feature maps under this size have fewer than four frequencies."""


def small_maps(results: Datasets) -> str:
    """A warning that names the networks with maps too small for a curve, and how many layers they are."""
    listed = []
    for name, dataset in results.items():
        small = np.minimum(dataset["height"].values, dataset["width"].values) < SMALL_MAP
        listed += [f"{small.sum()} layers of {name}"] if small.any() else []
    if not listed:
        return ""
    return (
        f"Maps under {SMALL_MAP} × {SMALL_MAP} ({', '.join(listed)}) have fewer than four frequencies: "
        "read them with care."
    )


def _by_layer(results: Datasets) -> str:
    dashed = any(smoothing(dataset).any() for dataset in results.values())
    return f"One curve per layer, coloured by normalised depth{', dashed after smoothing' * dashed}."


def _fourier_caption(results: Datasets) -> str:
    return with_notes(
        "Δ log amplitude of the feature maps: log amplitude of the 2D Fourier transform along its diagonal, "
        "mean over samples and channels, minus its value at frequency zero (Park & Kim 2022b). "
        f"{_by_layer(results)}",
        small_maps(results),
    )


def _radial_caption(results: Datasets) -> str:
    return with_notes(
        "Δ log amplitude of the feature maps, averaged over all frequencies in rings around zero instead of "
        "along the diagonal alone, minus its value in the innermost ring; the corners of the spectrum lie "
        f"beyond π. {_by_layer(results)}",
        small_maps(results),
    )


def _amplitude_caption(results: Datasets, *, radial: bool = False) -> str:
    where = "averaged over rings of equal frequency" if radial else "along its diagonal"
    return with_notes(
        f"Log amplitude of the 2D Fourier transform of the feature maps that leave each stage, {where}, mean "
        "over samples and channels (Park & Kim 2022a, D.2); after the smoothing layer where there is one. "
        f"Bands are ± two standard errors over {over(results)}, where these are known.",
        small_maps(results),
    )


def is_radial(dataset: xr.Dataset) -> bool:
    """Whether a result of kind `features` holds averages over rings."""
    return "radial_delta_log_amplitude" in dataset


@figure(
    kind="features",
    title="Fourier analysis of feature maps",
    caption=_fourier_caption,
    width=style.by_count,
    order=30,
)
def fourier(networks: Datasets, *, width: float) -> Figure:
    """Delta log amplitude of feature maps against frequency, one curve per layer.

    Colour is depth, smoothing layers are dashed.
    Panels share their axes and one colour bar.

    Args:
        networks: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.

    Raises:
        ResultError: If a result is of another kind.
    """
    return _spectra(networks, "delta_log_amplitude", DIAGONAL, width)


@figure(
    kind="features",
    title="Radial spectra of feature maps",
    caption=_radial_caption,
    width=style.by_count,
    suits=is_radial,
    further=True,
    order=30,
)
def radial(networks: Datasets, *, width: float) -> Figure:
    """Delta log amplitude of feature maps over rings of equal frequency, one curve per layer.

    As `fourier`, averaged over all directions.

    Args:
        networks: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.

    Raises:
        ResultError: If a result is of another kind.
    """
    return _spectra(networks, "radial_delta_log_amplitude", RINGS, width)


@figure(
    kind="features", title="Spectra at the ends of stages", caption=_amplitude_caption, further=True, order=31
)
def amplitude(networks: Datasets, *, width: float, radial: bool = False, looks: Looks) -> Figure:
    """Log amplitude of the feature maps that leave each stage against frequency, one curve per network.

    One panel per stage.
    Bands are ± two standard errors over samples, where these are known.

    Args:
        networks: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        radial: Whether amplitudes are averaged over rings, instead of taken along the diagonal.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    stages = sorted({stage for dataset in networks.values() for stage in stage_ends(dataset)})
    titles = [f"end of stage {stage}" for stage in stages]
    x = "frequency (units of π)"
    page = panels(len(stages), looks, width=width, x=x, height=1.75, sharey=True, titles=titles, narrow=2)
    highest = 1.0
    for group in page.groups:
        for axis, stage in zip(group.axes, stages, strict=True):
            own = group.of(networks)
            highest = max(highest, stage_curves(axis, own, stage, looks=looks, radial=radial))
    frequency_axis(page.axes[0], highest, step=0.5 if width / page.across < 2 else 0.25)
    page.label_left("log amplitude")
    return page.figure


def stage_curves(axis: Axes, networks: Datasets, stage: int, *, looks: Looks, radial: bool = False) -> float:
    """One curve per network that has the stage: log amplitude at its end against frequency, with its band.

    Args:
        axis: Where to draw.
        networks: Results of kind `features` by network name.
        stage: Which stage.
        looks: Looks by name.
        radial: Whether amplitudes are averaged over rings.

    Returns:
        The highest frequency, in units of π.
    """
    variable, along = ("radial_log_amplitude", RINGS) if radial else ("log_amplitude", DIAGONAL)
    ends = {name: stage_ends(dataset) for name, dataset in networks.items()}
    drawn = {}
    for name, dataset in networks.items():
        if stage in ends[name]:
            x, values = spectrum(dataset, ends[name][stage], variable, along)
            error = spectrum(dataset, ends[name][stage], f"{variable}_standard_error", along)[1]
            drawn[name] = x, values, error if error.size == x.size else np.full(x.size, np.nan)
    curves.of_networks(axis, drawn, looks, count=len(networks))
    return max((x.max(initial=0.0) for x, _, _ in drawn.values()), default=0.0)


def stage_ends(dataset: xr.Dataset) -> dict[int, int]:
    """Index of the last layer of each stage that does not subsample itself, smoothing layers included.

    The part in front of the first stage is left out, unless there is nothing else.
    """
    stages = dataset["stage"].values.astype(int)
    kept = dataset["kind"].values.astype(str) != "subsampling"
    ends = {
        int(stage): int(np.flatnonzero((stages == stage) & kept)[-1]) for stage in np.unique(stages[kept])
    }
    return {stage: layer for stage, layer in ends.items() if stage > 0} or ends


def spectrum(
    dataset: xr.Dataset, layer: int, variable: str, along: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (units of π) and amplitudes of one layer, without padding; shapes (F,) and (F,).

    Args:
        dataset: Result of kind `features`.
        layer: Index of the layer.
        variable: Which amplitude.
        along: Its dimension and the variable with its frequencies.

    Returns:
        Empty where the result has no such variable.
    """
    dimension, places = along
    if variable not in dataset:
        return np.empty(0), np.empty(0)
    frequency, amplitude = (
        dataset[name].transpose("layer", dimension).values[layer].astype(float) for name in (places, variable)
    )
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


def _decorate(axes: list[Axes], across: int, highest: float, label: str, width: float) -> None:
    frequency_axis(axes[0], highest, step=0.5 if width / across < 2 else 0.25)
    curves.label_tiles(axes, across, "frequency (units of π)", label)


def _spectra(networks: Datasets, variable: str, along: tuple[str, str], width: float) -> Figure:
    """A panel per network, a curve per layer."""
    span = limits([np.zeros(1), *(dataset[along[1]].values for dataset in networks.values())]) or (0.0, 1.0)
    row = min(0.72 * width / max(style.columns(len(networks), width), 1.3), 2.7)
    figure, axes, across = curves.tiles(len(networks), width=width, row=row, extra=0.35)
    colours = ScalarMappable(Normalize(0, 1), style.ramp())
    for axis, (name, dataset) in zip(axes, networks.items(), strict=True):
        _curves(axis, dataset, colours, variable, along)
        axis.set_title(style.short(name, min(26, int(12 * width / across))))
    _decorate(axes, across, max(1.0, span[1]), "Δ log amplitude", width)
    shrink = min(1.0, 3.5 / figure.get_figheight())
    options = {"ax": axes, "aspect": 30, "pad": 0.02, "shrink": shrink, "ticks": [0, 0.5, 1]}
    style.colour_bar(figure, colours, "normalised depth", **options)
    return figure


def _curves(
    axis: Axes, dataset: xr.Dataset, colours: ScalarMappable, variable: str, along: tuple[str, str]
) -> None:
    dashed = smoothing(dataset)
    for layer, depth in enumerate(dataset["depth"].values.astype(float)):
        frequency, amplitude = spectrum(dataset, layer, variable, along)
        axis.plot(
            frequency,
            amplitude,
            color=colours.to_rgba(depth),
            linestyle=(0, (3, 1.2)) if dashed[layer] else "-",
            linewidth=1.0,
            marker="." if frequency.size < 6 else "",
            label=str(dataset["layer"].values[layer]),
        )
