"""Predictive performance against the size of an ensemble (Park & Kim 2022a, Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.curves import column, curve, legend, logarithmic, opacity, panels
from landscape.figures.inputs import Datasets, named
from landscape.figures.scales import plain_number

QUANTITIES: dict[str, tuple[str, float]] = {
    "nll": ("NLL", 1),
    "accuracy": ("accuracy (%)", 100),
    "error": ("error (%)", 100),
    "ece": ("ECE (%)", 100),
    "brier": ("Brier score", 1),
}
"""What can be drawn of predictions: its label, and the factor to the unit in it."""
_LADDER = (1, 2, 5)


def ensemble(
    datasets: Datasets,
    *,
    quantities: Sequence[str] = ("nll", "accuracy", "ece"),
    width: float | None = None,
    log: bool | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """NLL, accuracy and ECE against the number of predictions averaged, on a logarithmic axis.

    Bands are ± two standard errors over samples.

    Args:
        datasets: Results of kind `ensemble` by network name, or a single one.
        quantities: Names of `QUANTITIES`, a panel each.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        log: Force a logarithmic or linear vertical axis of the NLL; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or a quantity is unknown.
    """
    found = named(datasets, "ensemble")
    check_quantities(quantities)
    chosen = style.looks_for(list(found), looks)
    total = width or style.TWO_COLUMN
    sizes = {name: dataset["size"].values.astype(float) for name, dataset in found.items()}
    with style.context():
        figure, axes = panels(len(quantities), width=total, entries=len(found), height=1.75)
        for axis, quantity in zip(axes, quantities, strict=True):
            label, factor = QUANTITIES[quantity]
            for name, dataset in found.items():
                values, error = (
                    column(dataset, key, "size", factor) for key in (quantity, f"{quantity}_standard_error")
                )
                marks = np.flatnonzero(np.isin(sizes[name], ladder(sizes[name].max()))).tolist()
                curve(
                    axis,
                    sizes[name],
                    values,
                    error,
                    chosen[name],
                    name=name,
                    marks=marks,
                    band=opacity(len(found)),
                )
            everything = [column(dataset, quantity, "size") for dataset in found.values()]
            taken = quantity == "nll" and logarithmic(axis, everything, log)
            axis.set_ylabel(label + (" (log)" if taken else ""))
        _sizes(axes, max(each.max() for each in sizes.values()), stacked=total < 5)
        legend(figure, chosen, total)
    return figure


def check_quantities(quantities: Sequence[str]) -> None:
    """Raise a `ResultError` where a quantity cannot be drawn of predictions."""
    unknown = [each for each in quantities if each not in QUANTITIES]
    if unknown or not quantities:
        raise ResultError(
            f"cannot draw {', '.join(unknown) or 'no quantity'}; there are {', '.join(QUANTITIES)}"
        )


def ladder(highest: float) -> list[int]:
    """The round sizes 1, 2, 5, 10, 20, 50, … up to the largest."""
    powers = range(int(np.log10(max(highest, 1))) + 1)
    return [step * 10**power for power in powers for step in _LADDER if step * 10**power <= highest]


def _sizes(axes: Sequence[Axes], highest: float, *, stacked: bool) -> None:
    ticks = ladder(highest)
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlim(0.93, max(highest, 1.5) * 1.07)
        axis.set_xticks(ticks, labels=[plain_number(tick) for tick in ticks])
        axis.minorticks_off()
    for axis in axes[-1:] if stacked else axes:
        axis.set_xlabel("ensemble size (log)")
