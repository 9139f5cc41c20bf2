"""Likelihood, rightness and confidence of every sample, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from landscape.calibration import places, reliability
from landscape.objective import Objective
from landscape.predictive import metrics
from landscape.samples import Samples

ATTRIBUTES = {
    "accuracy": {"long_name": "share of right predictions", "units": "1"},
    "error": {"long_name": "share of wrong predictions", "units": "1"},
    "nll": {"long_name": "negative log-likelihood", "units": "nat"},
    "ece": {"long_name": "expected calibration error", "units": "1"},
    "brier": {"long_name": "Brier score, summed over classes", "units": "1"},
    "prediction_variance": {"long_name": "variance of the prediction over passes", "units": "1"},
    "nll_variance": {"long_name": "variance of the NLL over disjoint ensembles", "units": "nat²"},
}
"""Names and units of the scores that several results share."""


@dataclass(frozen=True)
class SampleScores:
    """What each sample's prediction comes to, on the CPU; all of shape (sample,).

    Attributes:
        nll: Negative log-likelihood in nats, float64.
        hit: Whether the most probable class is the target.
        confidence: Probability of that class, float64.
    """

    nll: Tensor
    hit: Tensor
    confidence: Tensor

    def terms(self, *, bins: int) -> dict[str, Tensor]:
        """One float64 value a sample for each score, whose mean over samples is the score.

        For `ece` it is sign · (hit − confidence), with the sign of the gap of the sample's bin.
        """
        binned = reliability(self.confidence, self.hit, bins=bins)
        signs = binned.gaps.sign()[places(self.confidence, bins=bins)]
        hit = self.hit.double()
        ece = signs * (hit - self.confidence)
        return {"accuracy": hit, "error": 1 - hit, "nll": self.nll, "ece": ece}


def scored(logits: Tensor, targets: Tensor) -> SampleScores:
    """The scores of logits of shape (sample, class).

    Raises:
        LandscapeError: If the logits have another shape, or a target is none of the classes.
    """
    log_probability = metrics.log_probabilities(logits)
    return SampleScores(
        metrics.nll(log_probability, targets).cpu(),
        metrics.correct(log_probability, targets).cpu(),
        log_probability.amax(1).exp().cpu(),
    )


def sample_scores(objective: Objective, *, draw: int = 0) -> SampleScores:
    """The scores of all the objective's samples, in one pass.

    Args:
        objective: Network and samples.
        draw: Which dropout masks, with `fresh` dropout.
    """
    parts = [scored(logits, targets) for logits, targets in objective.outputs(draw=draw)]
    names = ("nll", "hit", "confidence")
    return SampleScores(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def settled(objective: Objective) -> Objective:
    """The same objective, after its checks on a few samples."""
    objective.checked("value", report=True)
    return objective


def assign(
    dataset: xr.Dataset, name: str, measured: Any, dims: tuple[str, ...], attributes: dict[str, str]
) -> None:
    """Add a variable to a dataset, from the pair of its value and its standard error over samples."""
    value, error = measured
    dataset[name] = (dims, value, attributes)
    spread = {"long_name": "standard error over samples", "units": attributes["units"]}
    dataset[f"{name}_standard_error"] = (dims, error, spread)


def on(objective: Objective, samples: Samples, *, first: int = 0) -> Objective:
    """The same network and protocol over other samples, prepared as the objective's own are.

    Args:
        objective: Network and protocol.
        samples: What to evaluate instead.
        first: Position of the first of them in the stream of dropout masks.
    """
    return objective.replace(samples=samples, forward=objective.forward.shifted(first))
