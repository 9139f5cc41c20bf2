"""Scores of predicted class probabilities: one value a sample where there is one, and their means."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from landscape.calibration import calibration_error
from landscape.errors import LandscapeError
from landscape.losses import class_targets
from landscape.results.estimate import Estimate

__all__ = [
    "CONFIDENT",
    "NO_CLASS",
    "TOP5_CLASSES",
    "brier",
    "calibration_error",
    "confidence_shares",
    "correct",
    "iou",
    "log_probabilities",
    "mean",
    "nll",
    "predicted",
    "ratio",
]

CONFIDENT = 0.9
"""Predictions above this confidence count as certain (Park & Kim 2022a)."""

NO_CLASS = -1
"""The predicted class of a prediction that is NaN."""

TOP5_CLASSES = 6
"""Top-5 accuracy says something from this many classes on."""


def mean(values: Tensor) -> Estimate:
    """Mean of one value a sample, shape (sample,), in float64, with its standard error."""
    values = values.double()
    spread = float(values.std()) if len(values) > 1 else math.nan
    return Estimate(float(values.mean()), spread / math.sqrt(len(values)))


def ratio(part: Tensor, whole: Tensor) -> Estimate:
    """Σ part / Σ whole over samples, with its standard error by the delta method.

    Args:
        part: One value a sample, shape (sample,).
        whole: Likewise.

    Returns:
        NaN where the whole is zero; the standard error is NaN for a single sample too.
    """
    part, whole = part.double(), whole.double()
    value = part.mean() / whole.mean()
    return Estimate(float(value), mean((part - value * whole) / whole.mean()).error)


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
        LandscapeError: If targets are no class indices, or one is none of the classes.
    """
    wanted = class_targets(targets, log_probability.shape[1])
    return -log_probability.gather(1, wanted[:, None])[:, 0]


def correct(log_probability: Tensor, targets: Tensor, *, top: int = 1) -> Tensor:
    """Whether the target is among the `top` most probable classes; never where the prediction is NaN.

    Args:
        log_probability: Shape (sample, class).
        targets: Class indices, shape (sample,).
        top: How many classes count.

    Returns:
        Boolean, shape (sample,).
    """
    # Of equal logits `argmax` takes the first one, as everybody's accuracy does, `topk` any.
    several = log_probability.topk(top, dim=1).indices if top > 1 else log_probability.argmax(1, keepdim=True)
    return (several == targets[:, None]).any(1) & ~log_probability.isnan().any(1)


def predicted(log_probability: Tensor) -> Tensor:
    """The most probable class of each sample; `NO_CLASS` where the prediction is NaN.

    Args:
        log_probability: Shape (sample, class).

    Returns:
        Class indices, shape (sample,).
    """
    return log_probability.argmax(1).where(~log_probability.isnan().any(1), NO_CLASS)


def iou(classes: Tensor, targets: Tensor) -> Estimate:
    """Intersection over union of the samples predicted and those of a class, mean over classes.

    For one class TP / (TP + FP + FN). The mean is over the classes that occur among the targets, as in Park &
    Kim's code; its standard error over samples comes from the delta method.

    Args:
        classes: Predicted classes, shape (sample,); `NO_CLASS` is none.
        targets: Class indices, shape (sample,).
    """
    present = targets.unique()
    is_predicted, is_target = classes[:, None] == present, targets[:, None] == present
    both, either = (is_predicted & is_target).double(), (is_predicted | is_target).double()
    values = both.mean(0) / either.mean(0)
    influence = ((both - values * either) / either.mean(0)).mean(1)
    return Estimate(float(values.mean()), mean(influence).error)


def confidence_shares(confidence: Tensor, hit: Tensor) -> dict[str, Estimate]:
    """What predictions are worth where they are confident (Park & Kim 2022a).

    Args:
        confidence: Probability of the predicted class, shape (sample,).
        hit: Whether the prediction is right, shape (sample,).

    Returns:
        `acc_90`, the accuracy at confidence > 0.9; `unc_90`, the share of wrong predictions with confidence
        ≤ 0.9; `freq_90`, the share of all predictions with confidence > 0.9. NaN where there is no such
        prediction to judge, or a confidence is NaN.
    """
    sure = (confidence > CONFIDENT).double().where(~confidence.isnan(), math.nan)
    wrong = (~hit).double()
    return {
        "acc_90": ratio(sure * hit, sure),
        "unc_90": ratio(wrong * (1 - sure), wrong),
        "freq_90": mean(sure),
    }


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
