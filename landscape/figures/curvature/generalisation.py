"""Measures of sharpness against the generalisation gap, with their rank correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.comparison.generalisation import rank_correlations
from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.curvature.sharpness import short
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style.scales import limits, log_ticks
from landscape.numbers import plain_number, written

SHOWN = (
    "largest_eigenvalue",
    "largest_eigenvalue_filter",
    "trace_filter",
    "average_sharpness",
    "adaptive_average_sharpness",
    "adaptive_worst_sharpness",
    "adaptive_worst_sharpness_filter",
    "relative_flatness",
    "pac_bayes_sigma",
    "llc",
)
"""Measures that have a panel, where they were measured."""


def _caption(results: Datasets) -> str:
    return with_notes(
        "Measures of local sharpness against the generalisation gap, the NLL on test images less that on "
        "training images; bars are 95 % intervals.",
        "Above each panel Spearman's rank correlation ρ over all networks, with its 95 % interval. "
        "The networks are few and related to one another: this describes them and proves "
        "no cause.",
    )


def _measured(dataset: xr.Dataset) -> bool:
    return "gap" in dataset and bool(np.isfinite(dataset["gap"]))


@figure(
    kind="sharpness",
    title="Sharpness and generalisation",
    caption=_caption,
    suits=_measured,
    further=True,
    order=27,
)
def generalisation(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """The generalisation gap against measures of local sharpness, a panel a measure.

    Args:
        networks: Results of kind `sharpness` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    names = [name for name in SHOWN if any(name in found["measure"].values for found in networks.values())]
    across = 2 if width < style.NARROW else min(4, max(len(names), 1))
    rows = -(-max(len(names), 1) // across)
    entries = 2 if width < style.NARROW else 4
    height = 1.45 * rows + 0.16 * -(-len(networks) // entries) + 0.15
    drawn = Figure(figsize=(width, height), layout="constrained")
    axes = style.grid(drawn, max(len(names), 1), across, sharey=True)
    table = rank_correlations(networks)
    for axis, name in zip(axes, names, strict=False):
        for network, found in networks.items():
            _point(axis, found, name, looks[network], network)
        _logarithmic(axis, across)
        axis.set_title(f"{short(name)}\n{_rho(table, name)}")
    drawn.supylabel("generalisation gap (nats)", fontsize=7)
    handles = [style.key(looks[name]) for name in networks]
    words = [style.short(name, 18 if width < style.NARROW else 24) for name in networks]
    style.legend_below(drawn, handles, words, columns=entries)
    return drawn


def _point(axis: Axes, found: xr.Dataset, name: str, look: style.Look, network: str) -> None:
    """One network in one panel."""
    known = found["measure"].values.astype(str).tolist()
    columns = ("value", "value_low", "value_high")
    value, low, high = (
        float(found[each].values[known.index(name)]) if name in known else np.nan for each in columns
    )
    gap, below, above = (float(found[each]) for each in ("gap", "gap_low", "gap_high"))
    across = np.nan_to_num(np.array([[min(value - low, 0.999 * value)], [high - value]])).clip(0)
    up = np.nan_to_num(np.array([[gap - below], [above - gap]])).clip(0)
    mark: dict[str, Any] = {"color": look.colour, "marker": look.marker, "markersize": 3, "linestyle": "none"}
    mark |= {"markerfacecolor": "white" if look.dropout else look.colour, "elinewidth": 0.6}
    axis.errorbar([value if value > 0 else np.nan], [gap], xerr=across, yerr=up, **mark, label=network)


def _logarithmic(axis: Axes, across: int) -> None:
    drawn = [np.asarray(line.get_xdata(), float) for line in axis.lines]
    drawn = [each[np.isfinite(each) & (each > 0)] for each in drawn]
    span = limits(drawn) if any(len(each) for each in drawn) else None
    low, high = span or (1.0, 1.0)
    axis.set_xscale("log")
    axis.set_xlim(low / 1.4, high * 1.4)
    ticks = log_ticks(*axis.get_xlim(), 3)
    axis.set_xticks(ticks, labels=[plain_number(tick) for tick in ticks])
    axis.minorticks_off()


def _rho(table: xr.Dataset, name: str) -> str:
    """The rank correlation over all networks in words; what there are of networks where there is none."""
    at = table.sel(measure=name, scope="overall")
    value, low, high = (float(at[each]) for each in ("correlation", "low", "high"))
    if not np.isfinite(value):
        return f"n = {int(at['networks'])}"
    ends = f" [{written(low, '+.2f')}, {written(high, '+.2f')}]" if np.isfinite(low) and low < high else ""
    return f"ρ {written(value, '+.2f')}{ends}"
