"""Feature maps of one image over several dropout masks (Park & Kim 2022a, Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import values, with_notes
from landscape.figures.features.spectra import stage_ends
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.curves import TALLEST
from landscape.figures.style.scales import limits

ROWS = 9
"""By default as many layers are drawn as keep a figure within so many rows."""


def _caption(
    results: Datasets, *, layers: Sequence[str] | None = None, image: int = 0, channel: int = 0
) -> str:
    images = {name: one_image(dataset, image) for name, dataset in results.items()}
    blocks = choose(images, layers)
    listed = [
        f"{', '.join(str(dataset['layer'].values[block[name]]) for block in blocks)} ({name})"
        for name, dataset in images.items()
    ]
    channels = values([{"": int(dataset["channel"].values[channel])} for dataset in images.values()], "")
    numbers = [
        {"": int(dataset["image"]) if "image" in dataset.coords else image} for dataset in images.values()
    ]
    return with_notes(
        f"Feature maps of image {values(numbers, '')} over dropout masks (Park & Kim 2022a, Fig. 4): channel "
        f"{channels} of {'; '.join(listed)}. Each layer has one colour scale for all networks, from its "
        "smallest to its largest activation.",
        "Channels of different networks do not correspond. A network without dropout has one map.",
    )


@figure(kind="maps", title="Feature maps", caption=_caption, order=35)
def maps(
    networks: Datasets,
    *,
    layers: Sequence[str] | None = None,
    image: int = 0,
    channel: int = 0,
    width: float,
    colour_map: str = "viridis",
) -> Figure:
    """An image and its feature maps over several dropout masks, a row per network.

    One channel of them is drawn. Layers are below one another, each with one colour scale for all networks.

    Args:
        networks: Results of kind `maps` by network name, or a single one.
        layers: Names of layers that every network has; by default the ends of the first stages, smoothing
            layers included, as many as there is room for.
        image: Which of the images stored, counted from 0.
        channel: Which of the channels stored, counted from 0.
        width: Width in inches; by default two ICML columns.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind, or lacks such a layer, image or channel.
    """
    found = {name: one_image(dataset, image) for name, dataset in networks.items()}
    blocks = choose(found, layers)
    for name, dataset in found.items():
        if not 0 <= channel < dataset.sizes["channel"]:
            raise ResultError(
                f"{name!r} holds {dataset.sizes['channel']} channels, asked for number {channel}"
            )
    draws = drawn_draws(found, width)
    rows = len(blocks) * len(found)
    side = min((width - 0.75) / (draws + 1) - 0.04, TALLEST / rows - 0.2)
    figure = Figure(figsize=(width, rows * (side + 0.2) + 0.3), layout="compressed")
    grid = figure.subplots(rows, draws + 1, squeeze=False)
    for index, block in enumerate(blocks):
        lines = grid[index * len(found) : (index + 1) * len(found)]
        colours = ScalarMappable(Normalize(*scale(found, block, channel, draws)), colour_map)
        for line, (name, dataset) in zip(lines, found.items(), strict=True):
            _row(line, name, dataset, (block[name], channel), colours)
        shrink = min(1, 2 / (len(found) * side))
        style.colour_bar(
            figure, colours, "activation", ax=list(lines.flat), aspect=18, pad=0.015, shrink=shrink
        )
    for number, axis in enumerate(grid[-1]):
        axis.set_xlabel(f"mask {number}" if number else "input")
    style.trim(figure)
    return figure


def one_image(dataset: xr.Dataset, image: int = 0) -> xr.Dataset:
    """The maps of one of the images stored, counted from 0.

    Raises:
        ResultError: If there are not as many.
    """
    count = dataset.sizes.get("image", 1)
    if not 0 <= image < count:
        raise ResultError(f"these feature maps are of {count} images, asked for number {image}")
    return dataset.isel(image=image) if "image" in dataset.dims else dataset


def choose(found: Datasets, layers: Sequence[str] | None = None) -> list[dict[str, int]]:
    """Which layers are drawn: for each of them, its index in the result of each network.

    Args:
        found: Results by network name.
        layers: Names of layers; by default the ends of the stages that all networks have, or the layers at
            the same place where stages are not stored, as many as there is room for.

    Raises:
        ResultError: If a network has no layer of such a name.
    """
    names = {name: [str(layer) for layer in dataset["layer"].values] for name, dataset in found.items()}
    if layers is not None:
        absent = [(layer, name) for layer in layers for name in found if layer not in names[name]]
        if absent:
            layer, name = absent[0]
            raise ResultError(f"{name!r} holds no maps of {layer!r}; it has {', '.join(names[name])}")
        return [{name: names[name].index(layer) for name in found} for layer in layers]
    if all("stage" in dataset and "kind" in dataset for dataset in found.values()):
        ends = {name: stage_ends(dataset) for name, dataset in found.items()}
    else:
        ends = {name: dict(enumerate(range(len(names[name])))) for name in found}
    common = sorted(set.intersection(*(set(each) for each in ends.values())))
    if not common:
        raise ResultError("these networks have no stage in common; name the layers to draw")
    return [{name: ends[name][key] for name in found} for key in common[: max(ROWS // len(found), 1)]]


def drawn_draws(found: Datasets, width: float) -> int:
    """How many dropout masks are drawn: those there are, up to three in a column or six across a page."""
    return min(max(dataset.sizes["draw"] for dataset in found.values()), 3 if width < style.NARROW else 6)


def scale(found: Datasets, block: Mapping[str, int], channel: int, draws: int) -> tuple[float, float]:
    """The colour scale of a layer: from the smallest to the largest activation that is drawn of it."""
    shown = [
        feature_map(dataset, block[name], channel, draw)
        for name, dataset in found.items()
        for draw in range(min(draws, dataset.sizes["draw"]))
    ]
    return limits(shown) or (0.0, 1.0)


def feature_map(dataset: xr.Dataset, layer: int, channel: int, draw: int) -> np.ndarray:
    """One feature map without its padding, shape (height, width)."""
    values = dataset["map"].isel(layer=layer, channel=channel, draw=draw).transpose("row", "column").values
    if "height" in dataset and "width" in dataset:
        return values[: int(dataset["height"][layer]), : int(dataset["width"][layer])].astype(float)
    there = np.isfinite(values)
    return values[there.any(axis=1)][:, there.any(axis=0)].astype(float)


def _row(
    line: Sequence[Axes],
    name: str,
    dataset: xr.Dataset,
    place: tuple[int, int],
    colours: ScalarMappable,
) -> None:
    """The input and the maps of one network, one for each dropout mask."""
    layer, channel = place
    picture = dataset["input"].transpose(..., "y", "x").values.astype(float)
    grey = picture.shape[0] == 1
    shown = picture[0] if grey else np.moveaxis(picture, 0, -1)
    line[0].imshow(shown, cmap="gray" if grey else None, vmin=0, vmax=1, interpolation="nearest")
    heading = f"{style.short(name)}: {style.short(str(dataset['layer'].values[layer]))}"
    text = line[0].text(0, 1.05, heading, transform=line[0].transAxes, fontsize=7.5, label="heading")
    text.set_in_layout(False)  # it reaches over the next panels, which shall not make room for it
    line[0].set_title(" ")  # but there shall be room above
    for draw, axis in enumerate(line[1:]):
        if draw < dataset.sizes["draw"]:
            shown = feature_map(dataset, layer, channel, draw)
            low, high = colours.get_clim()
            axis.imshow(shown, cmap=colours.cmap, vmin=low, vmax=high, interpolation="nearest")
    for axis in line:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.set_box_aspect(1)
