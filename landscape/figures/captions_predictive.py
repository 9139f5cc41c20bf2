"""Captions of the figures of predictions."""

from __future__ import annotations

from collections.abc import Sequence

from landscape.figures.captions_common import Results, by_name, joined, over, sizes, values
from landscape.figures.ensemble import QUANTITIES
from landscape.figures.reductions import estimate

_KINDS = {"mc-dropout": "passes of MC dropout", "deep": "networks trained apart"}
_CALIBRATION = (
    "ECE: mean absolute difference between accuracy and confidence over bins of confidence, weighted by how "
    "many predictions they hold"
)


def reliability(results: Results) -> str:
    """Of `figures.reliability`."""
    return (
        f"Accuracy of the predictions in each of {sizes(results, 'bin')} bins of confidence, at the mean "
        f"confidence of the bin, bars ± two standard errors over {over(results)}; bins without predictions "
        "have no point. Dashed: calibrated; points below it are overconfident. With it the share of the "
        f"predictions in each bin. {_CALIBRATION} (± two standard errors)."
    )


def ensemble(
    results: Results, *, quantities: Sequence[str] = ("nll", "accuracy", "ece"), log: object = None
) -> str:
    """Of `figures.ensemble`."""
    del log  # said on the axis
    kinds = {
        name: _KINDS.get(str(dataset.attrs.get("kind_of_ensemble")), "predictions")
        for name, dataset in results.items()
    }
    return joined(
        f"{_listed(quantities)} of the mean of the predicted probabilities over so many "
        f"{by_name(kinds)} (Park & Kim 2022a, Fig. 3). Bands are ± two standard errors over {over(results)}; "
        "the sizes share samples and predictions, so neighbouring points err together.",
        f"{_CALIBRATION}." if "ece" in quantities else "",
    )


def robustness(results: Results, *, quantities: Sequence[str] = ("nll", "accuracy", "ece")) -> str:
    """Of `figures.robustness`."""
    return joined(
        f"{_listed(quantities)} on corrupted images by severity: mean over {sizes(results, 'corruption')} "
        "corruptions, bars from the lower to the upper quartile over them (Park & Kim 2022a, C.1).",
        _source(results),
        f"{_CALIBRATION}." if "ece" in quantities else "",
    )


def corruptions(results: Results, *, quantity: str = "error") -> str:
    """Of `figures.corruptions`."""
    means = {
        name: found
        for name, dataset in results.items()
        if (found := estimate(dataset, f"mean_{quantity}", percent=QUANTITIES[quantity][1] == 100))
    }
    return joined(
        f"{_listed([quantity])} by corruption, mean over {sizes(results, 'severity')} severities, bars ± two "
        f"standard errors over {over(results)}, as if the errors of all severities were the same, so rather "
        "too long.",
        f"Mean over corruptions: {by_name(means)}." if means else "",
        _source(results),
    )


def consistency(results: Results) -> str:
    """Of `figures.consistency`."""
    return (
        "Share of neighbouring frames of a perturbed image with the same predicted class, by perturbation, "
        f"bars ± two standard errors over {over(results)} (Hendrycks & Dietterich 2019)."
    )


def attack(results: Results) -> str:
    """Of `figures.attack`."""
    attrs = [dataset.attrs for dataset in results.values()]
    steps = values(attrs, "steps")
    pgd = "" if steps == "none" else f" PGD: {steps} steps of size {_step(results)}."
    return (
        "Accuracy on images that an attack has changed by at most ε at each pixel, with the gradient of the "
        f"network's own loss: FGSM in one step.{pgd} Bands are ± two standard errors over {over(results)}."
    )


def _step(results: Results) -> str:
    return values([dataset.attrs for dataset in results.values()], "step_size")


def _listed(quantities: Sequence[str]) -> str:
    """`NLL, accuracy and ECE`."""
    words = [QUANTITIES[each][0].removesuffix(" (%)") for each in quantities]
    words[0] = words[0][0].upper() + words[0][1:]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _source(results: Results) -> str:
    """Where the corrupted images come from."""
    words = {
        "published": "the published ones",
        "generated": "made here, so not comparable with published numbers",
    }
    found = {
        name: words.get(str(dataset.attrs.get("source")), "of unknown source")
        for name, dataset in results.items()
    }
    return f"Corrupted images: {by_name(found)}."
