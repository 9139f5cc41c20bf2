"""The loss of one sample, and the terms of the loss of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

SampleLoss = Callable[[Tensor, Tensor], Tensor]
"""(logits of shape (batch, class), targets of shape (batch,)) → losses of shape (batch,)."""


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each sample, in nats; shape (batch,)."""
    return F.cross_entropy(logits, targets, reduction="none")


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """Squared distance of outputs from the one-hot target, mean over classes; shape (batch,)."""
    wanted = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    return (logits - wanted).square().mean(1)


LOSSES = {"nll": cross_entropy, "mse": squared_error}
"""By the names of the command line."""


@dataclass(frozen=True)
class Scores:
    """What a micro-batch's predictions come to, on the CPU; all of shape (batch,).

    Attributes:
        losses: Loss of each sample, float64.
        correct: Whether its most probable class is the target.
        confidence: Probability of that class, float64.
    """

    losses: Tensor
    correct: Tensor
    confidence: Tensor


def scored(loss: SampleLoss, logits: Tensor, targets: Tensor) -> Scores:
    """The scores of logits of shape (batch, class)."""
    confidence, predicted = logits.double().softmax(1).max(1)
    return Scores(loss(logits, targets).double().cpu(), (predicted == targets).cpu(), confidence.cpu())


@dataclass(frozen=True)
class Loss:
    """The two terms of the loss, apart.

    Attributes:
        nll: Mean negative log-likelihood over the samples, in nats.
        l2: ½ · weight decay · ‖w‖².
    """

    nll: float
    l2: float

    @property
    def total(self) -> float:
        """Their sum."""
        return self.nll + self.l2
