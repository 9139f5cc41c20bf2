"""Scores of predicted class probabilities: one value a sample where there is one, and their means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from landscape.calibration import calibration_error
from landscape.errors import LandscapeError

__all__ = [
    "TOP5_CLASSES",
    "Mean",
    "brier",
    "calibration_error",
    "correct",
    "log_probabilities",
    "mean",
    "nll",
]

TOP5_CLASSES = 6
"""Top-5 accuracy says something from this many classes on."""


@dataclass(frozen=True)
class Mean:
    """A mean over samples.

    Attributes:
        value: The mean.
        standard_error: Standard deviation over the samples / √samples; NaN for a single one.
    """

    value: float
    standard_error: float


def mean(values: Tensor) -> Mean:
    """Mean of one value a sample, shape (sample,), in float64, with its standard error."""
    values = values.double()
    spread = float(values.std()) if len(values) > 1 else math.nan
    return Mean(float(values.mean()), spread / math.sqrt(len(values)))


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-softmax over classes in float64; a sample with a NaN or +∞ logit becomes NaN as a whole.

    Args:
        logits: Shape (sample, class).

    Raises:
        LandscapeError: If the network's output has another shape.
    """
    if logits.dim() != 2:
        raise LandscapeError(
            f"the network's output has shape {tuple(logits.shape)}, expected logits of shape (sample, class)"
        )
    return logits.double().log_softmax(1)


def nll(log_probability: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each sample, in nats.

    Args:
        log_probability: Shape (sample, class).
        targets: Class indices, shape (sample,).

    Returns:
        Shape (sample,); infinite where the target has probability zero.

    Raises:
        LandscapeError: If a target is not one of the classes.
    """
    classes = log_probability.shape[1]
    outside = targets[(targets < 0) | (targets >= classes)]
    if len(outside):
        raise LandscapeError(
            f"target {int(outside[0])} is none of the network's {classes} classes (0 to {classes - 1}); "
            "the network and the data set do not belong together"
        )
    return -log_probability.gather(1, targets[:, None])[:, 0]


def correct(log_probability: Tensor, targets: Tensor, *, top: int = 1) -> Tensor:
    """Whether the target is among the `top` most probable classes; never where the prediction is NaN.

    Args:
        log_probability: Shape (sample, class).
        targets: Class indices, shape (sample,).
        top: How many classes count.

    Returns:
        Boolean, shape (sample,).
    """
    best = log_probability.topk(top, dim=1).indices
    return (best == targets[:, None]).any(1) & ~log_probability.isnan().any(1)


def brier(log_probability: Tensor, targets: Tensor) -> Tensor:
    """Squared distance of each sample's prediction from the one-hot target, summed over classes: 0 to 2.

    Args:
        log_probability: Shape (sample, class).
        targets: Class indices, shape (sample,).

    Returns:
        Shape (sample,).
    """
    classes = log_probability.shape[1]
    return (log_probability.exp() - torch.nn.functional.one_hot(targets, classes)).square().sum(1)
