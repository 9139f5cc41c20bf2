"""Accuracy under adversarial perturbations of the input (Goodfellow et al. 2015; Madry et al. 2018)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from landscape.figures.captions import over, values
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.reductions import scalar

LEVELS = 255
"""Strengths are drawn in steps of an 8-bit image."""


def _caption(results: Datasets) -> str:
    attrs = [dataset.attrs for dataset in results.values()]
    steps = values(attrs, "steps")
    pgd = "" if steps == "none" else f" PGD: {steps} steps of size {values(attrs, 'step_size')}."
    return (
        "Accuracy on images that an attack has changed by at most ε at each pixel, with the gradient of the "
        f"network's own loss: FGSM in one step.{pgd} Bands are ± two standard errors over {over(results)}."
    )


@figure(
    kind="attack",
    title="Adversarial attacks",
    description="Accuracy against the strength of adversarial attacks, a panel an attack",
    caption=_caption,
    order=42,
)
def attack(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Accuracy against the strength of an attack, one panel an attack, bands of ± two standard errors.

    Args:
        networks: Results of kind `attack` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    attacks = list(dict.fromkeys(str(name) for d in networks.values() for name in d["attack"].values))
    figure, axes = curves.panels(len(attacks), width=width, entries=len(networks), sharey=True)
    for axis, each in zip(axes, attacks, strict=True):
        drawn = {name: strengths(dataset, each) for name, dataset in networks.items()}
        curves.of_networks(axis, drawn, looks, count=len(networks))
        axis.set_title(each.upper())
        axis.set_xlim(left=0)
        axis.set_ylim(bottom=0)
    curves.label_below(axes, "strength ε (steps of 1/255)", width)
    curves.label_left(axes, "accuracy (%)", width)
    curves.legend(figure, looks, width)
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
    x = curves.column(chosen, "epsilon", "epsilon", LEVELS)
    accuracy, error = curves.measured(chosen, "accuracy", "epsilon", 100)
    clean = scalar(dataset, "clean_accuracy")
    if clean is None or (x == 0).any():
        return x, accuracy, error
    clean_error = scalar(dataset, "clean_accuracy_standard_error")
    first = np.nan if clean_error is None else 100 * clean_error
    return np.r_[0.0, x], np.r_[100 * clean, accuracy], np.r_[first, error]
