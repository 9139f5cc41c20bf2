"""What every figure over depth shares: lines by network, smoothing layers, stage boundaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.figures import style
from landscape.figures.reductions import smoothing, stage_boundaries


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
    figure = Figure(figsize=(width, 2.3 + 0.13 * (1 + len(features) // 3)), layout="constrained")
    axis = figure.subplots()
    shade_stages(axis, stage_boundaries(features.values()))
    for name, dataset in features.items():
        _line(axis, dataset, variable, looks[name], error, name)
    axis.set(xlabel="normalised depth", xlim=(-0.02, 1.02))
    handles = [style.key(looks[name]) for name in features]
    labels = [style.short(name) for name in features]
    if any(smoothing(dataset).any() for dataset in features.values()):
        handles.append(
            Line2D([], [], color="0.3", linestyle="none", marker="o", markersize=5, markerfacecolor="white")
        )
        labels.append("after smoothing (open)")
    style.legend_below(figure, handles, labels, columns=2 if width < 5 else 4 if len(labels) == 4 else 3)
    return figure, axis


def shade_stages(axis: Axes, boundaries: Iterable[float]) -> None:
    """Shade every second stage between the boundaries, behind the data."""
    edges = [-1.0, *boundaries, 2.0]
    for start, stop in zip(edges[1::2], edges[2::2], strict=False):
        axis.axvspan(start, stop, color="0.94", linewidth=0, zorder=0)


def _line(
    axis: Axes, dataset: xr.Dataset, variable: str, look: style.Look, error: str | None, name: str
) -> None:
    depth, values = (dataset[key].values.astype(float) for key in ("depth", variable))
    bars = (
        2 * dataset[error].values.astype(float)
        if error and error in dataset
        else np.full(values.shape, np.nan)
    )
    axis.errorbar(
        depth,
        values,
        yerr=bars if np.isfinite(bars).any() else None,
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        markevery=list(np.flatnonzero(~smoothing(dataset))),
        elinewidth=0.7,
        capsize=1.2,
        label=name,
    )
    after = smoothing(dataset)
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
