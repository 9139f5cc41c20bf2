"""What figures over depth share: lines by network, and the layers and stages that are shaded behind them.

Smoothing, subsampling and attention layers are shaded as in Park & Kim 2022b, Fig. 8 and 9.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from landscape.figures.style import Look, curves
from landscape.figures.style.groups import Panels, panels

Span = tuple[float, float]
_OPEN: dict[str, Any] = {"linestyle": "none", "markersize": 5, "markerfacecolor": "white"}


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


def smoothing(features: xr.Dataset) -> np.ndarray:
    """Mask of the smoothing layers, shape (layer,)."""
    return features["kind"].values.astype(str) == "smoothing"


def subsampling(dataset: xr.Dataset) -> np.ndarray:
    """Mask of the layers within which the map shrinks, shape (layer,); none where that is not stored."""
    if "subsampling" in dataset:
        return dataset["subsampling"].values.astype(bool)
    return dataset["kind"].values.astype(str) == "subsampling"


def attention(dataset: xr.Dataset) -> np.ndarray:
    """Mask of the attention layers, shape (layer,)."""
    return dataset["kind"].values.astype(str) == "attention"


_SHADED: tuple[tuple[Shade, Callable[[xr.Dataset], np.ndarray]], ...] = (
    (Shade("subsampling layer", "#F9E3D0", "////"), subsampling),
    (Shade("smoothing layer", "#D8E9F5", ""), smoothing),
    (Shade("attention layer", "#DCEFE3", "...."), attention),
)


def stage_boundaries(features: Iterable[xr.Dataset]) -> list[float]:
    """Depths that separate consecutive stages in every network at once.

    A boundary that falls differently in different networks, so that no depth separates them all, is left out.
    """
    datasets = list(features)
    spans: dict[int, list[tuple[float, float]]] = {}
    for dataset in datasets:
        stage, depth = dataset["stage"].values, dataset["depth"].values.astype(float)
        for before, after in zip(np.unique(stage)[:-1], np.unique(stage)[1:], strict=True):
            span = float(depth[stage == before].max()), float(depth[stage == after].min())
            spans.setdefault(int(after), []).append(span)
    shared = [pairs for _, pairs in sorted(spans.items()) if len(pairs) == len(datasets)]
    common = [(max(a for a, _ in pairs), min(b for _, b in pairs)) for pairs in shared]
    return [(low + high) / 2 for low, high in common if low < high]


def aligned(networks: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The results with depths stretched so that each stage begins and ends at one depth in all networks.

    Stages meet at the mean of where they do in the networks. Networks whose stages are not the same, or not
    in the order of depth, stay as they are.

    Args:
        networks: Results with `depth` and `stage` of each layer, by network name.
    """
    if any("stage" not in dataset for dataset in networks.values()):
        return dict(networks)
    found = {name: _meetings(dataset) for name, dataset in networks.items()}
    stages = {tuple(np.unique(dataset["stage"].values)) for dataset in networks.values()}
    if len(stages) > 1 or any((np.diff(ends) <= 0).any() for ends in found.values()):
        return dict(networks)
    shared = np.mean(list(found.values()), axis=0)
    return {name: _stretched(networks[name], ends, shared) for name, ends in found.items()}


def _meetings(dataset: xr.Dataset) -> np.ndarray:
    """Depths of the first layer, of where each stage gives way to the next, and of the last layer."""
    stage, depth = dataset["stage"].values, dataset["depth"].values.astype(float)
    kinds = np.unique(stage)
    last, first = (np.array([pick(depth[stage == kind]) for kind in kinds]) for pick in (np.max, np.min))
    return np.r_[first[0], (last[:-1] + first[1:]) / 2, last[-1]]


def _stretched(dataset: xr.Dataset, ends: np.ndarray, shared: np.ndarray) -> xr.Dataset:
    if np.allclose(ends, shared):
        return dataset
    depth = dataset["depth"]
    return dataset.assign(depth=depth.copy(data=np.interp(depth.values.astype(float), ends, shared)))


def shades(datasets: Iterable[xr.Dataset]) -> list[Shade]:
    """The kinds of layers that can be shaded for every network at once, with their spans.

    Args:
        datasets: Results with `depth` and `kind` of each layer.
    """
    everything = list(datasets)
    found = [
        replace(
            shade, spans=tuple(shared_spans([spans_of(dataset, mask(dataset)) for dataset in everything]))
        )
        for shade, mask in _SHADED
    ]
    return [shade for shade in found if shade.spans]


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


