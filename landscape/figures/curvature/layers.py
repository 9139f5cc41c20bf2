"""Curvature by layer: top eigenvalue and trace of each layer's own block of the Hessian, by depth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.figures import style
from landscape.figures.captions import broken_ones, loose_ones, matrix_of, option, options, with_notes
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.depth import aligned, shade_stages, stage_boundaries
from landscape.figures.style.groups import panels
from landscape.figures.style.scales import is_wide, log_ticks
from landscape.intervals import quantile
from landscape.numbers import plain_number

DECADE = 10.0
"""Values that span more than this factor have a logarithmic axis."""
PANELS = {"eigenvalue": "top eigenvalue", "trace": "trace"}
"""Variable of each panel and its label."""
_STAGE = re.compile(r"(?:layer|stage)s?\.?(\d+)\.")


def _caption(results: Datasets) -> str:
    drawn = staged(results).values()
    probes = options(results, "probes")
    source = "" if probes == "none" else f" from {probes} random probes"
    known_probes = all(option(dataset, "probes") for dataset in drawn)
    bars = "Student's 95 % intervals" if known_probes else "± two standard errors"
    off = any(normalised(dataset).any() for dataset in drawn)
    small = "Small markers off the line: normalisation layers." if off else ""
    shaded = "Shading: alternate stages." if layer_boundaries(drawn) else ""
    return with_notes(
        "Curvature by layer: top eigenvalue and trace of each layer's own block of the "
        f"{matrix_of(results)}, all other layers held fixed. Traces are stochastic estimates{source}, bars "
        f"{bars}.",
        small,
        shaded,
        f"{loose_ones(results, ' (open markers)')}{broken_ones(results, 'eigenvalue', 'trace')}".strip(),
    )


@figure(kind="layers", title="Curvature by layer", caption=_caption, order=22)
def layers(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Top Hessian eigenvalue and trace of each layer against depth.

    One line per network over normalised depth. Bars on the traces are Student's 95 % intervals over probes;
    eigenvalues that did not converge have open markers. Values over more than a decade have a logarithmic
    axis, linear around zero if some are not positive.
    Normalisation layers, which lie between the others and are far flatter, are small markers off the line.

    Args:
        networks: Results of kind `layers` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    extra = _keys(networks.values())
    networks = staged(networks)
    page = panels(len(PANELS), looks, width=width, x="normalised depth", height=1.9, extra=extra)
    boundaries = layer_boundaries(networks.values())
    for index, (variable, label) in enumerate(PANELS.items()):
        for group in page.groups:
            shade_stages(group.axes[index], boundaries)
            for name, dataset in group.of(networks).items():
                _line(group.axes[index], dataset, variable, looks[name], name)
        page.label(index, label + _scale(page.of(index), variable, networks.values()))
    page.axes[0].set_xlim(-0.02, 1.02)
    return page.figure


def normalised(dataset: xr.Dataset) -> np.ndarray:
    """Mask of the normalisation layers, shape (layer,); none where the kinds are not stored."""
    if "kind" not in dataset:
        return np.zeros(dataset.sizes["layer"], dtype=bool)
    return dataset["kind"].values.astype(str) == "norm"


def with_stages(dataset: xr.Dataset) -> xr.Dataset | None:
    """The result with the `stage` of each layer, read from names such as `layer1.0.conv1`.

    Layers named otherwise belong to the stage in front of them; those before the first stage and after the
    last one, stem and head, are stages of their own.

    Returns:
        None if no name tells a stage.
    """
    found = [_STAGE.match(name) for name in dataset["name"].values.astype(str)]
    numbers = [int(match[1]) if match else -1 for match in found]
    named_layers = np.flatnonzero([match is not None for match in found])
    if not named_layers.size:
        return None
    stages = np.maximum.accumulate(numbers)
    stages[named_layers[-1] + 1 :] = max(numbers) + 1
    return dataset.assign(stage=("layer", stages))


def staged(networks: Datasets) -> dict[str, xr.Dataset]:
    """The results with the stages of their layers, aligned over depth; as they are if a name tells none."""
    known = {name: with_stages(dataset) for name, dataset in networks.items()}
    found = {name: dataset for name, dataset in known.items() if dataset is not None}
    return aligned(found) if len(found) == len(networks) else dict(networks)


def layer_boundaries(datasets: Iterable[xr.Dataset]) -> list[float]:
    """Depths that separate consecutive stages in every network.

    None if the names of a network tell no stage, or a stage ends at different depths in different networks:
    shading every second one would then shade others than it seems.
    """
    everything = [with_stages(dataset) for dataset in datasets]
    known = [dataset for dataset in everything if dataset is not None]
    found = stage_boundaries(known)
    stages = max((np.unique(dataset["stage"]).size for dataset in known), default=0)
    return found if len(known) == len(everything) and len(found) == stages - 1 else []


def _line(axis: Axes, dataset: xr.Dataset, variable: str, look: style.Look, name: str) -> None:
    depth, values = (dataset[key].values.astype(float) for key in ("depth", variable))
    bars = _bars(dataset, variable)
    off = normalised(dataset)
    for mask, label, extra in (
        (~off, name, {"capsize": 1.2}),
        (off, f"{name} (normalisation)", {"linestyle": "none", "markersize": 1.8, "capsize": 0}),
    ):
        if mask.any():
            curves.with_bars(axis, depth[mask], values[mask], bars[mask], look, **extra, label=label)
    loose = ~dataset["converged"].values.astype(bool)
    if variable == "eigenvalue" and loose.any():
        shape: dict[str, Any] = {"linestyle": "none", "markersize": 4.5, "markerfacecolor": "white"}
        shape |= {"marker": look.marker, "markeredgecolor": look.colour}
        label = f"{name} (not converged)"
        axis.plot(depth[loose], values[loose], **shape, zorder=4, label=label)


def _bars(dataset: xr.Dataset, variable: str) -> np.ndarray:
    """Half of Student's interval over probes, NaN where there is none, shape (layer,)."""
    probes = option(dataset, "probes")
    return (quantile(int(probes)) if probes else 2) * curves.measured(dataset, variable, "layer")[1]


