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
from landscape.figures.inputs import Datasets, named
from landscape.figures.surface.contours import columns, trim

_TICK = 0.115  # inches that the label of a layer takes along an axis
_LETTERS = 14


def similarity(datasets: Datasets, *, width: float | None = None, colour_map: str = "viridis") -> Figure:
    """Heat maps of CKA between layers, in order from the lower left, on one scale from 0 to 1.

    Args:
        datasets: Results of kind `similarity` by network name, or a single one.
        width: Width in inches; by default one ICML column for one result, two for several.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind.
    """
    found = named(datasets, "similarity")
    with style.context():
        total = style.width_for(len(found), width)
        across = columns(len(found), total)
        down = ceil(len(found) / across)
        side = min((total - 0.6) / across - 0.95, 2.6)
        figure = Figure(figsize=(total, down * (side + 1.25) + 0.3), layout="compressed")
        grid = figure.subplots(down, across, squeeze=False)
        for spare in grid.flat[len(found) :]:
            spare.remove()
        axes = list(grid.flat[: len(found)])
        mappable = ScalarMappable(Normalize(0, 1), colour_map)
        for axis, (name, dataset) in zip(axes, found.items(), strict=True):
            _panel(axis, dataset, mappable, side, style.short(name, max(int(19 * side), 12)))
        values = np.concatenate([np.ravel(dataset["cka"].values) for dataset in found.values()])
        beyond = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
        extend = beyond[bool(np.nanmin(values) < 0), bool(np.nanmax(values) > 1 + 1e-9)]
        bar = figure.colorbar(
            mappable, ax=axes, aspect=30, pad=0.02, shrink=min(1, 3 / figure.get_figheight()), extend=extend
        )
        bar.set_label("CKA")
        bar.outline.set_linewidth(0.6)
        trim(figure)
    return figure


def networks(dataset: xr.Dataset, name: str) -> tuple[str, str]:
    """Names of the networks whose layers are compared, each one's own where it is not stored."""
    return tuple(str(dataset.attrs.get(f"network_{which}") or name) for which in "ab")  # type: ignore[return-value]


def _panel(axis: Axes, dataset: xr.Dataset, mappable: ScalarMappable, side: float, title: str) -> None:
    values = dataset["cka"].transpose("layer_a", "layer_b").values.astype(float)
    axis.imshow(
        values, origin="lower", cmap=mappable.cmap, vmin=0, vmax=1, aspect="auto", interpolation="nearest"
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
