"""Predictions of a network over the objective's samples, and how good they are."""

from __future__ import annotations

import math

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.objective import Objective
from landscape.predictive import metrics
from landscape.progress import Progress, silent

_ATTRIBUTES = {
    "target": {"long_name": "class of the sample", "units": "1"},
    "nll": {"long_name": "negative log-likelihood", "units": "nat"},
    "correct": {"long_name": "whether the most probable class is the target", "units": "1"},
    "confidence": {"long_name": "probability of the most probable class", "units": "1"},
    "log_probability": {"long_name": "log-probability", "units": "nat"},
    "mean_nll": {"long_name": "mean negative log-likelihood", "units": "nat"},
    "mean_nll_standard_error": {"long_name": "standard error over samples", "units": "nat"},
    "accuracy": {"long_name": "share of right predictions", "units": "1"},
    "accuracy_standard_error": {"long_name": "standard error over samples", "units": "1"},
    "top5": {"long_name": "share of targets among the five most probable classes", "units": "1"},
    "top5_standard_error": {"long_name": "standard error over samples", "units": "1"},
    "brier": {"long_name": "Brier score, summed over classes", "units": "1"},
    "brier_standard_error": {"long_name": "standard error over samples", "units": "1"},
    "ece": {"long_name": "expected calibration error", "units": "1"},
}


def evaluate(
    objective: Objective, *, bins: int = 10, draw: int = 0, progress: Progress = silent
) -> xr.Dataset:
    """Negative log-likelihood, accuracy, calibration and Brier score of the network's predictions.

    Everything comes from the logits, in float64, also where the objective's loss is not the cross-entropy.
    Values that are not finite stay as they are; a prediction that is NaN counts as wrong.

    Args:
        objective: Network and samples.
        bins: Of the expected calibration error.
        draw: Which dropout masks, with `fresh` dropout.
        progress: Shows how far it is.

    Returns:
        Dimensions `sample` (coordinate: position in the source) and `class`. By sample: `target`, `nll`
        (nats), `correct`, `confidence` and, float32, `log_probability(sample, class)`. Over all samples:
        `mean_nll`, `accuracy`, `brier`, from six classes on `top5`, each with its `…_standard_error`, and
        `ece`.

    Raises:
        LandscapeError: If the network does not output logits of shape (sample, class), a target is none of
            its classes, or `bins` is less than 1.
    """
    batches = math.ceil(len(objective.samples) / objective.micro_batch)
    parts = [
        _scores(logits, targets)
        for logits, targets in progress(objective.outputs(draw=draw), "evaluate", batches)
    ]
    scores = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    means = {
        "mean_nll": metrics.mean(scores["nll"]),
        "accuracy": metrics.mean(scores["correct"]),
        "brier": metrics.mean(scores.pop("brier")),
    }
    if "top5" in scores:
        means["top5"] = metrics.mean(scores.pop("top5"))
    summary = {"ece": metrics.calibration_error(scores["confidence"], scores["correct"], bins=bins)}
    for name, mean in means.items():
        summary |= {name: mean.value, f"{name}_standard_error": mean.standard_error}
    return _dataset(objective, scores, summary).assign_attrs(ece_bins=bins)


def _scores(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """What is kept of one micro-batch, on the CPU."""
    log_probability = metrics.log_probabilities(logits)
    scores = {
        "target": targets,
        "nll": metrics.nll(log_probability, targets),
        "correct": metrics.correct(log_probability, targets),
        "confidence": log_probability.amax(1).exp(),
        "brier": metrics.brier(log_probability, targets),
        "log_probability": log_probability.float(),
    }
    if log_probability.shape[1] >= metrics.TOP5_CLASSES:
        scores["top5"] = metrics.correct(log_probability, targets, top=5)
    return {name: values.cpu() for name, values in scores.items()}


def _dataset(objective: Objective, scores: dict[str, Tensor], summary: dict[str, float]) -> xr.Dataset:
    samples = objective.samples
    coords = {"sample": samples.indices}
    if len(samples.class_names) == scores["log_probability"].shape[1]:
        coords["class"] = np.array(samples.class_names, dtype=object)
    dims = ("sample", "class")
    return xr.Dataset(
        {name: (dims[: values.dim()], values.numpy(), _ATTRIBUTES[name]) for name, values in scores.items()}
        | {name: ((), value, _ATTRIBUTES[name]) for name, value in summary.items()},
        coords=coords,
    )
