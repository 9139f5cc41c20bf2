"""Captions of the figures of feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from landscape.figures.captions import Results, all_over_seeds, joined, over, values
from landscape.figures.features.covariance import largest_off_centre
from landscape.figures.features.maps import choose, one_image
from landscape.figures.features.similarity import networks
from landscape.figures.features.smoothing_effect import is_smoothed
from landscape.figures.features.uncertainty import is_uncertain
from landscape.figures.style.reductions import smoothing, stage_boundaries
from landscape.figures.style.scales import limits, plain_number
from landscape.figures.style.shading import shades

SMALL_MAP = 8
"""Feature maps under this size have fewer than four frequencies."""


def fourier(results: Results) -> str:
    """Of `figures.fourier`."""
    return (
        "Δ log amplitude of the feature maps: log amplitude of the 2D Fourier transform along its diagonal, "
        "mean over samples and channels, minus its value at frequency zero (Park & Kim 2022b). One curve a "
        f"layer, coloured by normalised depth{_dashed(results)}.{_small_maps(results)}"
    )


def radial(results: Results) -> str:
    """Of `figures.radial`."""
    return (
        "Δ log amplitude of the feature maps, averaged over all frequencies in rings around zero instead of "
        "along the diagonal alone, minus its value in the innermost ring; the corners of the spectrum lie "
        f"beyond π. One curve a layer, coloured by normalised depth{_dashed(results)}.{_small_maps(results)}"
    )


def amplitude(results: Results, *, radial: bool = False) -> str:
    """Of `figures.amplitude`."""
    where = "averaged over rings of equal frequency" if radial else "along its diagonal"
    return (
        f"Log amplitude of the 2D Fourier transform of the maps that leave each stage, {where}, mean over "
        "samples and channels (Park & Kim 2022a, D.2); after the smoothing layer where there is one. Bands "
        f"are ± two standard errors over {over(results)}, where these are known.{_small_maps(results)}"
    )


def high_frequency(results: Results) -> str:
    """Of `figures.high_frequency`."""
    return (
        "Δ log amplitude at the highest frequency on the diagonal, (1 − 2/h)π for maps of even size h and "
        "(1 − 1/h)π for odd ones, so the frequency itself changes where the map size does; "
        f"{_bars(results)}.{_shading(results)}{_small_maps(results)}"
    )


def variance(results: Results, *, log: bool | None = None) -> str:
    """Of `figures.variance`."""
    del log  # said on the axis
    return (
        "Spatial variance of the feature maps: unbiased variance over height and width, mean over channels "
        f"and samples; {_bars(results)}.{_shading(results)}"
    )


def uncertainty(results: Results) -> str:
    """Of `figures.uncertainty`."""
    random = [d.attrs for d in results.values() if is_uncertain(d) and (d["model_deviation"] > 0).any()]
    draws = values(random, "draws") if random else "none"
    passes = f"{draws} dropout draws" if draws != "none" else "dropout draws"
    absent = [name for name, dataset in results.items() if not is_uncertain(dataset)]
    return joined(
        f"Model uncertainty: standard deviation of each element of the feature maps over {passes}, mean over "
        "elements and samples, zero for a deterministic network. Data uncertainty: standard deviation over "
        "the points of one map, mean over channels and samples (Park & Kim 2022a, Fig. 5). Bands are ± two "
        f"standard errors over {over(results)}.{_shading(results)}",
        f"Without several draws: {', '.join(absent)}." if absent else "",
    )


def smoothing_effect(results: Results) -> str:
    """Of `figures.smoothing_effect`."""
    absent = [name for name, dataset in results.items() if not is_smoothed(dataset)]
    known = all("spatial_variance_change_standard_error" in dataset for dataset in results.values())
    paired = "" if known else ", as if both variances were independent, so rather too long"
    of = f" over {over(results)}" if all_over_seeds(results) else ""
    return joined(
        "Variance of the feature maps after each smoothing layer over that of the layer before it: over "
        f"dropout draws, over the points of a map and over samples. Bars are ± two standard errors{of}"
        f"{paired}.",
        f"Without smoothing layers: {', '.join(absent)}." if absent else "",
    )


def aliasing(results: Results) -> str:
    """Of `figures.aliasing`."""
    smoothed = any(np.isfinite(dataset["before"].values.astype(float)).any() for dataset in results.values())
    return joined(
        "Share of the power of the map that enters a subsampling layer, its mean left out, at frequencies "
        "above π over the factor of subsampling in either direction: this folds back onto lower ones. Filled "
        f"markers: the map that is subsampled, bars ± two standard errors over {over(results)}.",
        "Open markers: the map before the smoothing layer in front of it." if smoothed else "",
    )


def covariance(results: Results, *, layers: Sequence[str] | None = None) -> str:
    """Of `figures.covariance`."""
    del layers  # said above the panels
    name = "correlation_standard_error"
    errors = [dataset[name].values for dataset in results.values() if name in dataset]
    found = limits(errors) if errors else None
    error = f" Largest standard error: {plain_number(found[1])}." if found else ""
    return (
        "Covariance of the points of a feature map with its centre, over the variance of the centre, over "
        "samples and averaged over channels (Park & Kim 2022a, D.1), for noise of independent points and for "
        "images. Offsets in points of that map. The centre is 1; the scale ends at the largest magnitude "
        f"beside it, {plain_number(largest_off_centre(results.values()))}. A minus marks cells below "
        f"zero.{error}"
    )


def maps(results: Results, *, layers: Sequence[str] | None = None, image: int = 0, channel: int = 0) -> str:
    """Of `figures.maps`."""
    found = {name: one_image(dataset, image) for name, dataset in results.items()}
    blocks = choose(found, layers)
    listed = [
        f"{', '.join(str(dataset['layer'].values[block[name]]) for block in blocks)} ({name})"
        for name, dataset in found.items()
    ]
    number = values([{"": int(dataset["channel"].values[channel])} for dataset in found.values()], "")
    known = [
        {"": int(dataset["image"]) if "image" in dataset.coords else image} for dataset in found.values()
    ]
    return (
        f"Feature maps of image {values(known, '')} over dropout draws (Park & Kim 2022a, Fig. 4): channel "
        f"{number} of {'; '.join(listed)}. Each layer has one colour scale for all networks, from its "
        "smallest to its largest activation. Channels of different networks do not correspond. A network "
        "without dropout has one draw."
    )


def noise(results: Results, *, quantities: Sequence[str] = ("accuracy", "accuracy_drop")) -> str:
    """Of `figures.noise`."""
    attrs = [dataset.attrs for dataset in results.values()]
    equal = " Noise of every ring has the same power." if values(attrs, "equal_power") == "True" else ""
    clean, paired = " A short line at the left edge is the accuracy without noise.", ""
    if "accuracy_drop" in quantities:
        marked = ", marked at the left edge," if "accuracy" in quantities else ""
        clean = f" The drop is the accuracy without noise{marked} minus that with it."
        paired = _paired(results, ", those of the drop over paired")
    return (
        f"Accuracy on images plus {values(attrs, 'noise')} noise of standard deviation "
        f"{values(attrs, 'strength')} before it is restricted to a square ring of frequencies, of width "
        f"{values(attrs, 'width_pi')}π around the frequency shown (Park & Kim 2022a, Fig. 6; 2022b, Fig. 2)."
        f"{clean}{equal} Bands are ± two standard errors over {over(results)}{paired}."
    )


def similarity(results: Results) -> str:
    """Of `figures.similarity`."""
    largest = limits(dataset["cka_standard_error"].values for dataset in results.values())
    error = (
        f"Largest standard error, by jackknife over mini-batches: {plain_number(largest[1])}."
        if largest
        else "No error is known from one mini-batch."
    )
    size = values([dataset.attrs for dataset in results.values()], "batch_size")
    pairs = [" and ".join(networks(d, n)) for n, d in results.items() if len(set(networks(d, n))) > 1]
    return joined(
        f"Unbiased linear CKA of the feature maps of each pair of layers, over mini-batches of {size} "
        "samples (Nguyen et al. 2021), layers in order from the lower left; 1 is the same up to "
        "rotation and scale.",
        error,
        f"Pairs of networks: {'; '.join(pairs)}." if pairs else "",
    )


def lesion(results: Results, *, quantity: str = "accuracy_drop") -> str:
    """Of `figures.lesion`."""
    what = "Accuracy lost" if quantity == "accuracy_drop" else "Rise of the NLL"
    shaded = " Shading: every second stage." if stage_boundaries(results.values()) else ""
    return (
        f"{what} when one block is taken out and its shortcut stays (Veit et al. 2016), against the depth of "
        f"the block; bars are ± two standard errors over {over(results)}"
        f"{_paired(results, ', of paired')}.{shaded}"
    )


def _bars(results: Results) -> str:
    return f"bars are ± two standard errors over {over(results)}"


def _paired(results: Results, words: str) -> str:
    """What is said of errors over samples, and has no meaning over seeds."""
    return "" if all_over_seeds(results) else f"{words} differences"


def _dashed(results: Results) -> str:
    return ", dashed after smoothing" if _any_smoothing(results) else ""


def _any_smoothing(results: Results) -> bool:
    return any(smoothing(dataset).any() for dataset in results.values())


def _shading(results: Results) -> str:
    """What is shaded over depth, and what is not because the networks do not agree."""
    text = " Open markers: after a smoothing layer." if _any_smoothing(results) else ""
    shaded = [f"{shade.label}s" for shade in shades(results.values())]
    if stage_boundaries(results.values()):
        shaded.insert(0, "every second stage")
    else:
        text += " Stages end at different depths in these networks and are not shaded."
    if len(shaded) > 1:
        shaded[-1] = f"and {shaded[-1]}"
    where = ", in the networks that have them" if len(results) > 1 and len(shaded) > 1 else ""
    return text + (
        f" Shading: {' '.join(shaded) if len(shaded) < 3 else ', '.join(shaded)}{where}." if shaded else ""
    )


def _small_maps(results: Results) -> str:
    """A warning that names the networks with maps too small for a curve, and how many layers they are."""
    listed = []
    for name, dataset in results.items():
        size = np.minimum(dataset["height"].values, dataset["width"].values)
        if (size < SMALL_MAP).any():
            listed.append(f"{int((size < SMALL_MAP).sum())} layers of {name}")
    if not listed:
        return ""
    return (
        f" Maps under {SMALL_MAP} × {SMALL_MAP} ({', '.join(listed)}) have fewer than four frequencies: "
        "read them with care."
    )
