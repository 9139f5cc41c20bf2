"""Recipes of predictions: alone, averaged, corrupted and attacked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from landscape import predictive
from landscape.analyses.stamping import stamped
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.results import Check
from landscape.results.checks import finite
from landscape.work import Progress, Runner, in_memory, silent

GENERATED = "generated"
"""In place of a folder: corruptions made here."""


def evaluation(objective: Objective, *, bins: int = 10, progress: Progress = silent) -> xr.Dataset:
    """Predictions and their metrics, see `landscape.predictive.evaluate`."""
    return stamped(
        "evaluation",
        objective,
        {"bins": bins},
        lambda: predictive.evaluate(objective, bins=bins, progress=progress),
        lambda found: [finite("predictions", found.nll.values)],
    )


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


def robustness(
    objective: Objective,
    *,
    source: str = GENERATED,
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    reference: xr.Dataset | None = None,
    bins: int = 10,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Predictions on corrupted images, see `landscape.predictive.robustness`.

    Args:
        objective: Network and clean samples.
        source: Folder of CIFAR-10-C or -100-C, or `generated`.
        corruptions: Their names; by default the fifteen of the benchmark.
        severities: From 1 to 5.
        reference: Result for a baseline, which gives mCE, mCNLL and mCECE.
        bins: Of the calibration error.
        progress: Shows the corruptions.
        run: Runs them; in memory by default.
    """
    options: dict[str, Any] = {
        "source": GENERATED if source == GENERATED else Path(source).name,
        "corruptions": list(corruptions),
        "severities": list(severities),
        "bins": bins,
        "reference": None if reference is None else reference.attrs.get("network"),
    }
    return stamped(
        "robustness",
        objective,
        options,
        lambda: predictive.robustness(
            objective,
            _generator(objective.seed) if source == GENERATED else source,
            corruptions=corruptions or None,
            severities=severities,
            reference=reference,
            bins=bins,
            run=run or in_memory(progress),
        ),
        lambda found: [finite("losses", found.nll.values), *_made(source)],
    )


def consistency(
    objective: Objective, *, folder: str, progress: Progress = silent, run: Runner | None = None
) -> xr.Dataset:
    """Consistency over the sequences of CIFAR-10-P, see `landscape.predictive.consistency`."""
    return stamped(
        "consistency",
        objective,
        {"source": Path(folder).name},
        lambda: predictive.consistency(objective, folder, run=run or in_memory(progress)),
        lambda found: [],
    )


def attack(
    objective: Objective,
    *,
    epsilons: Sequence[float] = (1 / 255, 2 / 255, 4 / 255, 8 / 255),
    steps: int = 10,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Accuracy under FGSM and PGD, see `landscape.predictive.attack`."""
    options: dict[str, Any] = {"epsilons": list(epsilons), "steps": steps, "seed": objective.seed}
    return stamped(
        "attack",
        objective,
        options,
        lambda: predictive.attack(objective, run=run or in_memory(progress), **options),
        lambda found: [finite("losses", found.nll.values)],
        strict=True,
    )


def _generator(seed: int) -> Any:
    from functools import partial

    from landscape.data import corruptions

    return partial(corruptions.corrupt, seed=seed)


def _made(source: str) -> list[Check]:
    """Generated corruptions are not the published ones."""
    if source != GENERATED:
        return []
    text = "The corruptions were made here: their numbers compare with each other, not with published ones."
    return [Check("corruptions", True, text)]


def require_folder(folder: str) -> None:
    """Say early that a folder of published images is missing.

    Raises:
        LandscapeError: If it is not a folder.
    """
    if not os.path.isdir(folder):
        raise LandscapeError(
            f"there is no folder {folder}; give that of CIFAR-10-C as published, or --corrupt to make them"
        )
