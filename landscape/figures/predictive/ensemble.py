"""Predictive performance against the size of an ensemble (Park & Kim 2022a, Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures.captions import by_name, joined, over
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.numbers import plain_number

QUANTITIES: dict[str, tuple[str, float]] = {
    "nll": ("NLL", 1),
    "accuracy": ("accuracy (%)", 100),
    "error": ("error (%)", 100),
    "ece": ("ECE (%)", 100),
    "brier": ("Brier score", 1),
}
"""What can be drawn of predictions: its label, and the factor to the unit in it."""
USUAL = ("nll", "accuracy", "ece")
"""What is drawn of predictions where nothing else is asked for."""
CALIBRATION = (
    "ECE: mean absolute difference between accuracy and confidence over bins of confidence, weighted by how "
    "many predictions they hold"
)
_LADDER = (1, 2, 5)
_KINDS = {"mc-dropout": "passes of MC dropout", "deep": "networks trained apart"}


def _caption(results: Datasets, *, quantities: Sequence[str] = USUAL) -> str:
    kinds = {
        name: _KINDS.get(str(dataset.attrs.get("kind_of_ensemble")), "predictions")
        for name, dataset in results.items()
    }
    return joined(
        f"{listed(quantities)} of the mean of the predicted probabilities over so many "
        f"{by_name(kinds)} (Park & Kim 2022a, Fig. 3). Bands are ± two standard errors over {over(results)}; "
        "the sizes share samples and predictions, so neighbouring points err together.",
        f"{CALIBRATION}." if "ece" in quantities else "",
    )


@figure(kind="ensemble", title="Size of the ensemble", caption=_caption, order=40)
def ensemble(
    networks: Datasets,
    *,
    quantities: Sequence[str] = USUAL,
    width: float,
    log: bool | None = None,
    looks: Looks,
) -> Figure:
    """NLL, accuracy and calibration error against the number of predictions averaged.

    Sizes have a logarithmic axis, bands are ± two standard errors over samples.

    Args:
        networks: Results of kind `ensemble` by network name, or a single one.
        quantities: Names of `QUANTITIES`, a panel each.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        log: Force a logarithmic or linear vertical axis of the NLL; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or a quantity is unknown.
    """
    check_quantities(quantities)
    sizes = {name: dataset["size"].values.astype(float) for name, dataset in networks.items()}
    figure, axes = curves.panels(len(quantities), width=width, entries=len(networks), height=1.75)
    for axis, quantity in zip(axes, quantities, strict=True):
        label, factor = QUANTITIES[quantity]
        drawn = {
            name: (sizes[name], *curves.measured(dataset, quantity, "size", factor))
            for name, dataset in networks.items()
        }
        curves.of_networks(axis, drawn, looks, count=len(networks), marked=_round)
        taken = quantity == "nll" and curves.logarithmic(axis, [each[1] for each in drawn.values()], log)
        axis.set_ylabel(label + (" (log)" if taken else ""))
        _size_axis(axis, max(size.max() for size in sizes.values()))
    curves.label_below(axes, "ensemble size (log)", width)
    curves.legend(figure, looks, width)
    return figure


def check_quantities(quantities: Sequence[str]) -> None:
    """Raise a `ResultError` where a quantity cannot be drawn of predictions."""
    unknown = [quantity for quantity in quantities if quantity not in QUANTITIES]
    if unknown or not quantities:
        raise ResultError(
            f"cannot draw {', '.join(unknown) or 'no quantity'}; there are {', '.join(QUANTITIES)}"
        )


def listed(quantities: Sequence[str]) -> str:
    """Quantities in words: `NLL, accuracy and ECE`."""
    words = [QUANTITIES[quantity][0].removesuffix(" (%)") for quantity in quantities]
    words[0] = words[0][0].upper() + words[0][1:]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def ladder(highest: float) -> list[int]:
    """The round sizes 1, 2, 5, 10, 20, 50, … up to the largest."""
    powers = range(int(np.log10(max(highest, 1))) + 1)
    return [step * 10**power for power in powers for step in _LADDER if step * 10**power <= highest]


def _round(sizes: np.ndarray) -> list[int]:
    return np.flatnonzero(np.isin(sizes, ladder(sizes.max()))).tolist()


def _size_axis(axis: Axes, highest: float) -> None:
    ticks = ladder(highest)
    axis.set_xscale("log")
    axis.set_xlim(0.93, max(highest, 1.5) * 1.07)
    axis.set_xticks(ticks, labels=[plain_number(tick) for tick in ticks])
    axis.minorticks_off()
