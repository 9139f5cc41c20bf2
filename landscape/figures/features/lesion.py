"""Lesion study: what is lost when one block is taken out (Park & Kim 2022b, Appendix)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.curves import column, legend, panels
from landscape.figures.style.depth import shade_stages
from landscape.figures.style.reductions import stage_boundaries
from landscape.figures.style.shading import patch

QUANTITIES: dict[str, tuple[str, float]] = {
    "accuracy_drop": ("accuracy drop (% points)", 100),
    "nll_rise": ("rise of the NLL", 1),
}
"""What can be drawn, its label, and the factor to the unit in it."""
_NAMES = 24  # blocks of a single network that are named, in the width of a page


def lesion(
    datasets: Datasets,
    *,
    quantity: str = "accuracy_drop",
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """What is lost without a block, by its depth, bars of ± two standard errors; stages are shaded.

    The blocks of a single network are named.

    Args:
        datasets: Results of kind `lesion` by network name, or a single one.
        quantity: `accuracy_drop` or `nll_rise`.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or the quantity is unknown.
    """
    found = named(datasets, "lesion")
    if quantity not in QUANTITIES:
        raise ResultError(f"a lesion study has no {quantity!r}; there are {', '.join(QUANTITIES)}")
    chosen = style.looks_for(list(found), looks)
    label, factor = QUANTITIES[quantity]
    total = width or style.TWO_COLUMN
    boundaries = stage_boundaries(found.values())
    extra = {"every second stage": patch("0.92")} if boundaries else {}
    with style.context():
        figure, (axis,) = panels(1, width=total, entries=len(found) + len(extra), height=2.1)
        shade_stages(axis, boundaries)
        for name, dataset in found.items():
            error = column(dataset, f"{quantity}_standard_error", "block", factor)
            axis.errorbar(
                column(dataset, "depth", "block"),
                column(dataset, quantity, "block", factor),
                yerr=2 * error if np.isfinite(error).any() else None,
                color=chosen[name].colour,
                linestyle=chosen[name].dash,
                linewidth=0.8,
                marker=chosen[name].marker,
                elinewidth=0.8,
                capsize=1.5,
                label=name,
            )
        axis.axhline(0, color="0.6", linewidth=0.6, zorder=1, label="_zero")
        axis.set(xlabel="normalised depth of the block taken out", ylabel=label, xlim=(-0.03, 1.03))
        if len(found) == 1:
            _name_blocks(figure, next(iter(found.values())), total)
        legend(figure, chosen, total, extra)
    return figure


def _name_blocks(figure: Figure, dataset: xr.Dataset, width: float) -> None:
    """Names of the blocks instead of depths, every so many of them as there is room for."""
    axis = figure.axes[0]
    every = -(-dataset.sizes["block"] // int(_NAMES * width / style.TWO_COLUMN))
    axis.set_xticks(
        column(dataset, "depth", "block")[::every],
        labels=[style.short(str(name), 16) for name in dataset["block"].values[::every]],
        rotation=90,
    )
    axis.set_xlabel("block taken out")
    figure.set_figheight(figure.get_figheight() + 0.4)
