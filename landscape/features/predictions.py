"""Predictions in an objective's protocol: the pass that makes them, their scores, how two sets differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.features.tables import About, variables
from landscape.forward import Forward
from landscape.losses import class_targets
from landscape.objective import Objective


@dataclass(frozen=True)
class Predicted:
    """Scores of each sample's prediction; float64, on the CPU, shape (sample,).

    Attributes:
        nll: Negative log-likelihood in nats; NaN where a logit is.
        correct: 1 where the most probable class is the target, else 0; 0 where the prediction is NaN.
    """

    nll: Tensor
    correct: Tensor


def settled(objective: Objective) -> Forward:
    """The objective's forward pass, BatchNorm recalibrated on its samples where the protocol says so."""
    if objective.forward.batch_norm != "recalibrate":
        return objective.forward
    with torch.no_grad():
        return objective.forward.recalibrated(objective.parameters, objective.batches(), 0)


def predicted(logits: Tensor, targets: Tensor) -> Predicted:
    """Scores of logits of shape (sample, class).

    Raises:
        LandscapeError: If they have another shape, or targets are no classes, or none of theirs.
    """
    if logits.dim() != 2:
        raise LandscapeError(
            f"the network's output has shape {tuple(logits.shape)}, expected logits of shape (sample, class)"
        )
    targets = class_targets(targets, logits.shape[1])
    log_probability = logits.detach().double().log_softmax(1)
    correct = (log_probability.argmax(1) == targets) & ~log_probability.isnan().any(1)
    return Predicted(-log_probability.gather(1, targets[:, None])[:, 0].cpu(), correct.double().cpu())


def joined(parts: Sequence[Predicted]) -> Predicted:
    """The scores of all micro-batches."""
    return Predicted(torch.cat([part.nll for part in parts]), torch.cat([part.correct for part in parts]))


def summary(found: Predicted) -> dict[str, float]:
    """`accuracy` and `nll`, means over samples, each with its `…_standard_error`."""
    return mean("accuracy", found.correct) | mean("nll", found.nll)


def mean(name: str, values: Tensor) -> dict[str, float]:
    """Mean of one value a sample under this name, and its `…_standard_error`, NaN for a single sample.

    Of differences between two sets of predictions over the same samples, the error is the paired one.
    """
    spread = float(values.std()) if len(values) > 1 else math.nan
    return {name: float(values.mean()), f"{name}_standard_error": spread / math.sqrt(len(values))}


def scored(dimension: str, columns: Mapping[str, Any], clean: Predicted, about: About) -> xr.Dataset:
    """Scores under one condition after the other as a result, beside those of the network as it is.

    Args:
        dimension: Of the conditions.
        columns: Scores of each, and what else is known of it, by name.
        clean: Predictions of the network as it is, whose scores are called `clean_…`.
        about: Attributes of the variables.
    """
    errors = {"_standard_error": "standard error over samples"}
    scalars = {f"clean_{name}": value for name, value in summary(clean).items()}
    return xr.Dataset(variables(dimension, columns, about, errors) | variables((), scalars, about, errors))
