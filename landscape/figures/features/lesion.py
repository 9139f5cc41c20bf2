"""Lesion study: what is lost when one block is taken out (Park & Kim 2022b, Appendix)."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import over, paired
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.depth import shade_stages, stage_key
from landscape.figures.style.reductions import stage_boundaries

QUANTITIES: dict[str, tuple[str, float]] = {
    "accuracy_drop": ("accuracy drop (% points)", 100),
    "nll_rise": ("rise of the NLL", 1),
}
"""What can be drawn, its label, and the factor to the unit in it."""
_NAMES = 24  # blocks of a single network that are named, in the width of a page


def _caption(results: Datasets, *, quantity: str = "accuracy_drop") -> str:
    what = "Accuracy lost" if quantity == "accuracy_drop" else "Rise of the NLL"
    shaded = " Shading: every second stage." if stage_boundaries(results.values()) else ""
    return (
        f"{what} when one block is taken out and its shortcut stays (Veit et al. 2016), against the depth of "
        f"the block; bars are ± two standard errors over {over(results)}"
        f"{paired(results, ', of paired')}.{shaded}"
    )


@figure(kind="lesion", title="Lesion study", caption=_caption, order=38)
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
    if quantity not in QUANTITIES:
        raise ResultError(f"a lesion study has no {quantity!r}; there are {', '.join(QUANTITIES)}")
    label, factor = QUANTITIES[quantity]
    boundaries = stage_boundaries(networks.values())
    extra = stage_key(boundaries)
    figure, (axis,) = curves.panels(1, width=width, entries=len(networks) + len(extra), height=2.1)
    shade_stages(axis, boundaries)
    shape: dict[str, Any] = {"linewidth": 0.8, "elinewidth": 0.8}
    for name, dataset in networks.items():
        depth = curves.column(dataset, "depth", "block")
        values, error = curves.measured(dataset, quantity, "block", factor)
        curves.with_bars(axis, depth, values, 2 * error, looks[name], **shape, label=name)
    axis.axhline(0, color="0.6", linewidth=0.6, zorder=1, label="_zero")
    axis.set(xlabel="normalised depth of the block taken out", ylabel=label, xlim=(-0.03, 1.03))
    if len(networks) == 1:
        _name_blocks(figure, next(iter(networks.values())), width)
    curves.legend(figure, looks, width, extra)
    return figure


def _name_blocks(figure: Figure, dataset: xr.Dataset, width: float) -> None:
    """Names of the blocks instead of depths, every so many of them as there is room for."""
    axis = figure.axes[0]
    every = -(-dataset.sizes["block"] // int(_NAMES * width / style.TWO_COLUMN))
    names = [style.short(str(name), 16) for name in dataset["block"].values[::every]]
    axis.set_xticks(curves.column(dataset, "depth", "block")[::every], labels=names, rotation=90)
    axis.set_xlabel("block taken out")
    figure.set_figheight(figure.get_figheight() + 0.4)
