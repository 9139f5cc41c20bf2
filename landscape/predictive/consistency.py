"""Whether predictions stay the same while an image is perturbed (Hendrycks & Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import xarray as xr

from landscape.data.corrupted import PERTURBATIONS, perturbed
from landscape.errors import ArgumentError, LandscapeError
from landscape.objective import Objective
from landscape.predictive import metrics
from landscape.predictive.scoring import on, settled
from landscape.samples import Samples
from landscape.work import Item, Progress, Runner, in_memory, silent

NoiseReference = Literal["first", "previous"]

_NAMED = {"long_name": "share of frames with the prediction of the one before", "units": "1"}
_ERROR = {"long_name": "standard error over sequences", "units": "1"}


def consistency(
    objective: Objective,
    folder: str | Path,
    *,
    perturbations: Sequence[str] | None = None,
    noise_reference: NoiseReference = "first",
    draw: int = 0,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Share of the frames of CIFAR-10-P whose prediction is that of the frame before; 1 − the flip rate.

    Frames of noise (names with ``noise``) are not ordered by strength: each is compared with the first of its
    sequence, as Hendrycks & Dietterich do. Park & Kim's code compares all frames with the one before.

    Args:
        objective: Network and samples; the sequences at the samples' positions in their source are read, so
            that they must be images of CIFAR's test set. Each frame has dropout masks of its own.
        folder: The folder of CIFAR-10-P, see `landscape.data.corrupted`.
        perturbations: Their names; by default the ten over which the mean is defined.
        noise_reference: `first`, or `previous` for Park & Kim's choice.
        draw: Which dropout masks, with `fresh` dropout.
        progress: Shows how far it is.
        run: Runs the perturbations; in memory by default.

    Returns:
        Dimension `perturbation`: `consistency`; `mean_consistency` without dimensions; each with its
        `…_standard_error` over sequences, which counts the perturbations of one image as one.

    Raises:
        DataError: If a file is missing or has another layout.
        LandscapeError: If the folder holds no sequence of a sample, samples are augmented or training images,
            or BatchNorm statistics are to be estimated from the samples.
    """
    if noise_reference not in ("first", "previous"):
        raise ArgumentError(f"the noise reference is {noise_reference!r}; choose 'first' or 'previous'")
    if objective.forward.batch_norm == "recalibrate":
        raise LandscapeError("sequences are evaluated one after the other; use BatchNorm in eval mode")
    names = tuple(perturbations or PERTURBATIONS)
    for name in names:  # all of them, before the long part
        _check_samples(objective.samples, perturbed(folder, name), folder)
    settled(objective)

    def compute(index: int) -> Item:
        classes = _predictions(objective, perturbed(folder, names[index]), draw)
        first = "noise" in names[index] and noise_reference == "first"
        before = classes[:, :1] if first else classes[:, :-1]
        same = (classes[:, 1:] == before) & (classes[:, 1:] != metrics.NO_CLASS)
        return {"consistency": same.double().mean(1).numpy()}

    items = (run or in_memory(progress))(len(names), compute, "consistency")
    return _dataset([torch.from_numpy(item["consistency"]) for item in items], names).assign_attrs(
        source="published", folder=str(folder), noise_reference=noise_reference
    )


def _check_samples(samples: Samples, frames: np.ndarray, folder: str | Path) -> None:
    highest = int(np.max(samples.indices)) if samples.indices is not None else len(samples) - 1
    if samples.augmentation is not None or samples.split == "train" or highest >= len(frames):
        raise LandscapeError(
            f"{folder} holds sequences of the test images 0 to {len(frames) - 1}, but the samples of "
            f"{samples.source} ({samples.split or 'all'}) go up to {highest}"
            f"{' and are augmented' if samples.augmentation else ''}; take plain samples of CIFAR's test set"
        )


def _predictions(objective: Objective, frames: np.ndarray, draw: int) -> torch.Tensor:
    """Predicted class of every frame of the samples' sequences, shape (sequence, frame)."""
    samples, length = objective.samples, frames.shape[1]
    indices = samples.indices if samples.indices is not None else np.arange(len(samples))
    together = max(1, objective.micro_batch // length)
    classes = []
    for start in range(0, len(indices), together):
        chosen = frames[indices[start : start + together]].reshape(-1, *frames.shape[2:])
        images = torch.from_numpy(np.ascontiguousarray(chosen.transpose(0, 3, 1, 2)))
        unlabelled = Samples(images, torch.zeros(len(images), dtype=torch.int64), source=samples.source)
        part = on(objective, unlabelled, first=start * length)
        classes += [metrics.predicted(metrics.log_probabilities(z)).cpu() for z, _ in part.outputs(draw=draw)]
    return torch.cat(classes).view(-1, length)


def _dataset(shares: list[torch.Tensor], names: tuple[str, ...]) -> xr.Dataset:
    means = [metrics.mean(values) for values in shares]
    overall = metrics.mean(torch.stack(shares).mean(0))
    return xr.Dataset(
        {
            "consistency": ("perturbation", [mean.value for mean in means], _NAMED),
            "consistency_standard_error": ("perturbation", [mean.error for mean in means], _ERROR),
            "mean_consistency": ((), overall.value, _NAMED),
            "mean_consistency_standard_error": ((), overall.error, _ERROR),
        },
        coords={"perturbation": np.array(names, dtype=object)},
    )
