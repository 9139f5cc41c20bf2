"""Feature maps by depth: high frequencies, variance, uncertainty (Park & Kim 2022b, Fig. 8, 9; 2022a, 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import joined, over, paired, values, with_notes
from landscape.figures.features.spectra import small_maps
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.curves import label_logarithm
from landscape.figures.style.depth import (
    aligned,
    depth_panels,
    lines,
    shade_stages,
    shades,
    smoothing,
    stage_boundaries,
    stage_key,
)
from landscape.figures.style.direct import name_ends
from landscape.figures.style.groups import panels
from landscape.figures.style.scales import is_wide, limits

PANELS = {
    "model_deviation": "model uncertainty (std)",
    "spatial_deviation": "data uncertainty (std)",
}
"""Variable of each panel of `uncertainty` and its label."""


def _shading(results: Datasets) -> str:
    """What is shaded over depth, and what is not because the networks do not agree."""
    stored, results = results, aligned(results)
    smooth = any(smoothing(dataset).any() for dataset in results.values())
    text = "Open markers: after a smoothing layer." if smooth else ""
    text = joined(text, _stretching(stored, results))
    shaded = [f"{shade.label}s" for shade in shades(results.values())]
    if stage_boundaries(results.values()):
        shaded.insert(0, "every second stage")
    else:
        text = joined(text, "Stages end at different depths in these networks and are not shaded.")
    if not shaded:
        return text
    where = ", in the networks that have them" if len(results) > 1 and len(shaded) > 1 else ""
    listed = " and ".join(shaded) if len(shaded) < 3 else f"{', '.join(shaded[:-1])}, and {shaded[-1]}"
    return joined(text, f"Shading: {listed}{where}.")


def _stretching(stored: Datasets, drawn: Datasets) -> str:
    """That depths were stretched, where they were."""
    moved = any(not drawn[name]["depth"].equals(dataset["depth"]) for name, dataset in stored.items())
    return "Depths are stretched so that the stages of all networks begin and end together." if moved else ""


def _high_frequency_caption(results: Datasets) -> str:
    return with_notes(
        "Δ log amplitude at the highest frequency on the diagonal, (1 − 2/h)π for feature maps of even size "
        "h and (1 − 1/h)π for odd ones, so the frequency itself changes where the map size does; "
        f"bars are ± two standard errors over {over(results)}.",
        _shading(results),
        small_maps(results),
    )


def _variance_caption(results: Datasets) -> str:
    return with_notes(
        "Spatial variance of the feature maps: unbiased variance over height and width, mean over channels "
        f"and samples; bars are ± two standard errors over {over(results)}.",
        _shading(results),
    )


def _uncertainty_caption(results: Datasets) -> str:
    random = [d.attrs for d in results.values() if is_uncertain(d) and (d["model_deviation"] > 0).any()]
    draws = values(random, "draws") if random else "none"
    passes = f"{draws} dropout masks" if draws != "none" else "dropout masks"
    absent = [name for name, dataset in results.items() if not is_uncertain(dataset)]
    return with_notes(
        f"Model uncertainty: standard deviation of each element of the feature maps over {passes}, mean over "
        "elements and samples, zero for a deterministic network. Data uncertainty: standard deviation over "
        "the points of one map, mean over channels and samples (Park & Kim 2022a, Fig. 5); bands are ± two "
        f"standard errors over {over(results)}.",
        _shading(results),
        f"Without several masks: {', '.join(absent)}." if absent else "",
    )


def is_uncertain(dataset: xr.Dataset) -> bool:
    """Whether a result of kind `features` tells the uncertainty of the model."""
    return "model_deviation" in dataset and bool(np.isfinite(dataset["model_deviation"].values).any())


@figure(kind="features", title="High frequencies by depth", caption=_high_frequency_caption, order=31)
def high_frequency(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """High-frequency delta log amplitude of feature maps against depth.

    That at the highest frequency of each layer, one line per network, bars of ± two standard errors.

    Args:
        networks: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    networks = aligned(networks)
    page = depth_panels(networks, 1, looks=looks, width=width)
    lines(page, 0, networks, "high_frequency", looks=looks)
    page.label(0, "high-frequency Δ log amplitude")
    name_ends(page)
    return page.figure


