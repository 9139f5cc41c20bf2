"""Corrupted inputs: performance by severity and by corruption (Park & Kim 2022a, C.1; Hendrycks 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.bars import by_category
from landscape.figures.curves import legend, panels
from landscape.figures.ensemble import QUANTITIES, check_quantities
from landscape.figures.inputs import Datasets, named
from landscape.figures.reductions import scalar


def robustness(
    datasets: Datasets,
    *,
    quantities: Sequence[str] = ("nll", "accuracy", "ece"),
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """NLL, accuracy and ECE by severity: mean over corruptions, and a bar from lower to upper quartile.

    Severity 0 is the clean data, where they were evaluated.

    Args:
        datasets: Results of kind `robustness` by network name, or a single one.
        quantities: Names of `ensemble.QUANTITIES`, a panel each.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or a quantity is unknown.
    """
    found = named(datasets, "robustness")
    check_quantities(quantities)
    chosen = style.looks_for(list(found), looks)
    total = width or style.TWO_COLUMN
    with style.context():
        figure, axes = panels(len(quantities), width=total, entries=len(found), height=1.75)
        for axis, quantity in zip(axes, quantities, strict=True):
            label, factor = QUANTITIES[quantity]
            for row, (name, dataset) in enumerate(found.items()):
                shift = 0.36 * ((row + 0.5) / len(found) - 0.5)
                _severities(axis, dataset, quantity, factor, shift, chosen[name], name)
            axis.set_ylabel(label)
            axis.set_ylim(bottom=0 if quantity != "accuracy" else None)
        severities = sorted({float(s) for d in found.values() for s in d["severity"].values} | _clean(found))
        axes[0].set_xticks(severities, labels=[f"{each:g}" if each else "clean" for each in severities])
        for axis in axes[-1:] if total < 5 else axes:
            axis.set_xlabel("severity")
        legend(figure, chosen, total)
    return figure


def corruptions(
    datasets: Datasets,
    *,
    quantity: str = "error",
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """One quantity by corruption, mean over severities; bars for up to three networks, markers for more.

    Errors are ± two standard errors over samples.

    Args:
        datasets: Results of kind `robustness` by network name, or a single one.
        quantity: One of `ensemble.QUANTITIES`.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or the quantity is unknown.
    """
    found = named(datasets, "robustness")
    check_quantities([quantity])
    label, factor = QUANTITIES[quantity]
    table = {name: mean_over_severities(dataset, quantity, factor) for name, dataset in found.items()}
    return by_category(
        table,
        label=f"{label}, mean over severities",
        looks=style.looks_for(list(found), looks),
        width=width or style.TWO_COLUMN,
    )


def consistency(
    datasets: Datasets,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Share of neighbouring frames with the same prediction, by perturbation, ± two standard errors.

    Args:
        datasets: Results of kind `consistency` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    found = named(datasets, "consistency")
    table = {}
    for name, dataset in found.items():
        values = 100 * dataset["consistency"].values.astype(float)
        stored = dataset.get("consistency_standard_error")
        errors = np.full(values.shape, np.nan) if stored is None else 100 * stored.values.astype(float)
        labels = dataset["perturbation"].values.astype(str)
        table[name] = {each: (v, e) for each, v, e in zip(labels, values, errors, strict=True)}
    return by_category(
        table,
        label="consistency (%)",
        looks=style.looks_for(list(found), looks),
        width=width or style.TWO_COLUMN,
        from_zero=False,
    )


def mean_over_severities(
    dataset: xr.Dataset, quantity: str, factor: float = 1.0
) -> dict[str, tuple[float, float]]:
    """Mean over severities of a quantity and its standard error, by corruption.

    The error is the mean of those of the severities, an upper bound: all severities use the same samples, so
    their errors are taken as fully correlated.
    """
    order = ("corruption", "severity")
    values = factor * dataset[quantity].transpose(*order).values.astype(float)
    stored = dataset.get(f"{quantity}_standard_error")
    errors = (
        np.full(values.shape, np.nan)
        if stored is None
        else factor * stored.transpose(*order).values.astype(float)
    )
    names = dataset["corruption"].values.astype(str)
    return {
        str(name): (float(v.mean()), float(e.mean()))
        for name, v, e in zip(names, values, errors, strict=True)
    }


def _severities(
    axis: Axes, dataset: xr.Dataset, quantity: str, factor: float, shift: float, look: style.Look, name: str
) -> None:
    """One network: the mean over corruptions, quartiles around it, and the value on clean data."""
    values = factor * dataset[quantity].transpose("severity", "corruption").values.astype(float)
    x = dataset["severity"].values.astype(float)
    mean = values.mean(axis=1)
    low, high = np.quantile(values, [0.25, 0.75], axis=1)
    axis.vlines(x + shift, low, high, color=look.colour, linewidth=1.6, alpha=0.5, label=f"_{name}")
    clean = scalar(dataset, f"clean_{quantity}")
    if clean is not None:
        x, mean = np.r_[0.0, x], np.r_[factor * clean, mean]
    axis.plot(
        x + shift,
        mean,
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        linewidth=0.9,
        label=name,
        zorder=3,
    )


def _clean(found: Mapping[str, xr.Dataset]) -> set[float]:
    """Severity 0 if any clean value is known."""
    known = any(scalar(d, f"clean_{q}") is not None for d in found.values() for q in QUANTITIES)
    return {0.0} if known else set()
