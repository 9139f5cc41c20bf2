"""Which layers are shaded over depth: smoothing, subsampling and attention (Park & Kim 2022b, Fig. 8, 9)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from landscape.figures.style.reductions import smoothing

Span = tuple[float, float]


@dataclass(frozen=True)
class Shade:
    """One kind of layers that is shaded; told apart in grey by its hatching.

    Attributes:
        label: What it is called in the legend.
        colour: Colour of the area.
        hatch: Hatching of the area.
        spans: From which to which depth.
    """

    label: str
    colour: str
    hatch: str
    spans: tuple[Span, ...] = ()


def subsampling(dataset: xr.Dataset) -> np.ndarray:
    """Mask of the layers within which the map shrinks, shape (layer,); none where that is not stored."""
    if "subsampling" in dataset:
        return dataset["subsampling"].values.astype(bool)
    return dataset["kind"].values.astype(str) == "subsampling"


def attention(dataset: xr.Dataset) -> np.ndarray:
    """Mask of the attention layers, shape (layer,)."""
    return dataset["kind"].values.astype(str) == "attention"


_KINDS: tuple[tuple[Shade, Callable[[xr.Dataset], np.ndarray]], ...] = (
    (Shade("subsampling layer", "#F9E3D0", "////"), subsampling),
    (Shade("smoothing layer", "#D8E9F5", ""), smoothing),
    (Shade("attention layer", "#DCEFE3", "...."), attention),
)


def shades(datasets: Iterable[xr.Dataset]) -> list[Shade]:
    """The kinds of layers that can be shaded for every network at once, with their spans.

    Args:
        datasets: Results with `depth` and `kind` of each layer.
    """
    everything = list(datasets)
    found = []
    for shade, mask in _KINDS:
        spans = shared_spans([spans_of(dataset, mask(dataset)) for dataset in everything])
        if spans:
            found.append(replace(shade, spans=tuple(spans)))
    return found


def spans_of(dataset: xr.Dataset, mask: np.ndarray) -> list[Span]:
    """Spans of depth around the chosen layers, each halfway to its neighbours; runs of layers are one span.

    Args:
        dataset: Result with the `depth` of each layer.
        mask: The layers, shape (layer,).
    """
    depth = dataset["depth"].values.astype(float)
    middle = (depth[1:] + depth[:-1]) / 2
    half = (middle[0] - depth[0], depth[-1] - middle[-1]) if depth.size > 1 else (0.5, 0.5)
    start, stop = np.r_[depth[0] - half[0], middle], np.r_[middle, depth[-1] + half[1]]
    edges = np.diff(np.r_[0, mask.astype(int), 0])
    runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True)
    return [(float(start[first]), float(stop[last])) for first, last in runs]


def shared_spans(found: Sequence[Sequence[Span]]) -> list[Span]:
    """The spans of several networks as one list, each round all that lie at the same place.

    Networks without any are passed over. If the others do not agree, in how many there are or about where,
    there are none: shading would then speak of one network and seem to speak of all.
    """
    present = [spans for spans in found if spans]
    if not present or len({len(spans) for spans in present}) > 1:
        return []
    together = list(zip(*present, strict=True))
    if any(max(low for low, _ in each) >= min(high for _, high in each) for each in together):
        return []
    hulls = [(min(low for low, _ in each), max(high for _, high in each)) for each in together]
    apart = all(before[1] <= after[0] for before, after in itertools.pairwise(hulls))
    return hulls if apart else []


def shade_layers(axis: Axes, found: Iterable[Shade]) -> None:
    """Shade the layers behind the data."""
    for shade in found:
        for start, stop in shade.spans:
            axis.axvspan(
                start,
                stop,
                facecolor=shade.colour,
                edgecolor="white" if shade.hatch else "none",
                hatch=shade.hatch or None,
                linewidth=0,
                zorder=0.2,
                label=f"_{shade.label}",
            )


def patch(colour: str, hatch: str = "") -> Patch:
    """A legend entry for an area."""
    return Patch(facecolor=colour, edgecolor="white" if hatch else "none", hatch=hatch or None, linewidth=0)