@figure(kind="features", title="Feature-map variance by depth", caption=_variance_caption, order=32)
def variance(networks: Datasets, *, width: float, log: bool | None = None, looks: Looks) -> Figure:
    """Spatial variance of feature maps against depth.

    One line per network, bars of ± two standard errors.

    Args:
        networks: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        log: Force a logarithmic or linear axis; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    networks = aligned(networks)
    page = depth_panels(networks, 1, looks=looks, width=width)
    lines(page, 0, networks, "spatial_variance", looks=looks)
    page.label(0, "spatial variance")
    axis = page.axes[0]
    span = limits(dataset["spatial_variance"].values for dataset in networks.values())
    if span is not None and span[0] > 0 and (is_wide(*span) if log is None else log):
        axis.set_yscale("log")
        label_logarithm(axis, 7)
        page.label(0, "spatial variance (log)")
    else:
        axis.set_ylim(bottom=0)
    name_ends(page)
    return page.figure


@figure(
    kind="features",
    title="Uncertainty by depth",
    caption=_uncertainty_caption,
    suits=is_uncertain,
    further=True,
    order=32,
)
def uncertainty(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Standard deviation of feature maps over dropout masks and over the map, against depth.

    A panel for each, bands of ± two standard errors.
    A network without several masks has no curve in the panel of the model.

    Args:
        networks: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    networks = aligned(networks)
    page = depth_panels(networks, len(PANELS), looks=looks, width=width)
    for index, (variable, label) in enumerate(PANELS.items()):
        lines(page, index, networks, variable, looks=looks, band=True)
        page.label(index, label)
        axis = page.of(index)[0]
        axis.set_ylim(bottom=-0.02 * axis.get_ylim()[1])  # zero, of deterministic networks, is seen
    return page.figure


LOST: dict[str, tuple[str, float]] = {
    "accuracy_drop": ("accuracy drop (% points)", 100),
    "nll_rise": ("rise of the NLL", 1),
}
"""What can be drawn, its label, and the factor to the unit in it."""
_NAMED = 24  # blocks of a single network that are named, in the width of a page


def _lesion_caption(results: Datasets, *, quantity: str = "accuracy_drop") -> str:
    stored, results = results, aligned(results)
    what = "Accuracy lost" if quantity == "accuracy_drop" else "Rise of the NLL"
    shaded = "Shading: every second stage." if stage_boundaries(results.values()) else ""
    return with_notes(
        f"{what} when one block is taken out and its shortcut stays (Veit et al. 2016), against the depth of "
        f"the block; bars are ± two standard errors over {over(results)}"
        f"{paired(results, ', of paired')}.",
        _stretching(stored, results),
        shaded,
    )


@figure(kind="lesion", title="Lesion study", caption=_lesion_caption, order=38)
def lesion(networks: Datasets, *, quantity: str = "accuracy_drop", width: float, looks: Looks) -> Figure:
    """Accuracy lost without one block, against the depth of the block.

    Or the rise of the NLL. Bars are ± two standard errors, stages are shaded. The blocks of a single network
    are named.

    Args:
        networks: Results of kind `lesion` by network name, or a single one.
        quantity: `accuracy_drop` or `nll_rise`.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or the quantity is unknown.
    """
    if quantity not in LOST:
        raise ResultError(f"a lesion study has no {quantity!r}; there are {', '.join(LOST)}")
    label, factor = LOST[quantity]
    networks = aligned(networks)
    boundaries = stage_boundaries(networks.values())
    below = "normalised depth of the block taken out"
    page = panels(1, looks, width=width, x=below, height=2.1, extra=stage_key(boundaries))
    shape: dict[str, Any] = {"linewidth": 0.8, "elinewidth": 0.8}
    for group in page.groups:
        (axis,) = group.axes
        shade_stages(axis, boundaries)
        for name, dataset in group.of(networks).items():
            depth = curves.column(dataset, "depth", "block")
            values, error = curves.measured(dataset, quantity, "block", factor)
            curves.with_bars(axis, depth, values, 2 * error, looks[name], **shape, label=name)
        axis.axhline(0, color="0.6", linewidth=0.6, zorder=1, label="_zero")
    page.axes[0].set_xlim(-0.03, 1.03)
    page.label(0, label)
    name_ends(page)
    if len(networks) == 1:
        _name_blocks(page.figure, next(iter(networks.values())), width)
    return page.figure


def _name_blocks(figure: Figure, dataset: xr.Dataset, width: float) -> None:
    """Names of the blocks instead of depths, every so many of them as there is room for."""
    axis = figure.axes[0]
    every = -(-dataset.sizes["block"] // int(_NAMED * width / style.TWO_COLUMN))
    names = [style.short(str(name), 16) for name in dataset["block"].values[::every]]
    axis.set_xticks(curves.column(dataset, "depth", "block")[::every], labels=names, rotation=90)
    axis.set_xlabel("block taken out")
    figure.set_figheight(figure.get_figheight() + 0.4)
