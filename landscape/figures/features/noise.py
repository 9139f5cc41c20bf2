"""Accuracy under noise of one frequency (Park & Kim 2022a, Fig. 6c; 2022b, Fig. 2b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.features.fourier import frequency_axis
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.curves import NARROW, column, curve, legend, opacity, panels, staggered
from landscape.figures.style.reductions import scalar

LABEL = "frequency of the noise (units of π)"
VARIABLES = {"accuracy": "accuracy (%)", "accuracy_drop": "accuracy drop (% points)"}
"""What can be drawn of noise, and its label."""


def noise(
    datasets: Datasets,
    *,
    quantities: Sequence[str] = ("accuracy", "accuracy_drop"),
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Accuracy and its drop against the frequency of the noise, bands of ± two standard errors.

    A short line at the left edge is the accuracy without noise.

    Args:
        datasets: Results of kind `noise` by network name, or a single one.
        quantities: `accuracy` and `accuracy_drop`, or one of them; a panel each.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or a quantity is unknown.
    """
    found = named(datasets, "noise")
    if not quantities or not set(quantities) <= set(VARIABLES):
        raise ResultError(
            f"cannot draw {', '.join(quantities) or 'nothing'}; there are {', '.join(VARIABLES)}"
        )
    chosen = style.looks_for(list(found), looks)
    total = width or style.TWO_COLUMN
    with style.context():
        figure, axes = panels(len(quantities), width=total, entries=len(found))
        highest = max(
            noise_curves(axis, found, quantity, looks=chosen)
            for axis, quantity in zip(axes, quantities, strict=True)
        )
        frequency_axis(axes[0], highest)
        for axis in axes[-1:] if total < NARROW else axes:
            axis.set_xlabel(LABEL)
        legend(figure, chosen, total)
    return figure


def noise_curves(
    axis: Axes, found: Mapping[str, xr.Dataset], quantity: str, *, looks: Mapping[str, style.Look]
) -> float:
    """One curve a network with its band; of the accuracy also a short line at its value without noise.

    Args:
        axis: Where to draw.
        found: Results of kind `noise` by network name.
        quantity: One of `VARIABLES`.
        looks: Looks by name.

    Returns:
        The right end of the axis, just beyond the highest frequency, in units of π.
    """
    highest = 1.0
    for row, (name, dataset) in enumerate(found.items()):
        x = column(dataset, "frequency_pi", "frequency")
        values, error = (
            column(dataset, key, "frequency", 100) for key in (quantity, f"{quantity}_standard_error")
        )
        curve(
            axis,
            x,
            values,
            error,
            looks[name],
            name=name,
            marks=staggered(x.size, row),
            band=opacity(len(found)),
        )
        highest = max(highest, 1.02 * x.max(initial=0.0))
    if quantity == "accuracy":
        _clean(axis, found, looks)
    else:
        axis.axhline(0, color="0.6", linewidth=0.6, zorder=0, label="_zero")
    axis.set_ylabel(VARIABLES[quantity])
    return highest


def _clean(axis: Axes, found: Mapping[str, xr.Dataset], looks: Mapping[str, style.Look]) -> None:
    """A short line at the left edge for the accuracy without noise."""
    for name, dataset in found.items():
        clean = scalar(dataset, "clean_accuracy")
        if clean is not None:
            axis.plot(
                [0.0, 0.025],
                [100 * clean] * 2,
                color=looks[name].colour,
                linewidth=1.6,
                transform=axis.get_yaxis_transform(),
                label="_clean",
            )
