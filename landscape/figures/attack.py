"""Accuracy under adversarial perturbations of the input (Goodfellow et al. 2015; Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.curves import column, curve, legend, opacity, panels, staggered
from landscape.figures.inputs import Datasets, named
from landscape.figures.reductions import scalar

LEVELS = 255
"""Strengths are drawn in steps of an 8-bit image."""


def attack(
    datasets: Datasets,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Accuracy against the strength of an attack, one panel an attack, bands of ± two standard errors.

    Args:
        datasets: Results of kind `attack` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    found = named(datasets, "attack")
    chosen = style.looks_for(list(found), looks)
    total = width or style.TWO_COLUMN
    attacks = list(dict.fromkeys(str(each) for d in found.values() for each in d["attack"].values))
    with style.context():
        figure, axes = panels(len(attacks), width=total, entries=len(found), sharey=True)
        for axis, each in zip(axes, attacks, strict=True):
            for row, (name, dataset) in enumerate(found.items()):
                x, values, error = strengths(dataset, each)
                if x.size:
                    curve(
                        axis,
                        x,
                        values,
                        error,
                        chosen[name],
                        name=name,
                        marks=staggered(x.size, row),
                        band=opacity(len(found)),
                    )
            axis.set_title(each.upper())
            axis.set_xlim(left=0)
            axis.set_ylim(bottom=0)
        for axis in axes[-1:] if total < 5 else axes:
            axis.set_xlabel("strength ε (steps of 1/255)")
        for axis in axes if total < 5 else axes[:1]:
            axis.set_ylabel("accuracy (%)")
        legend(figure, chosen, total)
    return figure


def strengths(dataset: xr.Dataset, attack: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strengths in steps of 1/255, accuracies and their standard errors in per cent, each of shape (N,).

    The accuracy without an attack comes first, at strength 0, where it is known.

    Args:
        dataset: Result of kind `attack`.
        attack: Which attack; empty if the result does not hold it.
    """
    names = [str(name) for name in dataset["attack"].values]
    if attack not in names:
        return np.empty(0), np.empty(0), np.empty(0)
    chosen = dataset.isel(attack=names.index(attack))
    x = column(chosen, "epsilon", "epsilon", LEVELS)
    values, error = (column(chosen, key, "epsilon", 100) for key in ("accuracy", "accuracy_standard_error"))
    clean = scalar(dataset, "clean_accuracy")
    if clean is None or (x == 0).any():
        return x, values, error
    clean_error = scalar(dataset, "clean_accuracy_standard_error")
    first = np.nan if clean_error is None else 100 * clean_error
    return np.r_[0.0, x], np.r_[100 * clean, values], np.r_[first, error]
