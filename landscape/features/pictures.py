"""Feature maps to look at: an input, and what layers make of it in several draws (P1, Fig. 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.features.capture import Run, capture, check_count, micro_batches, runs
from landscape.features.survey import Survey, survey
from landscape.features.tables import of_layers, variables, words
from landscape.objective import Objective
from landscape.zoo.places import Layer

_ATTRIBUTES = {
    "input": {"long_name": "image", "units": "1"},
    "map": {"long_name": "feature map", "units": "1"},
    "kind": {"long_name": "kind of layer"},
    "stage": {"long_name": "stage", "units": "1"},
    "height": {"long_name": "height of the feature map", "units": "pixel"},
    "width": {"long_name": "width of the feature map", "units": "pixel"},
}


def pictures(
    objective: Objective,
    images: Sequence[int] = (0,),
    layers: str | Sequence[str] | None = None,
    channels: Sequence[int] = (0,),
    draws: int = 4,
) -> xr.Dataset:
    """Chosen images and channels of their feature maps, in several draws (Park & Kim 2022, Fig. 4).

    Args:
        objective: Network and samples.
        images: Positions of the images among the samples.
        layers: Names or patterns of submodules; by default those that `find_layers` finds.
        channels: Which channels; those that a layer does not have are NaN.
        draws: Passes with dropout masks of their own. There is one where every pass is the same: without
            dropout layers, or with dropout that is not `fresh`.

    Returns:
        `input` (image, colour, y, x), in 0 … 1 as it was before normalisation, and `map` (image, layer, draw,
        channel, row, column), float64, padded with NaN; of a single image there is no dimension `image`. By
        layer `kind`, `stage`, `height` and `width`. Attribute: `draws`.

    Raises:
        LandscapeError: If an image, a layer or every channel does not exist, or nothing is asked for.
    """
    _check(images, channels, draws, len(objective.samples))
    varies = objective.dropout == "fresh" and bool(objective.stochastic())
    each = runs(objective, draws if varies else 1)
    chosen = survey(objective, layers)
    maps = chosen.measured(
        lambda: [[_one_pass(objective, image, run, chosen) for run in each] for image in images]
    )
    found, seen = chosen.layers, list(maps[0][0])
    _check_channels(maps[0][0], channels)
    table = np.stack([[[_padded(draw, name, channels) for draw in row] for name in seen] for row in maps])
    inputs = torch.cat([objective.samples.batch(image, image + 1)[0] for image in images])
    dataset = _dataset(table, inputs.double().cpu().numpy(), [found[name] for name in seen], maps[0][0])
    dataset = dataset.assign_coords(image=list(images), channel=list(channels))
    dataset = dataset.assign_attrs(chosen.attributes)
    return dataset.isel(image=0) if len(images) == 1 else dataset


def _check(images: Sequence[int], channels: Sequence[int], draws: int, samples: int) -> None:
    if draws < 1 or not len(images) or not len(channels):
        raise LandscapeError(
            f"pictures need an image, a channel and a draw, got images {list(images)}, channels "
            f"{list(channels)} and {draws} draws"
        )
    beyond = [image for image in images if not 0 <= image < samples]
    if beyond:
        raise LandscapeError(f"there is no image {beyond[0]}: the samples are 0 to {samples - 1}")


def _check_channels(maps: dict[str, Tensor], channels: Sequence[int]) -> None:
    most = max(len(found) for found in maps.values())
    if min(channels) < 0 or min(channels) >= most:
        raise ArgumentError(
            f"channels {list(channels)} asked for, but the layers have 0 to {most - 1}; choose among these"
        )


def _one_pass(objective: Objective, image: int, run: Run, chosen: Survey) -> dict[str, Tensor]:
    """Maps of one image by layer, shape (channel, height, width)."""
    maps: dict[str, Tensor] = {}

    def keep(name: str, found: Tensor) -> None:
        maps[name] = found[0].double().cpu().clone()  # layers that work in place overwrite it

    for _, inputs in micro_batches(objective.subset(image, image + 1)):
        with capture(objective.network.module, chosen.layers, keep, layouts=chosen.layouts):
            run(image, inputs)
    for name in chosen.layers:
        check_count(name, int(name in maps), 1)
    return maps


def _padded(maps: dict[str, Tensor], name: str, channels: Sequence[int]) -> np.ndarray:
    """Channels of a layer's map, NaN beyond it; shape (channel, row, column)."""
    rows, columns = (max(found.shape[i] for found in maps.values()) for i in (1, 2))
    table = np.full((len(channels), rows, columns), math.nan)
    found = maps[name]
    for place, channel in zip(table, channels, strict=True):
        if channel < len(found):
            place[: found.shape[1], : found.shape[2]] = found[channel].numpy()
    return table


def _dataset(
    maps: np.ndarray, inputs: np.ndarray, layers: list[Layer], sizes: dict[str, Tensor]
) -> xr.Dataset:
    shapes = np.array([sizes[layer.name].shape for layer in layers])
    columns = of_layers(layers) | {"height": shapes[:, 1], "width": shapes[:, 2]}
    del columns["depth"]
    return xr.Dataset(
        variables("layer", columns, _ATTRIBUTES)
        | {
            "input": (("image", "colour", "y", "x"), inputs, _ATTRIBUTES["input"]),
            "map": (("image", "layer", "draw", "channel", "row", "column"), maps, _ATTRIBUTES["map"]),
        },
        coords={"layer": words([layer.name for layer in layers])},
        attrs={"draws": maps.shape[2]},
    )
