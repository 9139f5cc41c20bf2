"""Captions: what a figure draws, under which protocol, and what to be careful about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from landscape.errors import ResultError
from landscape.figures import captions_curvature, captions_surface, captions_trajectory
from landscape.figures.captions_common import Results, protocol_differences, protocols, values
from landscape.figures.inputs import Datasets, named
from landscape.figures.reductions import smoothing, stage_boundaries
from landscape.figures.sequence import Frames, frames

SMALL_MAP = 8
"""Feature maps under this size have fewer than four frequencies."""


def caption(figure: str, datasets: Datasets | Frames, **options: Any) -> str:
    """The caption of a figure: definition, protocol, warnings.

    Args:
        figure: Name of a figure of the catalogue, such as contours.
        datasets: What was drawn.
        **options: `quantity`, `log`, `filled` and `surfaces`, as far as the figure was drawn with them.

    Raises:
        ResultError: If the figure is unknown or a result is of another kind.
    """
    if figure not in _CAPTIONS:
        raise ResultError(f"no figure is called {figure!r}; there are {', '.join(_CAPTIONS)}")
    kind, write = _CAPTIONS[figure]
    if figure == "sequence":
        rows = frames(datasets)  # type: ignore[arg-type]
        text, results = write(rows, **options), {name: found[0] for name, found in rows.items()}
    else:
        results = named(datasets, kind)  # type: ignore[arg-type]
        text = write(results, **options)
    return " ".join(part for part in (text, protocol_phrase(results)) if part)


def protocol_phrase(results: Results) -> str:
    """One sentence with samples, modes, seed and precision, and one with what differs between networks.

    The first is left out where nothing was evaluated on any data.
    """
    found = protocols(results)
    data = [protocol.get("data") or {} for protocol in found]
    parts = [
        f"{values(data, 'samples')} samples ({values(data, 'split')} split of {values(data, 'source')})",
        f"augmentation {values(data, 'augmentation')}",
        f"BatchNorm {values(found, 'batch_norm')}",
        f"dropout {values(found, 'dropout')}",
        f"seed {values(found, 'seed')}",
        values(found, "dtype"),
    ]
    mixed = protocol_differences(results)
    sentences = [f"Protocol: {', '.join(parts)}."] if any(data) else []
    sentences += [f"The networks differ in protocol: {', '.join(mixed)}."] if mixed else []
    return " ".join(sentences)


def _fourier(results: Results) -> str:
    dashed = ", dashed after smoothing" if _any_smoothing(results) else ""
    return (
        "Δ log amplitude of the feature maps: log amplitude of the 2D Fourier transform along its diagonal, "
        "mean over samples and channels, minus its value at frequency zero (Park & Kim 2022b). One curve a "
        f"layer, coloured by normalised depth{dashed}.{_small_maps(results)}"
    )


def _high_frequency(results: Results) -> str:
    return (
        "Δ log amplitude at the highest frequency on the diagonal, (1 − 2/h)π for maps of even size h and "
        "(1 − 1/h)π for odd ones, so the frequency itself changes where the map size does; bars are ± two "
        "standard errors over samples."
        f"{_markers(results)}{_small_maps(results)}"
    )


def _variance(results: Results, *, log: bool | None = None) -> str:
    del log  # said on the axis
    return (
        "Spatial variance of the feature maps: unbiased variance over height and width, mean over channels "
        f"and samples; bars are ± two standard errors over samples.{_markers(results)}"
    )


def _any_smoothing(results: Results) -> bool:
    return any(smoothing(dataset).any() for dataset in results.values())


def _markers(results: Results) -> str:
    text = " Open markers: after a smoothing layer." if _any_smoothing(results) else ""
    if stage_boundaries(results.values()):
        return text + " Shading: alternate stages."
    return text + " Stages end at different depths in these networks and are not shaded."


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


_CAPTIONS: dict[str, tuple[str, Callable[..., str]]] = {
    "contours": ("surface", captions_surface.contours),
    "surface3d": ("surface", captions_surface.surface3d),
    "lines": ("surface", captions_surface.lines),
    "sequence": ("surface", captions_surface.sequence),
    "trajectory": ("trajectory", captions_trajectory.trajectory),
    "polar": ("trajectory", captions_trajectory.polar),
    "spectrum": ("spectrum", captions_curvature.spectrum),
    "density": ("density", captions_curvature.density),
    "layers": ("layers", captions_curvature.layers),
    "fourier": ("features", _fourier),
    "high_frequency": ("features", _high_frequency),
    "variance": ("features", _variance),
}
