"""Spatial variance of feature maps by depth (Park & Kim 2022b, Fig. 9)."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.depth import by_depth
from landscape.figures.style.scales import is_wide, limits, log_ticks, plain_number


def variance(
    datasets: Datasets,
    *,
    width: float | None = None,
    log: bool | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Spatial variance against normalised depth, one line a network, bars of ± two standard errors.

    Args:
        datasets: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        log: Force a logarithmic or linear axis; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    features = named(datasets, "features")
    chosen = style.looks_for(list(features), looks)
    span = limits(dataset["spatial_variance"].values for dataset in features.values())
    take_log = span is not None and span[0] > 0 and (is_wide(*span) if log is None else log)
    with style.context():
        figure, axis = by_depth(
            features,
            "spatial_variance",
            looks=chosen,
            width=width or style.TWO_COLUMN,
            error="spatial_variance_standard_error",
        )
        axis.set_ylabel("spatial variance")
        if take_log:
            axis.set_yscale("log")
            ticks = log_ticks(*axis.get_ylim())
            axis.set_yticks(ticks, labels=[plain_number(tick) for tick in ticks])
            axis.minorticks_off()
            axis.set_ylabel("spatial variance (log)")
        else:
            axis.set_ylim(bottom=0)
    return figure