def depth_panels(
    networks: Mapping[str, xr.Dataset], count: int, *, looks: Mapping[str, Look], width: float
) -> Panels:
    """Panels over normalised depth with their shading and the legend of both.

    Args:
        networks: Results with `depth`, `stage` and `kind` of each layer, by network name.
        count: Number of panels.
        looks: Looks by name.
        width: Width in inches; panels are stacked if it is narrow.
    """
    boundaries = stage_boundaries(networks.values())
    found = shades(networks.values())
    extra: dict[str, Artist] = {}
    if any(smoothing(dataset).any() for dataset in networks.values()):
        extra["after smoothing (open)"] = Line2D([], [], color="0.3", marker="o", **_OPEN)
    extra |= stage_key(boundaries) | {shade.label: patch(shade.colour, shade.hatch) for shade in found}
    shown = {name: looks[name] for name in networks}
    page = panels(count, shown, width=width, x="normalised depth", height=2.0, extra=extra)
    for axis in page.axes:
        shade_stages(axis, boundaries)
        _shade_layers(axis, found)
        axis.set_xlim(-0.02, 1.02)
    return page


def shade_stages(axis: Axes, boundaries: Iterable[float]) -> None:
    """Shade every second stage between the boundaries, behind the data."""
    edges = [-1.0, *boundaries, 2.0]
    for start, stop in zip(edges[1::2], edges[2::2], strict=False):
        axis.axvspan(start, stop, color="0.94", linewidth=0, zorder=0)


def stage_key(boundaries: Sequence[float]) -> dict[str, Artist]:
    """The legend entry of shaded stages, where there are any."""
    return {"every second stage": patch("0.92")} if boundaries else {}


def patch(colour: str, hatch: str = "") -> Patch:
    """A legend entry for an area."""
    return Patch(facecolor=colour, edgecolor="white" if hatch else "none", hatch=hatch or None, linewidth=0)


def _shade_layers(axis: Axes, found: Iterable[Shade]) -> None:
    """Shade layers behind the data."""
    for shade in found:
        edge = "white" if shade.hatch else "none"
        area: dict[str, Any] = {"facecolor": shade.colour, "edgecolor": edge, "linewidth": 0}
        area["hatch"] = shade.hatch or None
        for start, stop in shade.spans:
            axis.axvspan(start, stop, **area, zorder=0.2, label=f"_{shade.label}")


def lines(
    page: Panels,
    quantity: int,
    networks: Mapping[str, xr.Dataset],
    variable: str,
    *,
    looks: Mapping[str, Look],
    band: bool = False,
) -> None:
    """A line per network over depth, with bars or a band of ± two standard errors where these are known.

    Smoothing layers have large open markers. Networks for which the variable is nowhere finite are left out.

    Args:
        page: Where to draw.
        quantity: Which of its panels, counted from 0.
        networks: Results with the dimension `layer`, by network name.
        variable: What to draw.
        looks: Looks by name.
        band: Whether errors are a band instead of bars.
    """
    for group in page.groups:
        axis, own = group.axes[quantity], group.of(networks)
        for name, dataset in own.items():
            values, error = curves.measured(dataset, variable, "layer")
            if not np.isfinite(values).any():
                continue
            bars = np.full(values.shape, np.nan) if band else 2 * error
            _line(axis, dataset, values, bars, looks[name], name)
            if band:
                depth = dataset["depth"].values.astype(float)
                curves.band(axis, depth, values, 2 * error, looks[name], len(own))


def _line(
    axis: Axes, dataset: xr.Dataset, values: np.ndarray, bars: np.ndarray, look: Look, name: str
) -> None:
    depth, after = dataset["depth"].values.astype(float), smoothing(dataset)
    marks = list(np.flatnonzero(~after))
    curves.with_bars(axis, depth, values, bars, look, markevery=marks, capsize=1.2, label=name)
    if after.any():
        mark: dict[str, Any] = {"marker": look.marker, "markeredgecolor": look.colour, **_OPEN}
        axis.plot(depth[after], values[after], **mark, zorder=4)
