"""Captions: what a figure draws, under which protocol, and what to be careful about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from landscape.errors import ResultError
from landscape.figures import (
    captions_curvature,
    captions_features,
    captions_predictive,
    captions_surface,
    captions_trajectory,
)
from landscape.figures.captions_common import (
    Results,
    protocol_differences,
    protocols,
    seeds_phrase,
    values,
)
from landscape.figures.inputs import Datasets, named
from landscape.figures.sequence import Frames, frames


def caption(figure: str, datasets: Datasets | Frames, **options: Any) -> str:
    """The caption of a figure: definition, warnings, seeds, protocol.

    Args:
        figure: Name of a figure of the catalogue, such as contours.
        datasets: What was drawn.
        **options: Those the figure was drawn with, such as `quantity`, `log` or `surfaces`.

    Raises:
        ResultError: If the figure is unknown or a result is of another kind.
    """
    if figure not in _CAPTIONS:
        raise ResultError(f"no figure is called {figure!r}; there are {', '.join(_CAPTIONS)}")
    kind, write = _CAPTIONS[figure]
    if figure == "sequence":
        rows = frames(datasets)
        text, results = write(rows, **options), {name: found[0] for name, found in rows.items()}
    else:
        results = named(datasets, kind)  # type: ignore[arg-type]
        text = write(results, **options)
    parts = (text, left_out(results), seeds_phrase(results), protocol_phrase(results))
    return " ".join(part for part in parts if part)


def left_out(results: Results) -> str:
    """How many layers of each network were found but could not be measured; the results list them."""
    counts = {name: int(dataset.attrs.get("left_out", 0)) for name, dataset in results.items()}
    found = [f"{count} of {name}" for name, count in counts.items() if count]
    return f"Layers found but not measured, as the results say: {', '.join(found)}." if found else ""


def protocol_phrase(results: Results) -> str:
    """One sentence with samples, modes, seed and precision, and one with what differs between networks.

    The first is left out where nothing was evaluated on any data.
    """
    found = protocols(results)
    data = [protocol.get("data") or {} for protocol in found]
    parts = [
        f"{values(data, 'samples')} samples ({_origin(data)})",
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


def _origin(data: list[dict[str, Any]]) -> str:
    """Where the samples come from; tensors that were handed over have no split."""
    source = values(data, "source")
    return f"{values(data, 'split')} split of {source}" if any(each.get("split") for each in data) else source


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
    "fourier": ("features", captions_features.fourier),
    "radial": ("features", captions_features.radial),
    "amplitude": ("features", captions_features.amplitude),
    "high_frequency": ("features", captions_features.high_frequency),
    "variance": ("features", captions_features.variance),
    "uncertainty": ("features", captions_features.uncertainty),
    "smoothing_effect": ("features", captions_features.smoothing_effect),
    "aliasing": ("aliasing", captions_features.aliasing),
    "covariance": ("covariance", captions_features.covariance),
    "maps": ("maps", captions_features.maps),
    "noise": ("noise", captions_features.noise),
    "similarity": ("similarity", captions_features.similarity),
    "lesion": ("lesion", captions_features.lesion),
    "reliability": ("evaluation", captions_predictive.reliability),
    "ensemble": ("ensemble", captions_predictive.ensemble),
    "robustness": ("robustness", captions_predictive.robustness),
    "corruptions": ("robustness", captions_predictive.corruptions),
    "consistency": ("consistency", captions_predictive.consistency),
    "attack": ("attack", captions_predictive.attack),
}
