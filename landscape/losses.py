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
