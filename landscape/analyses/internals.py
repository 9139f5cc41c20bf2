"""Recipes of what happens inside a network: feature maps, noise, similarity of layers, removed blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape import features as feature_maps
from landscape.analyses.stamping import analysis
from landscape.objective import Objective
from landscape.results import Check
from landscape.results.checks import finite
from landscape.work import Progress, silent


def _left_out(dataset: xr.Dataset) -> list[Check]:
    """What the measurement itself warns of, such as layers that it could not measure."""
    return [Check("maps", False, text) for text in dataset.attrs.get("warnings", ())]


def _warnings(dataset: xr.Dataset) -> list[Check]:
    """What the measurement itself warns of, and whether smoothing lowered the model's uncertainty."""
    found = [finite("spatial variance", dataset.spatial_variance.values), *_left_out(dataset)]
    if dataset.attrs.get("draws", 1) < 2 or not bool((dataset.kind == "smoothing").any()):
        return found
    effect = feature_maps.smoothing_effect(dataset)
    ratio = effect["model_variance_ratio"]
    risen = [str(name) for name in effect["layer"].values[(ratio >= 1).values]]
    if not risen:
        text = "The model's variance falls across every smoothing layer."
        return [*found, Check("smoothing", True, text)]
    text = f"The model's variance does not fall across the smoothing layers {', '.join(risen)}."
    return [*found, Check("smoothing", False, text)]


def _empty_rings(dataset: xr.Dataset) -> list[Check]:
    empty = int(np.isnan(dataset.accuracy.values).sum())
    if not empty:
        return [Check("rings", True, "Every ring of noise holds frequencies of the images.")]
    text = f"{empty} of {dataset.sizes['frequency']} rings hold no frequency of images this small"
    return [Check("rings", False, f"{text}: their values are NaN.")]


def _outputs(options: dict[str, Any]) -> dict[str, Any]:
    """Whether inputs were measured is said where they were: results of before do not say it."""
    return {name: value for name, value in options.items() if name != "inputs" or value}


@analysis(_warnings, record=_outputs)
def features(
    objective: Objective,
    *,
    layers: Sequence[str] = (),
    draws: int = 1,
    inputs: bool = False,
    progress: Progress = silent,
) -> xr.Dataset:
    """Variance and Fourier content by depth, see `landscape.features.measure`."""
    return feature_maps.measure(objective, layers or None, draws=draws, inputs=inputs, progress=progress)


@analysis(lambda found: [finite("shares of power", found.after.values), *_left_out(found)])
def aliasing(objective: Objective, *, progress: Progress = silent) -> xr.Dataset:
    """Power above the new Nyquist frequency where maps are subsampled, see `landscape.features.aliasing`."""
    return feature_maps.aliasing(objective, progress=progress)


@analysis(_left_out, seeded=True)
def covariance(
    objective: Objective, *, layers: Sequence[str] = (), window: int = 4, progress: Progress = silent
) -> xr.Dataset:
    """Correlation of neighbouring points of feature maps, see `landscape.features.covariance`."""
    seed = objective.seed
    return feature_maps.covariance(objective, layers or None, window=window, seed=seed, progress=progress)


@analysis(_left_out)
def maps(
    objective: Objective,
    *,
    images: Sequence[int] = (0,),
    layers: Sequence[str] = (),
    channels: Sequence[int] = (0,),
    draws: int = 4,
    progress: Progress = silent,
) -> xr.Dataset:
    """Feature maps of a few images over several dropout draws, see `landscape.features.pictures`."""
    return feature_maps.pictures(objective, images, layers=layers or None, channels=channels, draws=draws)


@analysis(_empty_rings, seeded=True)
def noise(
    objective: Objective,
    *,
    noise: feature_maps.Noise = "gaussian",
    strength: float = 0.175,
    width: float = 0.1,
    equal_power: bool = False,
    progress: Progress = silent,
) -> xr.Dataset:
    """Accuracy against the frequency of noise in the images, see `landscape.features.frequency_noise`."""
    return feature_maps.frequency_noise(
        objective,
        noise=noise,
        strength=strength,
        width=width,
        equal_power=equal_power,
        seed=objective.seed,
        progress=progress,
    )


def _of_two(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "other" or value is not None}


@analysis(lambda found: [finite("similarities", found.cka.values), *_left_out(found)], record=_of_two)
def similarity(
    objective: Objective,
    *,
    layers: Sequence[str] = (),
    batch_size: int = 64,
    other: Objective | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """CKA between the layers of one network or two, see `landscape.features.similarity`."""
    options: dict[str, Any] = {"layers": layers or None, "batch_size": batch_size, "progress": progress}
    return feature_maps.similarity(objective, other, **options)


@analysis(lambda found: [finite("losses", found.nll.values)])
def lesion(objective: Objective, *, blocks: Sequence[str] = (), progress: Progress = silent) -> xr.Dataset:
    """Accuracy with one block removed at a time, see `landscape.features.lesion`."""
    return feature_maps.lesion(objective, blocks=blocks or None, progress=progress)
