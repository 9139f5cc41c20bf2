"""What every figure over depth shares: lines by network, and the layers and stages that are shaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.figures import style
from landscape.figures.style.curves import NARROW, column, legend, opacity, panels
from landscape.figures.style.reductions import smoothing, stage_boundaries
from landscape.figures.style.shading import Shade, patch, shade_layers, shades


def by_depth(
    features: Mapping[str, xr.Dataset],
    variable: str,
    *,
    looks: Mapping[str, style.Look],
    width: float,
    error: str | None = None,
) -> tuple[Figure, Axes]:
    """One line a network over normalised depth; smoothing layers have large open markers.

    Args:
        features: Results of kind `features` by network name.
        variable: What to draw, dimension `layer`.
        looks: Looks by name.
        width: Width in inches.
        error: Variable with the standard error, drawn as bars of ± two of them.
    """
    figure, axes = depth_panels(features, 1, looks=looks, width=width)
    lines(axes[0], features, variable, looks=looks, error=error)
    return figure, axes[0]


def depth_panels(
    features: Mapping[str, xr.Dataset], count: int, *, looks: Mapping[str, style.Look], width: float
) -> tuple[Figure, list[Axes]]:
    """Panels over normalised depth with their shading and the legend of both.

    Args:
        features: Results with `depth`, `stage` and `kind` of each layer, by network name.
        count: Number of panels.
        looks: Looks by name.
        width: Width in inches; panels are stacked if it is narrow.
    """
    boundaries = stage_boundaries(features.values())
    found = shades(features.values())
    extra = keys(features.values(), boundaries, found)
    figure, axes = panels(count, width=width, entries=len(features) + len(extra), height=2.0)
    for axis in axes:
        shade_stages(axis, boundaries)
        shade_layers(axis, found)
        axis.set_xlim(-0.02, 1.02)
    for axis in axes[-1:] if width < NARROW else axes:
        axis.set_xlabel("normalised depth")
    legend(figure, {name: looks[name] for name in features}, width, extra)
    return figure, axes


def keys(
    features: Iterable[xr.Dataset], boundaries: Iterable[float], found: Iterable[Shade]
) -> dict[str, Artist]:
    """Legend entries for what is not a network's, by what it means."""
    entries: dict[str, Artist] = {}
    if any(smoothing(dataset).any() for dataset in features):
        entries["after smoothing (open)"] = Line2D(
            [], [], color="0.3", linestyle="none", marker="o", markersize=5, markerfacecolor="white"
        )
    if list(boundaries):
        entries["every second stage"] = patch("0.92")
    return entries | {shade.label: patch(shade.colour, shade.hatch) for shade in found}


def shade_stages(axis: Axes, boundaries: Iterable[float]) -> None:
    """Shade every second stage between the boundaries, behind the data."""
    edges = [-1.0, *boundaries, 2.0]
    for start, stop in zip(edges[1::2], edges[2::2], strict=False):
        axis.axvspan(start, stop, color="0.94", linewidth=0, zorder=0)


def lines(
    axis: Axes,
    features: Mapping[str, xr.Dataset],
    variable: str,
    *,
    looks: Mapping[str, style.Look],
    error: str | None = None,
    band: bool = False,
) -> None:
    """A line a network over depth, with bars or a band of ± two standard errors.

    Networks for which the variable is nowhere finite are left out.

    Args:
        axis: Where to draw.
        features: Results with the dimension `layer`, by network name.
        variable: What to draw.
        looks: Looks by name.
        error: Variable with the standard error.
        band: Whether errors are a band instead of bars.
    """
    for name, dataset in features.items():
        values = column(dataset, variable, "layer")
        bars = 2 * column(dataset, error or "", "layer")
        if not np.isfinite(values).any():
            continue
        _line(axis, dataset, values, None if band or not np.isfinite(bars).any() else bars, looks[name], name)
        if band and np.isfinite(bars).any():
            axis.fill_between(
                dataset["depth"].values.astype(float),
                values - bars,
                values + bars,
                color=looks[name].colour,
                alpha=opacity(len(features)),
                linewidth=0,
            )


def _line(
    axis: Axes, dataset: xr.Dataset, values: np.ndarray, bars: np.ndarray | None, look: style.Look, name: str
) -> None:
    depth, after = dataset["depth"].values.astype(float), smoothing(dataset)
    axis.errorbar(
        depth,
        values,
        yerr=bars,
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        markevery=list(np.flatnonzero(~after)),
        elinewidth=0.7,
        capsize=1.2,
        label=name,
    )
    if after.any():
        axis.plot(
            depth[after],
            values[after],
            linestyle="none",
            marker=look.marker,
            markersize=5,
            markerfacecolor="white",
            markeredgecolor=look.colour,
            zorder=4,
        )
