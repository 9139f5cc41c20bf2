"""Similarity of layers: mini-batch CKA of every layer with every other (Nguyen et al. 2021)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from math import ceil

import matplotlib
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
    return with_notes(
        f"Unbiased linear CKA of the feature maps of each pair of layers, over mini-batches of {size} "
        "samples (Nguyen et al. 2021), layers in order from the lower left; 1 is the same up to "
        f"rotation and scale. {error}",
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


_COLOURS = "RdBu_r"
_GREY = "0.87"
Panel = tuple[str, int, str]
"""Input, index of the layer, and what the layer is called."""
Row = tuple[str, list[Panel]]
"""Name of a network, and its panels."""


def _covariance_caption(results: Datasets) -> str:
    name = "correlation_standard_error"
    errors = [dataset[name].values for dataset in results.values() if name in dataset]
    span = limits(errors) if errors else None
    grey = (
        f"; grey cells are under two standard errors, which are {plain_number(span[1])} at most"
        if span
        else ""
    )
    return with_notes(
        "Covariance of the points of a feature map with its centre, over the variance of the centre, over "
        "samples and averaged over channels (Park & Kim 2022a, D.1), for noise of independent points and for "
        "images. The centre is 1; the scale ends at the largest magnitude beside it, "
        f"{plain_number(largest_off_centre(results.values()))}{grey}.",
        "Offsets in points of that map. A minus marks cells below zero.",
    )


@figure(
    kind="covariance",
    title="Covariance of feature maps",
    caption=_covariance_caption,
    width=style.by_count,
    order=34,
)
def covariance(networks: Datasets, *, layers: Sequence[str] | None = None, width: float) -> Figure:
    """Correlation of the points of feature maps with their centre, for noise and for images.

    Heat maps on one scale around zero.
    A single network has a row for each input and a column for each layer; of several, each has a row. Cells
    clearly below zero have a minus.

    Args:
        networks: Results of kind `covariance` by network name, or a single one.
        layers: Names of layers; by default the ends of the stages, as many as there is room for.
        width: Width in inches; by default one ICML column for one network, two for several.

    Raises:
        ResultError: If a result is of another kind, or has no such layer.
    """
    rows = arrange(networks, layers, 4 if width < style.NARROW else 6)
    top = largest_off_centre(networks.values())
    across = max(len(panels) for _, panels in rows)
    side = min((width - 0.95) / across - 0.06, 1.4, TALLEST / len(rows) - 0.2)
    figure = Figure(figsize=(width, len(rows) * (side + 0.2) + 0.6), layout="compressed")
    grid = figure.subplots(len(rows), across, squeeze=False)
    for line, (name, panels) in zip(grid, rows, strict=True):
        for axis, (source, layer, _) in zip(line, panels, strict=False):
            _heat(axis, *correlation(networks[name], source, layer), top)
        for spare in line[len(panels) :]:
            spare.remove()
        label = panels[0][0] if len(networks) == 1 else name
        line[0].set_ylabel(wrapped(label, max(int(18 * side), 9)))
    _titles(grid, rows, several=len(networks) > 1, letters=max(int(17 * side), 7))
    if len(networks) == 1:
        figure.suptitle(style.short(next(iter(networks))), fontsize=7.5)
    _bar(figure, ScalarMappable(Normalize(-top, top), _COLOURS))
    style.trim(figure)
    return figure


def _bar(figure: Figure, colours: ScalarMappable) -> None:
    height = figure.get_figheight()
    label = "correlation\nwith the centre" if height < 2.6 else "correlation with the centre"
    axes, shrink = list(figure.axes), min(1, 2.5 / height)
    style.colour_bar(figure, colours, label, ax=axes, aspect=25, pad=0.02, extend="max", shrink=shrink)


def wrapped(name: str, letters: int) -> str:
    """A name on up to three lines, the rest of a longer one left out."""
    return "\n".join(textwrap.wrap(name, letters, max_lines=3, placeholder="…"))


def arrange(networks: Datasets, layers: Sequence[str] | None, room: int) -> list[Row]:
    """Rows of panels, each with the name of its network.

    Args:
        networks: Results by network name.
        layers: Names of layers, or none to choose them.
        room: How many panels fit in a row.
    """
    rows: list[Row] = []
    for name, dataset in networks.items():
        sources = [str(source) for source in dataset["source"].values]
        in_a_row = room if len(networks) == 1 else max(room // len(sources), 1)
        chosen = select(dataset, layers, in_a_row)
        panels: list[Panel] = [(source, *layer) for source in sources for layer in chosen]
        every = len(chosen) if len(networks) == 1 else len(panels)
        rows += [(name, panels[start : start + every]) for start in range(0, len(panels), every)]
    return rows


def select(dataset: xr.Dataset, layers: Sequence[str] | None, count: int) -> list[tuple[int, str]]:
    """Indices of the layers to draw and what they are called.

    Raises:
        ResultError: If a layer is asked for that the result does not hold.
    """
    names = [str(name) for name in dataset["layer"].values]
    if layers is not None:
        absent = [layer for layer in layers if layer not in names]
        if absent:
            raise ResultError(f"no layer {', '.join(absent)} in this result; it has {', '.join(names)}")
        return [(names.index(layer), layer) for layer in layers]
    if "stage" in dataset and "kind" in dataset:
        ends = [(layer, f"stage {stage}") for stage, layer in stage_ends(dataset).items()]
    else:
        ends = list(enumerate(names))
    kept = np.unique(np.linspace(0, len(ends) - 1, min(count, len(ends))).round().astype(int))
    return [ends[index] for index in kept]


def correlation(dataset: xr.Dataset, source: str, layer: int) -> tuple[xr.DataArray, np.ndarray]:
    """The correlation of one layer, dimensions `dy` and `dx`; a mask of what is under two standard errors."""
    place = {"source": dataset["source"].values.astype(str).tolist().index(source), "layer": layer}
    found = dataset["correlation"].isel(place).transpose("dy", "dx")
    if "correlation_standard_error" not in dataset:
        return found, np.zeros(found.shape, dtype=bool)
    error = dataset["correlation_standard_error"].isel(place).transpose("dy", "dx").values
    return found, np.abs(found.values) < 2 * error


def largest_off_centre(datasets: Iterable[xr.Dataset]) -> float:
    """Largest magnitude of a correlation beside the centre; 1 if there is none."""
    sizes = [0.0]
    for dataset in datasets:
        beside = (dataset["dy"] != 0) | (dataset["dx"] != 0)
        values = np.abs(dataset["correlation"].where(beside).values.astype(float))
        sizes.append(float(np.fmax.reduce(values, axis=None, initial=0.0)))
    return max(sizes) or 1.0


def _heat(axis: Axes, values: xr.DataArray, lost: np.ndarray, top: float) -> None:
    """One layer; what is lost in its error is grey."""
    dy, dx = (values[name].values.astype(float) for name in ("dy", "dx"))
    extent = (dx.min() - 0.5, dx.max() + 0.5, dy.max() + 0.5, dy.min() - 0.5)
    drawn = values.values.astype(float)
    colours = matplotlib.colormaps[_COLOURS].with_extremes(bad=_GREY)
    shown = np.ma.masked_where(lost, drawn)
    axis.imshow(shown, cmap=colours, vmin=-top, vmax=top, extent=extent, interpolation="nearest")
    row, col = np.nonzero((drawn < -0.03 * top) & ~lost)
    axis.plot(dx[col], dy[row], "_", color="0.2", markersize=2.2, markeredgewidth=0.5, label="_negative")
    axis.spines[:].set_visible(False)
    axis.set(xticks=[], yticks=[])


def _titles(grid: np.ndarray, rows: Sequence[Row], *, several: bool, letters: int) -> None:
    """What each column holds; said in every row where the networks have other layers."""
    alike = all([panel[2] for panel in panels] == [panel[2] for panel in rows[0][1]] for _, panels in rows)
    for line, (_, panels) in zip(grid, rows[:1] if alike else rows, strict=False):
        for axis, (source, _, title) in zip(line, panels, strict=False):
            layer = style.short(title, letters)
            axis.set_title(f"{source}\n{layer}" if several else layer)
