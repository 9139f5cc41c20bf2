"""Spatial variance and Fourier spectrum of every layer, in one pass over the samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import LandscapeError
from landscape.features.capture import Layer, capture, find_layers, listed
from landscape.features.statistics import MapStatistics, frequencies
from landscape.objective import Objective
from landscape.progress import Progress, silent

_ATTRIBUTES = {
    "kind": {"long_name": "kind of layer: stem, block or smoothing"},
    "stage": {"long_name": "stage", "units": "1"},
    "depth": {"long_name": "normalised depth", "units": "1"},
    "height": {"long_name": "height of the feature map", "units": "pixel"},
    "width": {"long_name": "width of the feature map", "units": "pixel"},
    "channels": {"long_name": "channels of the feature map", "units": "1"},
    "spatial_variance": {"long_name": "variance over the feature map", "units": "1"},
    "spatial_variance_standard_error": {"long_name": "standard error over samples", "units": "1"},
    "frequency_pi": {"long_name": "frequency", "units": "π"},
    "log_amplitude": {"long_name": "log amplitude", "units": "nat"},
    "delta_log_amplitude": {"long_name": "Δ log amplitude", "units": "nat"},
    "high_frequency": {"long_name": "Δ log amplitude at the highest frequency", "units": "nat"},
    "high_frequency_standard_error": {"long_name": "standard error over samples", "units": "nat"},
}


def measure(
    objective: Objective, layers: str | Sequence[str] | None = None, progress: Progress = silent
) -> xr.Dataset:
    """Spatial variance and Fourier spectrum of the feature maps by depth (Park & Kim 2022b, Fig. 2, 8 and 9).

    The network runs once over the objective's samples, in its protocol; dropout that is `fresh` uses draw 0.
    Everything is accumulated in float64 as it is computed, whatever precision the network works in.

    Args:
        objective: Network and samples.
        layers: Names or patterns of submodules; by default those that `find_layers` finds.
        progress: Shows how far it is.

    Returns:
        Dimensions `layer` (coordinate: the submodule's name, in the order of execution) and `frequency`;
        variables `spatial_variance`, `log_amplitude`, `delta_log_amplitude`, `frequency_pi` (in units of π),
        `high_frequency` (the last Δ log amplitude), standard errors over samples, and for each layer its
        `kind`, `stage`, normalised `depth` from 0 to 1, `height`, `width` and `channels`. Layers with fewer
        frequencies than others are padded with NaN. The variance of maps of one pixel is NaN, and so is
        `high_frequency` where zero is the only frequency.

    Raises:
        LandscapeError: If a layer does not exist, outputs no 4-D map or runs more than once a pass, or maps
            are not square.
    """
    module = objective.network.module
    found = {layer.name: layer for layer in find_layers(module, layers)}
    seen: dict[str, MapStatistics] = {}
    batches = math.ceil(len(objective.samples) / objective.micro_batch)
    with capture(module, found, lambda name, maps: seen.setdefault(name, MapStatistics()).add(maps)):
        for _ in progress(objective.outputs(), "features", batches):
            pass
    if not seen:
        raise _no_map("the layers chosen output")
    for name in listed(layers or ""):
        if name in found and name not in seen:
            raise _no_map(f"layer {name!r} outputs")
    _check_counts(seen, len(objective.samples))
    return _dataset([found[name] for name in seen], list(seen.values()))


def _no_map(who: str) -> LandscapeError:
    return LandscapeError(
        f"{who} no feature map of shape (batch, channel, height, width); choose layers before the head, "
        "such as the residual blocks"
    )


def _check_counts(seen: dict[str, MapStatistics], samples: int) -> None:
    for name, statistics in seen.items():
        if statistics.count != samples:
            raise LandscapeError(
                f"layer {name!r} gave {statistics.count} maps for {samples} samples; choose a layer that "
                "runs exactly once in a forward pass"
            )


def _dataset(layers: list[Layer], statistics: list[MapStatistics]) -> xr.Dataset:
    columns: dict[str, Any] = {
        "kind": np.array([layer.kind for layer in layers], dtype=object),
        "stage": np.array([layer.stage for layer in layers]),
        "depth": np.arange(len(layers)) / max(1, len(layers) - 1),
    }
    for i, name in enumerate(("channels", "height", "width")):
        columns[name] = np.array([s.shape[i] for s in statistics if s.shape])
    columns["spatial_variance"] = np.array([s.variance.mean for s in statistics])
    columns["spatial_variance_standard_error"] = np.array([s.variance.standard_error for s in statistics])
    columns["high_frequency"] = np.array([_highest(s.delta.mean) for s in statistics])
    columns["high_frequency_standard_error"] = np.array(
        [_highest(s.delta.standard_error) for s in statistics]
    )
    spectra = {
        "frequency_pi": _padded([frequencies(size) for size in columns["height"]]),
        "log_amplitude": _padded([s.log_amplitude.mean for s in statistics]),
        "delta_log_amplitude": _padded([s.delta.mean for s in statistics]),
    }
    return xr.Dataset(
        {name: ("layer", values, _ATTRIBUTES[name]) for name, values in columns.items()}
        | {name: (("layer", "frequency"), values, _ATTRIBUTES[name]) for name, values in spectra.items()},
        coords={"layer": np.array([layer.name for layer in layers], dtype=object)},
    )


def _highest(spectrum: np.ndarray) -> float:
    return float(spectrum[-1]) if len(spectrum) > 1 else math.nan


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as one array, filled up with NaN."""
    table = np.full((len(rows), max(map(len, rows))), math.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table
