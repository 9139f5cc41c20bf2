"""Corrupted and attacked inputs (Park & Kim 2022a, C.1; Hendrycks & Dietterich 2019; Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures.captions import by_name, estimate, over, scalar, sizes, values, with_notes
from landscape.figures.predictive.ensemble import CALIBRATION, QUANTITIES, USUAL, check_quantities, listed
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import Look, curves
from landscape.figures.style.groups import panels

LEVELS = 255
"""Strengths are drawn in steps of an 8-bit image."""
_SOURCES = {
    "published": "the published ones",
    "generated": "made here, so not comparable with published numbers",
}


def _source(results: Datasets) -> str:
    """Where the corrupted images come from."""
    found = {
        name: _SOURCES.get(str(dataset.attrs.get("source")), "of unknown source")
        for name, dataset in results.items()
    }
    return f"Corrupted images: {by_name(found)}."


def _severities_caption(results: Datasets, *, quantities: Sequence[str] = USUAL) -> str:
    return with_notes(
        f"{listed(quantities)} on corrupted images by severity: mean over {sizes(results, 'corruption')} "
        "corruptions, bars from the lower to the upper quartile over them (Park & Kim 2022a, C.1). "
        f"{_source(results)}",
        f"{CALIBRATION}." if "ece" in quantities else "",
    )


def _corruptions_caption(results: Datasets, *, quantity: str = "error") -> str:
    means = {
        name: found
        for name, dataset in results.items()
        if (found := estimate(dataset, f"mean_{quantity}", percent=QUANTITIES[quantity][1] == 100))
    }
    return with_notes(
        f"{listed([quantity])} by corruption, mean over {sizes(results, 'severity')} severities. Bars are ± "
        f"two standard errors over {over(results)}, as if the errors of all severities were the same, so "
        "rather too long.",
        f"Mean over corruptions: {by_name(means)}." if means else "",
        _source(results),
    )


def _consistency_caption(results: Datasets) -> str:
    return (
        "Share of neighbouring frames of a perturbed image with the same predicted class, by perturbation, "
        f"bars ± two standard errors over {over(results)} (Hendrycks & Dietterich 2019)."
    )


@figure(kind="robustness", title="Robustness by severity", caption=_severities_caption, order=41)
def robustness(
    networks: Datasets, *, quantities: Sequence[str] = USUAL, width: float, looks: Looks
) -> Figure:
    """NLL, accuracy and calibration error on corrupted images against the severity.

    Mean over corruptions, and a bar from lower to upper quartile.
    Severity 0 is the clean data, where they were evaluated.

    Args:
        networks: Results of kind `robustness` by network name, or a single one.
        quantities: Names of `ensemble.QUANTITIES`, a panel each.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or a quantity is unknown.
    """
    check_quantities(quantities)
    page = panels(len(quantities), looks, width=width, x="severity", height=1.75)
    for index, quantity in enumerate(quantities):
        for group in page.groups:
            for row, (name, dataset) in enumerate(group.of(networks).items()):
                shift = 0.36 * ((row + 0.5) / len(group.names) - 0.5)
                _severities(group.axes[index], dataset, quantity, shift, looks[name], name)
        page.label(index, QUANTITIES[quantity][0])
        page.groups[0].axes[index].set_ylim(bottom=0 if quantity != "accuracy" else None)
    severities = sorted(
        {float(s) for d in networks.values() for s in d["severity"].values} | _clean(networks)
    )
    labels = [f"{each:g}" if each else "clean" for each in severities]
    page.groups[0].axes[0].set_xticks(severities, labels=labels)
    return page.figure


@figure(
    kind="robustness", title="Robustness by corruption", caption=_corruptions_caption, further=True, order=44
)
def corruptions(networks: Datasets, *, quantity: str = "error", width: float, looks: Looks) -> Figure:
    """Error on corrupted images by corruption, mean over severities.

    One quantity by corruption, mean over severities; bars for up to three networks, markers for more.
    Errors are ± two standard errors over samples.

    Args:
        networks: Results of kind `robustness` by network name, or a single one.
        quantity: One of `ensemble.QUANTITIES`.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or the quantity is unknown.
    """
    check_quantities([quantity])
    label, factor = QUANTITIES[quantity]
    table = {name: mean_over_severities(dataset, quantity, factor) for name, dataset in networks.items()}
    return curves.by_category(table, label=f"{label}, mean over severities", looks=looks, width=width)


@figure(
    kind="consistency",
    title="Consistency under perturbations",
    caption=_consistency_caption,
    further=True,
    order=45,
)
def consistency(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Share of neighbouring frames of a perturbation with the same prediction.

    By perturbation, ± two standard errors.

    Args:
        networks: Results of kind `consistency` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    table = {
        name: dict(
            zip(
                dataset["perturbation"].values.astype(str),
                zip(*curves.measured(dataset, "consistency", "perturbation", 100), strict=True),
                strict=True,
            )
        )
        for name, dataset in networks.items()
    }
    return curves.by_category(table, label="consistency (%)", looks=looks, width=width, from_zero=False)


def mean_over_severities(
    dataset: xr.Dataset, quantity: str, factor: float = 1.0
) -> dict[str, tuple[float, float]]:
    """Mean over severities of a quantity and its standard error, by corruption.

    The error is the mean of those of the severities, an upper bound: all severities use the same samples, so
    their errors are taken as fully correlated.
    """
    values, errors = curves.measured(dataset, quantity, ("corruption", "severity"), factor)
    names = dataset["corruption"].values.astype(str)
    means = zip(values.mean(axis=1).tolist(), errors.mean(axis=1).tolist(), strict=True)
    return dict(zip(names.tolist(), means, strict=True))


def _severities(axis: Axes, dataset: xr.Dataset, quantity: str, shift: float, look: Look, name: str) -> None:
    """One network: the mean over corruptions, quartiles around it, and the value on clean data."""
    factor = QUANTITIES[quantity][1]
    values, _ = curves.measured(dataset, quantity, ("severity", "corruption"), factor)
    x = dataset["severity"].values.astype(float)
    mean = values.mean(axis=1)
    low, high = np.quantile(values, [0.25, 0.75], axis=1)
    axis.vlines(x + shift, low, high, color=look.colour, linewidth=1.6, alpha=0.5, label=f"_{name}")
    clean = scalar(dataset, f"clean_{quantity}")
    if clean is not None:
        x, mean = np.r_[0.0, x], np.r_[factor * clean, mean]
    axis.plot(x + shift, mean, **look.line, linewidth=0.9, label=name, zorder=3)


def _clean(networks: Mapping[str, xr.Dataset]) -> set[float]:
    """Severity 0 if any clean value is known."""
    known = any(scalar(d, f"clean_{q}") is not None for d in networks.values() for q in QUANTITIES)
    return {0.0} if known else set()


def _attack_caption(results: Datasets) -> str:
    attrs = [dataset.attrs for dataset in results.values()]
    steps = values(attrs, "steps")
    pgd = "" if steps == "none" else f", PGD in {steps} steps of size {values(attrs, 'step_size')}"
    return (
        "Accuracy on images that an attack has changed by at most ε at each pixel, along the gradient of "
        f"the negative log-likelihood: FGSM in one step{pgd}. Bands are ± two standard errors over "
        f"{over(results)}."
    )


@figure(kind="attack", title="Adversarial attacks", caption=_attack_caption, order=42)
def attack(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Accuracy against the strength of adversarial attacks, a panel an attack.

    Bands are ± two standard errors.

    Args:
        networks: Results of kind `attack` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    attacks = list(dict.fromkeys(str(name) for d in networks.values() for name in d["attack"].values))
    x = "strength ε (steps of 1/255)"
    titles = [each.upper() for each in attacks]
    page = panels(len(attacks), looks, width=width, x=x, sharey=True, titles=titles)
    for group in page.groups:
        for axis, each in zip(group.axes, attacks, strict=True):
            drawn = {name: strengths(dataset, each) for name, dataset in group.of(networks).items()}
            curves.of_networks(axis, drawn, looks, count=len(drawn))
            axis.set_xlim(left=0)
            axis.set_ylim(bottom=0)
    page.label_left("accuracy (%)")
    return page.figure


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
