"""Similarity of layers: mini-batch CKA of every layer with every other (Nguyen et al. 2021)."""

from __future__ import annotations

from math import ceil

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import joined, values
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.scales import limits
from landscape.numbers import plain_number

_TICK = 0.115  # inches that the label of a layer takes along an axis
_LETTERS = 14


def _caption(results: Datasets) -> str:
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


@figure(kind="similarity", title="Similarity of layers", caption=_caption, width=style.by_count, order=37)
def similarity(pairs: Datasets, *, width: float, colour_map: str = "viridis") -> Figure:
    """Heat maps of mini-batch CKA between layers.

    Layers are in order from the lower left, colours on one scale from 0 to 1.

    Args:
        pairs: Results of kind `similarity` by network name, or a single one.
        width: Width in inches; by default one ICML column for one result, two for several.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind.
    """
    across = style.columns(len(pairs), width)
    side = min((width - 0.6) / across - 0.95, 2.6)
    height = ceil(len(pairs) / across) * (side + 1.25) + 0.3
    figure = Figure(figsize=(width, height), layout="compressed")
    axes = style.grid(figure, len(pairs), across)
    colours = ScalarMappable(Normalize(0, 1), colour_map)
    for axis, (name, dataset) in zip(axes, pairs.items(), strict=True):
        _panel(axis, dataset, colours, side, style.short(name, max(int(19 * side), 12)))
    cka = np.concatenate([np.ravel(dataset["cka"].values) for dataset in pairs.values()])
    beyond = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    extend = beyond[bool(np.nanmin(cka) < 0), bool(np.nanmax(cka) > 1 + 1e-9)]
    shrink = min(1, 3 / figure.get_figheight())
    style.colour_bar(figure, colours, "CKA", ax=axes, aspect=30, pad=0.02, shrink=shrink, extend=extend)
    style.trim(figure)
    return figure


def networks(dataset: xr.Dataset, name: str) -> tuple[str, str]:
    """Names of the networks whose layers are compared, each one's own where it is not stored."""
    return tuple(str(dataset.attrs.get(f"network_{which}") or name) for which in "ab")  # type: ignore[return-value]


def _panel(axis: Axes, dataset: xr.Dataset, colours: ScalarMappable, side: float, title: str) -> None:
    cka = dataset["cka"].transpose("layer_a", "layer_b").values.astype(float)
    axis.imshow(
        cka, origin="lower", cmap=colours.cmap, vmin=0, vmax=1, aspect="auto", interpolation="nearest"
    )
    axis.set_box_aspect(1)
    axis.spines[:].set_visible(False)
    axis.set_title(title)
    _ticks(axis, dataset, side)
    first, second = networks(dataset, title)
    if first != second:
        axis.set_ylabel(f"layer of {style.short(first, 16)}")
        axis.set_xlabel(f"layer of {style.short(second, 16)}")


def _ticks(axis: Axes, dataset: xr.Dataset, side: float) -> None:
    """Names of as many layers as there is room for."""
    for which, side_axis in (("layer_a", axis.yaxis), ("layer_b", axis.xaxis)):
        names = dataset[which].values
        places = np.arange(0, len(names), -(-len(names) // max(int(side / _TICK), 2)))
        side_axis.set_ticks(places, labels=[style.short(str(names[i]), _LETTERS) for i in places])
    axis.tick_params(axis="x", rotation=90)
    axis.tick_params(length=1.5, labelsize=6)
