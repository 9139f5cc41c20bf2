"""Symmetric matrices over many networks: barriers, distances, similarity."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.connectivity.connect import NAMES
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.scales import limits
from landscape.numbers import plain_number

_CELL = 0.235
"""Inches of a cell that a number fits in."""


def _caption(results: Datasets) -> str:
    error = limits(dataset["barrier_standard_error"].values for dataset in results.values())
    largest = (
        f" Largest standard error of a barrier: {plain_number(float(f'{error[1]:.2g}'))} nats."
        if error
        else ""
    )
    return with_notes(
        "What lies between every two networks: barriers in nats, Euclidean distances of the weights, "
        "CKA of outputs "
        f"and the share of samples on which their classes differ.{largest}",
        "The diagonal, a network with itself, is left out.",
    )


@figure(
    kind="connect",
    title="Networks, two by two",
    caption=_caption,
    suits=lambda dataset: dataset.sizes.get("network", 0) > 2,
    further=True,
    order=22,
)
def connect_matrix(networks: Datasets, *, width: float, colour_map: str = "viridis") -> Figure:
    """Symmetric matrices of barriers, distances, similarity and disagreement over networks.

    Each quantity has a colour scale of its own. Of several results the first is drawn.

    Args:
        networks: Results of kind `connect` over three networks or more.
        width: Width in inches; by default two ICML columns.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind.
    """
    first = next(iter(networks.values()))
    shown = matrices(first)
    across = min(3 if width >= style.NARROW else 2, len(shown))
    down = -(-len(shown) // across)
    side = (width - 0.3) / across
    drawn = Figure(figsize=(width, down * min(0.9 * side, 2.4) + 0.2), layout="constrained")
    names = [str(name) for name in first.network.values]
    for axis, (title, values) in zip(style.grid(drawn, len(shown), across), shown, strict=True):
        _panel(drawn, axis, names, title, values, room=side - 0.95, colour_map=colour_map)
    return drawn


def matrices(dataset: xr.Dataset) -> list[tuple[str, np.ndarray]]:
    """Each quantity as a matrix, shape (network, network), NaN on the diagonal."""
    found = [
        (f"barrier, {NAMES[str(name)]}\n(nats)", square(dataset, dataset.barrier.values[:, k, 0]))
        for k, name in enumerate(dataset.path.values)
    ]
    found += [
        (
            f"distance{', aligned' if str(name) == 'aligned' else ''}",
            square(dataset, dataset.distance.values[:, k]),
        )
        for k, name in enumerate(dataset.path.values)
        if str(name) in ("linear", "aligned")
    ]
    found.append(("CKA of outputs", square(dataset, dataset.cka.values)))
    if "disagreement" in dataset:
        found.append(("disagreement", square(dataset, dataset.disagreement.values)))
    return found


def square(dataset: xr.Dataset, values: np.ndarray) -> np.ndarray:
    """Values by pair as a symmetric matrix."""
    names = [str(name) for name in dataset.network.values]
    table = np.full((len(names), len(names)), np.nan)
    for a, b, value in zip(dataset.a.values, dataset.b.values, values, strict=True):
        i, j = names.index(str(a)), names.index(str(b))
        table[i, j] = table[j, i] = value
    return table


def _panel(
    drawn: Figure,
    axis: Axes,
    names: list[str],
    title: str,
    values: np.ndarray,
    *,
    room: float,
    colour_map: str,
) -> None:
    span = limits([values[np.isfinite(values)]]) or (0.0, 1.0)
    scale = Normalize(*span)
    colours = ScalarMappable(scale, colour_map)
    axis.imshow(np.ma.masked_invalid(values), cmap=colours.cmap, norm=scale, interpolation="nearest")
    if room / len(names) >= _CELL:
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                light = float(scale(value)) > 0.6
                text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6}
                axis.text(j, i, f"{value:.2g}", color="black" if light else "white", **text)
    ticks = np.arange(0, len(names), -(-len(names) // 10))
    shown = [style.short(names[i], 12) for i in ticks]
    axis.set_xticks(ticks, labels=shown, rotation=90)
    axis.set_yticks(ticks, labels=shown)
    axis.tick_params(length=1.5, labelsize=6)
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=7)
    style.colour_bar(drawn, colours, "", ax=axis, aspect=20, pad=0.03, shrink=0.8)
