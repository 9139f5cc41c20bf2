"""What smoothing does: to variances, layer by layer (Park & Kim 2022a, Fig. 5), and to aliasing."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import all_over_seeds, over, with_notes
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.depth import smoothing
from landscape.figures.style.groups import panels
from landscape.results.smoothing import smoothing_ratios

PANELS = {
    "model_variance": "over dropout masks",
    "spatial_variance": "over the map",
    "sample_variance": "over samples",
}
"""Variable of each panel of `smoothing_effect` and its title."""
_ORDINALS = ("1st", "2nd", "3rd")


def is_smoothed(dataset: xr.Dataset) -> bool:
    """Whether there is a smoothing layer with a layer before it."""
    return bool(smoothing(dataset)[1:].any())


def _effect_caption(results: Datasets) -> str:
    absent = [name for name, dataset in results.items() if not is_smoothed(dataset)]
    paired = all("spatial_variance_change_standard_error" in dataset for dataset in results.values())
    longer = "" if paired else ", as if both variances were independent, so rather too long"
    of = f" over {over(results)}" if all_over_seeds(results) else ""
    return with_notes(
        "Variance of the feature maps after each smoothing layer over that of the layer before it: over "
        f"dropout masks, over the points of a map and over samples. Bars are ± two standard errors{of}"
        f"{longer}.",
        f"Without smoothing layers: {', '.join(absent)}." if absent else "",
    )


def _aliasing_caption(results: Datasets) -> str:
    smoothed = any(np.isfinite(dataset["before"].values.astype(float)).any() for dataset in results.values())
    return with_notes(
        "Share of the power of the feature map that enters a subsampling layer, its mean left out, at "
        "frequencies above π over the factor of subsampling in either direction: this folds back onto lower "
        f"ones. Filled markers: the map that is subsampled, bars ± two standard errors over {over(results)}.",
        "Open markers: the map before the smoothing layer in front of it." if smoothed else "",
    )


@figure(
    kind="features",
    title="Effect of smoothing layers",
    caption=_effect_caption,
    suits=is_smoothed,
    further=True,
    order=33,
)
def smoothing_effect(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Variances of feature maps after each smoothing layer over those before it.

    A panel for each variance; below 1 it shrinks.
    Bars are ± two standard errors. Networks without smoothing layers are left out, and variances that no
    network has.

    Args:
        networks: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or no network has a smoothing layer.
    """
    smoothed = {name: dataset for name, dataset in networks.items() if is_smoothed(dataset)}
    if not smoothed:
        raise ResultError(f"no smoothing layer in {', '.join(networks)}; give a network that has some")
    ratios = {
        variable: {name: smoothing_ratios(d, variable) for name, d in smoothed.items() if variable in d}
        for variable in PANELS
    }
    shown = {
        variable: of_networks
        for variable, of_networks in ratios.items()
        if any(np.isfinite(ratio).any() for _, ratio, _ in of_networks.values())
    }
    options: dict[str, Any] = {"width": width, "x": "smoothing layer, in order", "sharey": True}
    options["titles"] = [f"variance {PANELS[variable]}" for variable in shown]
    page = panels(len(shown), {name: looks[name] for name in smoothed}, height=1.8, **options)
    shape: dict[str, Any] = {"linewidth": 0.7, "elinewidth": 0.8}
    for group in page.groups:
        for axis, of_networks in zip(group.axes, shown.values(), strict=True):
            own = group.of(of_networks)
            for row, (name, (_, ratio, error)) in enumerate(own.items()):
                place = 1 + np.arange(ratio.size) + 0.4 * ((row + 0.5) / len(own) - 0.5)
                curves.with_bars(axis, place, ratio, 2 * error, looks[name], **shape, label=name)
    _one_scale(page.axes, max(int(smoothing(dataset).sum()) for dataset in smoothed.values()))
    page.label_left("after / before (log)")
    return page.figure


def _one_scale(axes: list[Axes], count: int) -> None:
    """One logarithmic scale around 1 that holds every ratio, and a tick for each of so many layers."""
    low, high = 1.0, 1.0
    for axis in axes:
        values = np.concatenate([line.get_ydata() for line in axis.lines if line.get_linestyle() != "None"])
        values = values[np.isfinite(values) & (values > 0)]
        low, high = values.min(initial=low), values.max(initial=high)
    for axis in axes:
        axis.set_yscale("log")
        axis.set_ylim(low / 1.15, high * 1.15)
        curves.label_logarithm(axis)
        axis.axhline(1, color="0.6", linewidth=0.6, zorder=0, label="_unchanged")
        axis.set(xlim=(0.5, count + 0.5), xticks=range(1, count + 1))


@figure(kind="aliasing", title="Aliasing", caption=_aliasing_caption, order=33)
def aliasing(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Power of feature maps that folds back where they are subsampled, before and after smoothing.

    The filled marker is the map that enters the subsampling layer, with ± two standard errors; the open one
    that before the smoothing layer in front of it, where there is one, joined by a line.

    Args:
        networks: Results of kind `aliasing` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    places = max(dataset.sizes["layer"] for dataset in networks.values())
    gap = 1.0 if len(networks) > 1 else 0.6
    step = len(networks) + gap
    smoothed = any(np.isfinite(curves.column(d, "before", "layer")).any() for d in networks.values())
    extra = _keys() if smoothed else {}
    height = 0.5 + 0.13 * max(places * step, 5) + 0.14 * curves.legend_rows(len(networks) + len(extra), width)
    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    for row, (name, dataset) in enumerate(networks.items()):
        _network(axis, dataset, looks[name], name, row + step * np.arange(places))
    middle = (len(networks) - 1) / 2 + step * np.arange(places)
    axis.set_yticks(middle, labels=place_names(list(networks.values()), places))
    for edge in middle[:-1] + step / 2:
        axis.axhline(edge, color="0.85", linewidth=0.5, zorder=0)
    axis.set_ylim(places * step - gap / 2 - 0.5, -gap / 2 - 0.5)
    axis.set_xlim(left=0)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("power above the new Nyquist frequency (%)")
    curves.legend(figure, looks, width, extra)
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
    shown = {which: curves.measured(dataset, which, "layer", 100) for which in ("before", "after")}
    joint: dict[str, Any] = {"color": look.colour, "linestyles": look.dash, "linewidth": 1.2}
    axis.hlines(rows, shown["before"][0], shown["after"][0], **joint, zorder=2, label="_joined")
    shape: dict[str, Any] = {"linestyle": "none", "markersize": 4, "zorder": 3}
    for which, (values, error) in shown.items():
        if np.isfinite(values).any():
            fill, label = (look.colour, name) if which == "after" else ("white", f"{name} (before)")
            fill_and_label = {"markerfacecolor": fill, "label": label}
            curves.with_bars(axis, values, rows, 2 * error, look, along="x", **shape, **fill_and_label)


def _keys() -> dict[str, Line2D]:
    shape: dict[str, Any] = {"color": "0.3", "linestyle": "none", "marker": "o", "markersize": 4}
    return {
        "before smoothing (open)": Line2D([], [], markerfacecolor="white", **shape),
        "subsampled (filled)": Line2D([], [], **shape),
    }
