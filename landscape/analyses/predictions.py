"""Recipes of predictions: alone, averaged, corrupted and attacked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from landscape import predictive
from landscape.analyses.stamping import analysis, stamped
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.results import Check
from landscape.results.checks import finite
from landscape.work import Progress, Runner, in_memory, silent

GENERATED = "generated"
"""In place of a folder: corruptions made here."""


@analysis(lambda found: [finite("predictions", found.nll.values)])
def evaluation(objective: Objective, *, bins: int = 10, progress: Progress = silent) -> xr.Dataset:
    """Predictions and their metrics, see `landscape.predictive.evaluate`."""
    return predictive.evaluate(objective, bins=bins, progress=progress)


def ensemble(
    objective: Objective,
    *,
    others: Sequence[Objective] = (),
    passes: int = 50,
    orders: int = 1,
    bins: int = 10,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Quality against the size of the ensemble, see `landscape.predictive.ensemble`.

    Args:
        objective: One network with `fresh` dropout, or the first of several.
        others: Further members, over the same samples.
        passes: Of one network.
        orders: Orders of the members that the curve is averaged over.
        bins: Of the calibration error.
        progress: Shows the micro-batches.
        run: Runs them; in memory by default.
    """
    options: dict[str, Any] = {"passes": passes, "orders": orders, "bins": bins, "seed": objective.seed}
    members = [{"name": each.network.name, "sha256": each.network.sha256} for each in others]
    return stamped(
        "ensemble",
        objective,
        options | {"others": members},
        lambda: predictive.ensemble(
            [objective, *others] if others else objective, run=run or in_memory(progress), **options
        ),
        lambda found: [finite("likelihoods", found.nll.values)],
    )


def _on_corrupted(dataset: xr.Dataset) -> list[Check]:
    """Whether losses are finite, and that generated corruptions are not the published ones."""
    every = finite("losses", dataset.nll.values)
    if dataset.attrs["source"] != GENERATED:
        return [every]
    text = "The corruptions were made here: their numbers compare with each other, not with published ones."
    return [every, Check("corruptions", True, text)]


@analysis(_on_corrupted, record=lambda options: options | {"source": Path(options["source"]).name})
def robustness(
    objective: Objective,
    *,
    source: str = GENERATED,
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    bins: int = 10,
    reference: xr.Dataset | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Predictions on corrupted images, see `landscape.predictive.robustness`.

    Args:
        objective: Network and clean samples.
        source: Folder of CIFAR-10-C or -100-C, or `generated`.
        corruptions: Their names; by default the fifteen of the benchmark.
        severities: From 1 to 5.
        bins: Of the calibration error.
        reference: Result for a baseline, which gives mCE, mCNLL and mCECE.
        progress: Shows the corruptions.
        run: Runs them; in memory by default.
    """
    return predictive.robustness(
        objective,
        _generator(objective.seed) if source == GENERATED else source,
        corruptions=corruptions or None,
        severities=severities,
        reference=reference,
        bins=bins,
        run=run or in_memory(progress),
    )


@analysis(record=lambda options: {"source": Path(options["folder"]).name})
def consistency(
    objective: Objective, *, folder: str, progress: Progress = silent, run: Runner | None = None
) -> xr.Dataset:
    """Consistency over the sequences of CIFAR-10-P, see `landscape.predictive.consistency`."""
    return predictive.consistency(objective, folder, run=run or in_memory(progress))


@analysis(lambda found: [finite("losses", found.nll.values)], seeded=True, strict=True)
def attack(
    objective: Objective,
    *,
    epsilons: Sequence[float] = (1 / 255, 2 / 255, 4 / 255, 8 / 255),
    steps: int = 10,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Accuracy under FGSM and PGD, see `landscape.predictive.attack`."""
    run = run or in_memory(progress)
    return predictive.attack(objective, epsilons=list(epsilons), steps=steps, seed=objective.seed, run=run)


def _generator(seed: int) -> Any:
    from landscape.data import corruptions

    return partial(corruptions.corrupt, seed=seed)


def require_folder(folder: str) -> None:
    """Say early that a folder of published images is missing.

    Raises:
        LandscapeError: If it is not a folder.
    """
    if not os.path.isdir(folder):
        raise LandscapeError(
            f"there is no folder {folder}; give that of CIFAR-10-C as published, or --corrupt to make them"
        )