def linear_within(values: np.ndarray, bars: np.ndarray) -> float | None:
    """Up to which magnitude an axis is linear, so that it shows all values and no more than is known.

    Args:
        values: Finite values, shape (N,).
        bars: Half an interval each, shape (M,); may be empty. Under the typical one a logarithm would
            spread noise over decades.

    Returns:
        None for a linear axis, 0 for a logarithmic one, else the round number where a symmetrically
        logarithmic one begins.
    """
    sizes = np.abs(values[values != 0])
    if not sizes.size or not is_wide(sizes.min(), sizes.max(), DECADE):
        return None
    if (values > 0).all():
        return 0.0
    known = max(sizes.min(), sizes.max() / 1000, float(np.median(bars)) if bars.size else 0.0)
    return float(f"{known:.1g}") if is_wide(known, sizes.max(), DECADE) else None


def _scale(axes: Sequence[Axes], variable: str, datasets: Iterable[xr.Dataset]) -> str:
    """The scale that some panels share, and what their label says of it."""
    axis = axes[0]
    found = [(dataset[variable].values.astype(float), _bars(dataset, variable)) for dataset in datasets]
    values, bars = (each[np.isfinite(each)] for each in map(np.concatenate, zip(*found, strict=True)))
    linear = linear_within(values, bars)
    said = " (log)"
    if linear != 0 and min(each.dataLim.y0 for each in axes) < 0:  # a value or a bar
        for each in axes:
            each.axhline(0, color="0.6", linewidth=0.5, zorder=1)
    elif linear is None:
        axis.set_ylim(bottom=0)
    if linear is None:
        return ""
    if linear:
        said = f" (log, linear to ±{plain_number(linear)})"
        axis.set_yscale("symlog", linthresh=linear)
        powers = log_ticks(linear, np.abs(values).max(), 3)
        ticks = np.concatenate([-powers[::-1], [0], powers])
    else:
        axis.set_yscale("log")
        axis.set_ylim(values.min() / 1.5, max(1.5 * values.max(), axis.get_ylim()[1]))  # cuts bars, no value
        ticks = log_ticks(*axis.get_ylim(), 5)
    low, high = axis.get_ylim()
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    axis.set_yticks(ticks, labels=[plain_number(tick) for tick in ticks])
    axis.minorticks_off()
    return said


def _keys(datasets: Iterable[xr.Dataset]) -> dict[str, Line2D]:
    """Legend entries for the markers that are not a network's, by what they mean."""
    everything = list(datasets)
    keys = {}
    if any(normalised(dataset).any() for dataset in everything):
        keys["normalisation layers"] = _key(markersize=1.8)
    if any(not dataset["converged"].values.all() for dataset in everything):
        keys["not converged (open)"] = _key(markersize=4.5, markerfacecolor="white")
    return keys


def _key(**options: Any) -> Line2D:
    return Line2D([], [], color="0.3", linestyle="none", marker="o", **options)
