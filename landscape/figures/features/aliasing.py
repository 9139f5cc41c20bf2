"""Aliasing: the share of a map's power above the new Nyquist frequency where it is subsampled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.figures import style
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.curves import column, legend, legend_rows

_ORDINALS = ("1st", "2nd", "3rd")


def aliasing(
    datasets: Datasets,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Share of power that folds back at each subsampling layer, a row a network, before and after smoothing.

    The filled marker is the map that enters the subsampling layer, with ± two standard errors; the open one
    that before the smoothing layer in front of it, where there is one, joined by a line.

    Args:
        datasets: Results of kind `aliasing` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    found = named(datasets, "aliasing")
    chosen = style.looks_for(list(found), looks)
    total = width or style.TWO_COLUMN
    places = max(dataset.sizes["layer"] for dataset in found.values())
    gap = 1.0 if len(found) > 1 else 0.6
    smoothed = any(np.isfinite(column(d, "before", "layer")).any() for d in found.values())
    extra = _keys() if smoothed else {}
    with style.context():
        rows = places * (len(found) + gap)
        height = 0.5 + 0.13 * max(rows, 5) + 0.14 * legend_rows(len(found) + len(extra), total)
        figure = Figure(figsize=(total, height), layout="constrained")
        axis = figure.subplots()
        for row, (name, dataset) in enumerate(found.items()):
            _network(axis, dataset, chosen[name], name, row + (len(found) + gap) * np.arange(places))
        middle = (len(found) - 1) / 2 + (len(found) + gap) * np.arange(places)
        axis.set_yticks(middle, labels=place_names(list(found.values()), places))
        for edge in middle[:-1] + (len(found) + gap) / 2:
            axis.axhline(edge, color="0.85", linewidth=0.5, zorder=0)
        axis.set_ylim(rows - gap / 2 - 0.5, -gap / 2 - 0.5)
        axis.set_xlim(left=0)
        axis.tick_params(axis="y", length=0)
        axis.set_xlabel("power above the new Nyquist frequency (%)")
        legend(figure, {name: chosen[name] for name in found}, total, extra)
    return figure


def place_names(datasets: list[xr.Dataset], places: int) -> list[str]:
    """What subsampling layers are called: their name if it is the same in every network, else an ordinal."""
    labels = []
    for index in range(places):
        names = {str(d["layer"].values[index]) for d in datasets if index < d.sizes["layer"]}
        ordinal = _ORDINALS[index] if index < len(_ORDINALS) else f"{index + 1}th"
        labels.append(style.short(names.pop(), 16) if len(names) == 1 else f"{ordinal}\nsubsampling")
    return labels


def _network(axis: Axes, dataset: xr.Dataset, look: style.Look, name: str, rows: np.ndarray) -> None:
    rows = rows[: dataset.sizes["layer"]]
    before, after = (column(dataset, which, "layer", 100) for which in ("before", "after"))
    axis.hlines(
        rows,
        before,
        after,
        color=look.colour,
        linestyles=look.dash,
        linewidth=1.2,
        zorder=2,
        label="_joined",
    )
    for values, which, fill in ((before, "before", "white"), (after, "after", look.colour)):
        error = column(dataset, f"{which}_standard_error", "layer", 100)
        if not np.isfinite(values).any():
            continue
        axis.errorbar(
            values,
            rows,
            xerr=2 * error if np.isfinite(error).any() else None,
            color=look.colour,
            linestyle="none",
            marker=look.marker,
            markersize=4,
            markerfacecolor=fill,
            elinewidth=0.7,
            capsize=1.5,
            zorder=3,
            label=name if which == "after" else f"{name} (before)",
        )


def _keys() -> dict[str, Line2D]:
    shape: dict[str, Any] = {"color": "0.3", "linestyle": "none", "marker": "o", "markersize": 4}
    return {
        "before smoothing (open)": Line2D([], [], markerfacecolor="white", **shape),
        "subsampled (filled)": Line2D([], [], **shape),
    }
