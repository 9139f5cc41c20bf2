"""Accuracy, likelihood and calibration on corrupted images (Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from landscape.calibration import reliability
from landscape.data.corrupted import CORRUPTIONS, SEVERITIES, check_names, check_severities, corrupted
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.predictive import metrics
from landscape.predictive.scoring import ATTRIBUTES, SampleScores, assign, on, sample_scores
from landscape.samples import Samples
from landscape.work import Item, Progress, Runner, in_memory, silent

Corrupt = Callable[[Samples, str, int], Samples]
"""``corrupt(samples, name, severity)`` gives the same samples corrupted, in the same order."""

_SCORES = ("accuracy", "error", "nll", "ece")
_RELATIVE = {"mce": "error", "mcnll": "nll", "mcece": "ece"}
_FIELDS = ("nll", "hit", "confidence")


def robustness(
    objective: Objective,
    source: str | Path | Corrupt,
    *,
    corruptions: Sequence[str] | None = None,
    severities: Sequence[int] = SEVERITIES,
    reference: xr.Dataset | None = None,
    bins: int = 10,
    draw: int = 0,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """How the objective's predictions hold up when its samples are corrupted.

    Args:
        objective: Network and clean samples. Of a published folder, the images at the samples' positions in
            their source are read, so that they must be images of CIFAR's test set.
        source: The folder of CIFAR-10-C or CIFAR-100-C, see `landscape.data.corrupted`; or a function that
            corrupts samples, such as `landscape.data.corruptions.corrupt`.
        corruptions: Their names; by default the fifteen over which the mean is defined.
        severities: From 1 to 5.
        reference: A result of this function for a baseline (AlexNet in the papers), over the same corruptions
            and severities.
        bins: Number of bins of the calibration error.
        draw: Which dropout masks, with `fresh` dropout.
        progress: Shows how far it is.
        run: Runs the corruptions and severities; in memory by default.

    Returns:
        Dimensions `corruption` and `severity`: `accuracy`, `error` (1 − accuracy), `nll` (nats), `ece`;
        without dimensions their means over both, `mean_accuracy` and so on, and the same of the clean
        samples, `clean_accuracy` and so on. With a reference also `mce`, `mcnll`, `mcece`, in percent: the
        sum over severities as a share of the reference's, mean over corruptions. Each comes with its
        `…_standard_error` over samples, which counts the corruptions of one image as one sample, and the
        reference as exact.

    Raises:
        DataError: If the corrupted images cannot be read or made, or are not those of the samples.
        LandscapeError: If the reference lacks a corruption or a severity.
    """
    names = check_names(corruptions or CORRUPTIONS)
    levels = check_severities(severities)
    factors = None if reference is None else _factors(reference, names, levels)
    published = not callable(source)
    corrupt = _published(source) if not callable(source) else source
    clean = sample_scores(objective, draw=draw)
    reliability(clean.confidence, clean.hit, bins=bins)  # refuses impossible bins before the long part

    def compute(index: int) -> Item:
        name, severity = names[index // len(levels)], levels[index % len(levels)]
        samples = corrupt(objective.samples, name, severity)
        _check_targets(objective.samples, samples, name)
        scores = sample_scores(on(objective, samples), draw=draw)
        return {field: getattr(scores, field).numpy() for field in _FIELDS}

    items = (run or in_memory(progress))(len(names) * len(levels), compute, "robustness")
    dataset = _dataset(items, names, levels, clean, bins, factors)
    return dataset.assign_attrs(
        source="published" if published else "generated",
        corrupted_by=corrupt(objective.samples.select([0]), names[0], levels[0]).source,
        ece_bins=bins,
        reference=str(reference.attrs.get("network", "given")) if reference is not None else "",
    )


def _published(folder: str | Path) -> Corrupt:
    def corrupt(samples: Samples, name: str, severity: int) -> Samples:
        if samples.augmentation is not None:
            raise LandscapeError(
                f"the corrupted images of {folder} are not augmented; take the samples without augmentation"
            )
        return corrupted(folder, name, severity, positions=samples.indices)

    return corrupt


def _check_targets(clean: Samples, samples: Samples, name: str) -> None:
    if len(clean) != len(samples) or not torch.equal(clean.targets.cpu(), samples.targets.cpu()):
        raise LandscapeError(
            f"the {len(samples)} images with {name} ({samples.source}) have other labels than the "
            f"{len(clean)} samples of {clean.source} ({clean.split or 'all'}); the published folders hold "
            "the test images of CIFAR-10 or CIFAR-100 in file order, so take the samples from that test set"
        )


def _factors(reference: xr.Dataset, names: Sequence[str], levels: Sequence[int]) -> dict[str, np.ndarray]:
    """100 / the reference's sum over severities, for each relative score, shape (corruption,)."""
    factors = {}
    for relative, score in _RELATIVE.items():
        try:
            chosen = reference[score].sel(corruption=list(names), severity=list(levels))
        except KeyError as error:
            raise LandscapeError(
                f"the reference has no {error}; measure its robustness over the same corruptions "
                f"({', '.join(names)}) and severities ({', '.join(map(str, levels))})"
            ) from error
        sums = chosen.transpose("corruption", "severity").values.sum(1)
        if not (sums > 0).all():
            raise LandscapeError(
                f"the reference's {score}, summed over severities, is {sums.min()} for "
                f"{names[int(sums.argmin())]}; it must be positive to divide by"
            )
        factors[relative] = 100 / sums
    return factors


def _dataset(
    items: list[Item],
    names: Sequence[str],
    levels: Sequence[int],
    clean: SampleScores,
    bins: int,
    factors: dict[str, np.ndarray] | None,
) -> xr.Dataset:
    shape = (len(names), len(levels))
    table = {score: np.empty((2, len(items))) for score in _SCORES}
    overall = {score: torch.zeros(len(clean.nll), dtype=torch.float64) for score in _SCORES}
    relative = {score: torch.zeros(len(clean.nll), dtype=torch.float64) for score in factors or ()}
    for index, item in enumerate(items):
        terms = SampleScores(*(torch.from_numpy(item[field]) for field in _FIELDS)).terms(bins=bins)
        for score, values in terms.items():
            table[score][:, index] = _measured(values)
            overall[score] += values / len(items)
        for score, factor in (factors or {}).items():
            relative[score] += terms[_RELATIVE[score]] * factor[index // len(levels)] / len(names)
    dataset = xr.Dataset(
        coords={"corruption": np.array(names, dtype=object), "severity": np.array(levels, dtype=np.int64)}
    )
    for score, values in clean.terms(bins=bins).items():
        attributes = ATTRIBUTES[score]
        assign(dataset, score, table[score].reshape(2, *shape), ("corruption", "severity"), attributes)
        assign(dataset, f"mean_{score}", _measured(overall[score]), (), attributes)
        assign(dataset, f"clean_{score}", _measured(values), (), attributes)
    for score, values in relative.items():
        attributes = {"long_name": f"{_RELATIVE[score]} relative to the reference, mean", "units": "%"}
        assign(dataset, score, _measured(values), (), attributes)
    return dataset


def _measured(values: torch.Tensor) -> tuple[float, float]:
    mean = metrics.mean(values)
    return mean.value, mean.error
