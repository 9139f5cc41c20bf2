"""Correlation of the points of a feature map with its centre (Park & Kim 2022a, D.1)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.features.spectra import stage_ends
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.curves import TALLEST
from landscape.figures.style.scales import limits
from landscape.numbers import plain_number

_COLOURS = "RdBu_r"
Panel = tuple[str, int, str]
"""Input, index of the layer, and what the layer is called."""
Row = tuple[str, list[Panel]]
"""Name of a network, and its panels."""


def _caption(results: Datasets) -> str:
    name = "correlation_standard_error"
    errors = [dataset[name].values for dataset in results.values() if name in dataset]
    span = limits(errors) if errors else None
    error = f" Largest standard error: {plain_number(span[1])}." if span else ""
    return (
        "Covariance of the points of a feature map with its centre, over the variance of the centre, over "
        "samples and averaged over channels (Park & Kim 2022a, D.1), for noise of independent points and for "
        "images. Offsets in points of that map. The centre is 1; the scale ends at the largest magnitude "
        f"beside it, {plain_number(largest_off_centre(results.values()))}. A minus marks cells below "
        f"zero.{error}"
    )


@figure(
    kind="covariance", title="Covariance of feature maps", caption=_caption, width=style.by_count, order=34
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
            _heat(axis, correlation(networks[name], source, layer), top)
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


def correlation(dataset: xr.Dataset, source: str, layer: int) -> xr.DataArray:
    """The correlation of one layer, dimensions `dy` and `dx`."""
    index = dataset["source"].values.astype(str).tolist().index(source)
    return dataset["correlation"].isel(source=index, layer=layer).transpose("dy", "dx")


def largest_off_centre(datasets: Iterable[xr.Dataset]) -> float:
    """Largest magnitude of a correlation beside the centre; 1 if there is none."""
    sizes = [0.0]
    for dataset in datasets:
        beside = (dataset["dy"] != 0) | (dataset["dx"] != 0)
        values = np.abs(dataset["correlation"].where(beside).values.astype(float))
        sizes.append(float(np.fmax.reduce(values, axis=None, initial=0.0)))
    return max(sizes) or 1.0


def _heat(axis: Axes, values: xr.DataArray, top: float) -> None:
    dy, dx = (values[name].values.astype(float) for name in ("dy", "dx"))
    extent = (dx.min() - 0.5, dx.max() + 0.5, dy.max() + 0.5, dy.min() - 0.5)
    drawn = values.values.astype(float)
    axis.imshow(drawn, cmap=_COLOURS, vmin=-top, vmax=top, extent=extent, interpolation="nearest")
    row, col = np.nonzero(drawn < -0.03 * top)
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
