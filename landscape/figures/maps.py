"""Feature maps of one image over several dropout draws (Park & Kim 2022a, Fig. 4)."""

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
from landscape.figures.contours import trim
from landscape.figures.curves import NARROW
from landscape.figures.inputs import Datasets, named
from landscape.figures.scales import limits

ROWS = 9
"""By default as many layers are drawn as keep a figure within so many rows."""


def maps(
    datasets: Datasets,
    *,
    layers: Sequence[int] | None = None,
    channel: int = 0,
    width: float | None = None,
    colour_map: str = "viridis",
) -> Figure:
    """The input, then one channel of its feature maps over several dropout draws, a row a network.

    Layers are below one another, each with one colour scale for all its rows.

    Args:
        datasets: Results of kind `maps` by network name, or a single one.
        layers: Which of the layers stored, counted from 0; by default the first ones there is room for.
        channel: Which of the channels stored, counted from 0.
        width: Width in inches; by default two ICML columns.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind, or lacks such a layer or channel.
    """
    found = named(datasets, "maps")
    chosen = _chosen(found, layers, channel)
    total = width or style.TWO_COLUMN
    draws = drawn_draws(found, total)
    with style.context():
        side = (total - 0.75) / (draws + 1) - 0.04
        rows = len(chosen) * len(found)
        figure = Figure(figsize=(total, rows * (side + 0.2) + 0.3), layout="compressed")
        grid = figure.subplots(rows, draws + 1, squeeze=False)
        for block, layer in enumerate(chosen):
            lines = grid[block * len(found) : (block + 1) * len(found)]
            span = scale(found, layer, channel, draws)
            for line, (name, dataset) in zip(lines, found.items(), strict=True):
                _row(line, name, dataset, (layer, channel), (span, colour_map))
            shrink = min(1, 2 / (len(found) * side))
            shades = ScalarMappable(Normalize(*span), colour_map)
            bar = figure.colorbar(shades, ax=list(lines.flat), aspect=18, pad=0.015, shrink=shrink)
            bar.set_label("activation")
            bar.outline.set_linewidth(0.6)
        for number, axis in enumerate(grid[-1]):
            axis.set_xlabel(f"draw {number}" if number else "input")
        trim(figure)
    return figure


def default_layers(found: Mapping[str, xr.Dataset]) -> list[int]:
    """The first layers that every network has, as many as there is room for."""
    common = min(dataset.sizes["layer"] for dataset in found.values())
    return list(range(min(common, max(ROWS // len(found), 1))))


def drawn_draws(found: Mapping[str, xr.Dataset], width: float) -> int:
    """How many dropout draws are drawn: those there are, up to three in a column or six across a page."""
    return min(max(dataset.sizes["draw"] for dataset in found.values()), 3 if width < NARROW else 6)


def scale(found: Mapping[str, xr.Dataset], layer: int, channel: int, draws: int) -> tuple[float, float]:
    """The colour scale of a layer: from the smallest to the largest activation that is drawn of it."""
    shown = [
        feature_map(d, layer, channel, n) for d in found.values() for n in range(min(draws, d.sizes["draw"]))
    ]
    return limits(shown) or (0.0, 1.0)


def feature_map(dataset: xr.Dataset, layer: int, channel: int, draw: int) -> np.ndarray:
    """One feature map without its padding, shape (height, width)."""
    values = dataset["map"].isel(layer=layer, channel=channel, draw=draw).transpose("row", "column").values
    there = np.isfinite(values)
    return values[there.any(axis=1)][:, there.any(axis=0)].astype(float)


def _chosen(found: Mapping[str, xr.Dataset], layers: Sequence[int] | None, channel: int) -> list[int]:
    chosen = default_layers(found) if layers is None else list(layers)
    for name, dataset in found.items():
        if not all(0 <= layer < dataset.sizes["layer"] for layer in chosen):
            raise ResultError(f"{name!r} holds {dataset.sizes['layer']} layers, asked for {chosen}")
        if not 0 <= channel < dataset.sizes["channel"]:
            raise ResultError(f"{name!r} holds {dataset.sizes['channel']} channels, asked for {channel}")
    return chosen


def _row(
    line: Sequence[Axes],
    name: str,
    dataset: xr.Dataset,
    place: tuple[int, int],
    colours: tuple[tuple[float, float], str],
) -> None:
    """The input and the draws of one network."""
    layer, channel = place
    (low, high), colour_map = colours
    picture = dataset["input"].transpose(..., "y", "x").values.astype(float)
    grey = picture.shape[0] == 1
    line[0].imshow(
        picture[0] if grey else np.moveaxis(picture, 0, -1),
        cmap="gray" if grey else None,
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    heading = f"{style.short(name)}: {style.short(str(dataset['layer'].values[layer]))}"
    text = line[0].text(0, 1.05, heading, transform=line[0].transAxes, fontsize=7.5, label="heading")
    text.set_in_layout(False)  # it reaches over the next panels, which shall not make room for it
    line[0].set_title(" ")  # but there shall be room above
    for draw, axis in enumerate(line[1:]):
        if draw < dataset.sizes["draw"]:
            axis.imshow(
                feature_map(dataset, layer, channel, draw),
                cmap=colour_map,
                vmin=low,
                vmax=high,
                interpolation="nearest",
            )
    for axis in line:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.set_box_aspect(1)
