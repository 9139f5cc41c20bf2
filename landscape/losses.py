"""The loss of one sample, and the terms of the loss of all."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.errors import ArgumentError, LandscapeError

SampleLoss = Callable[[Tensor, Tensor], Tensor]
"""(outputs of a batch, its targets) → losses of shape (batch,)."""

Columns = dict[str, Tensor]
"""Numbers of each sample by name, shape (batch,) or (batch, class)."""


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each sample, in nats; shape (batch,)."""
    return F.cross_entropy(logits, targets, reduction="none")


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """Squared distance of outputs from the one-hot target, mean over classes; shape (batch,)."""
    wanted = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    return (logits - wanted).square().mean(1)


LOSSES = {
    **{"cross_entropy": cross_entropy, "squared_error": squared_error},
    **{"nll": cross_entropy, "mse": squared_error},
}
"""By name; `nll`, which is also the name of the quantity that cross-entropy measures, and `mse` are short."""


def loss_of(loss: SampleLoss | str) -> SampleLoss:
    """A loss, or the one of that name.

    Raises:
        LandscapeError: If there is no such name.
    """
    if not isinstance(loss, str):
        return loss
    if loss not in LOSSES:
        raise ArgumentError(f"the loss is {loss!r}; choose one of {', '.join(LOSSES)}")
    return LOSSES[loss]


def loss_name(loss: SampleLoss) -> str:
    """How results and messages call a loss."""
    return getattr(loss, "__name__", type(loss).__name__ if isinstance(loss, nn.Module) else str(loss))


def loss_record(loss: Any) -> str:
    """What a protocol says of a loss: its name, and whatever numbers it was made with."""
    if isinstance(loss, functools.partial):
        given = {str(i): value for i, value in enumerate(loss.args)} | loss.keywords
        return f"{loss_record(loss.func)}({_listed(given)})"
    if isinstance(loss, nn.Module):
        held = {name: each.tolist() for name, each in loss.state_dict().items() if isinstance(each, Tensor)}
        return f"{type(loss).__name__}({_listed(vars(loss) | held)})"
    name = getattr(loss, "__name__", None)
    return str(name) if name else f"{type(loss).__name__}({_listed(getattr(loss, '__dict__', {}))})"


def _listed(values: Mapping[str, Any]) -> str:
    """Options that are numbers, words or lists of them; long lists by their digest."""
    words = []
    for name, value in sorted(values.items()):
        each = value if isinstance(value, list | tuple) else [value]
        plain = all(isinstance(part, str | int | float | None) for part in each)
        if plain and name != "training" and not name.startswith("_"):
            text = repr(value)
            short = text if len(text) <= 40 else hashlib.sha256(text.encode()).hexdigest()[:16]
            words.append(f"{name}={short}")
    return ", ".join(words)


def weighed(loss: Callable[..., Any], given: Any, beside: Any, count: int) -> tuple[Tensor, Tensor | None]:
    """What a loss returns: the loss of each sample, and what each counts for, None where it does not say.

    Weights of the classes of an `nn.CrossEntropyLoss` or `nn.NLLLoss` are in the losses; what their mean
    divides by is in `sample_weights`.

    Args:
        loss: The loss.
        given: Outputs, or the model.
        beside: Targets, or the batch.
        count: Number of samples.

    Raises:
        LandscapeError: If it gives anything but one number per sample, or weights that depend on parameters.
    """
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss) and loss.weight is not None:
        loss = _with_weight(loss, loss.weight.to(given))
    found = loss(given, beside)
    losses, weights = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    for each, what in ((losses, "losses"), (weights, "weights")):
        if (each is None and what == "weights") or (isinstance(each, Tensor) and each.shape == (count,)):
            continue
        shape = f"shape {tuple(each.shape)}" if isinstance(each, Tensor) else type(each).__name__
        raise LandscapeError(
            f"the {what} of the loss {loss_name(loss)} are of {shape} for a batch of {count} samples, "
            f'expected one number per sample, shape ({count},); use reduction="none", and the mean over all '
            "dimensions but the first where there are more, as in lambda outputs, targets: F.cross_entropy("
            'outputs, targets, reduction="none").flatten(1).mean(1), or a task such as '
            "landscape.tasks.pixels()"
        )
    if weights is not None and weights.requires_grad:
        raise LandscapeError(
            f"the weights of the loss {loss_name(loss)} depend on the parameters, so that the objective is "
            "no mean with fixed weights; compute them from the batch alone, or detach them"
        )
    return losses, weights


def sample_weights(loss: Callable[..., Any], targets: Any) -> Tensor | None:
    """What each sample counts for in the mean of the losses, float64, shape (batch,).

    PyTorch's mean of weighted classes is Σ w ℓ / Σ w with w the weight of the target, 0 for the index that
    is ignored. None where all count 1, whatever their targets.

    Args:
        loss: Loss of each sample.
        targets: Of any number of samples.
    """
    if not isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss) or not isinstance(targets, Tensor):
        return None
    if targets.is_floating_point() or targets.dim() != 1:
        return None  # probabilities as targets: PyTorch divides by the number of samples
    counted = targets != loss.ignore_index
    if loss.weight is None:
        return counted.double()
    weight = loss.weight.detach().double().to(targets.device)
    return torch.where(counted, weight[targets.clamp(min=0, max=len(weight) - 1)], 0.0)


def _with_weight(loss: nn.Module, weight: Tensor) -> nn.Module:
    """The same loss, whatever class of the user's it is of, with weights in another type."""
    other = copy.copy(loss)
    other._buffers = {**loss._buffers, "weight": weight}
    return other


def is_classification(outputs: Tensor, targets: Any) -> bool:
    """Whether there are classes: logits of shape (batch, class ≥ 2) and one class index per sample."""
    if not isinstance(targets, Tensor):
        return False
    one_each = targets.dim() == 1 and not targets.is_floating_point() and targets.dtype != torch.bool
    return outputs.dim() == 2 and outputs.shape[1] >= 2 and one_each


def class_targets(targets: Any, classes: int) -> Tensor:
    """The targets, where each sample has one of so many classes.

    Args:
        targets: Of some samples.
        classes: Logits of a sample.

    Raises:
        LandscapeError: If they are no classes, such as probabilities or several labels, or none of these.
    """
    one_each = isinstance(targets, Tensor) and targets.dim() == 1 and not targets.is_floating_point()
    if not one_each or classes < 2:
        what = f"shape {tuple(targets.shape)} of {targets.dtype}" if isinstance(targets, Tensor) else "parts"
        raise LandscapeError(
            f"predictions of {classes} outputs and targets of {what} cannot be right or wrong as classes; "
            "this measure needs logits of two classes or more, and a whole number for each sample"
        )
    outside = targets[(targets < 0) | (targets >= classes)]
    if len(outside):
        raise LandscapeError(
            f"target {int(outside[0])} is none of the network's {classes} classes (0 to {classes - 1}); "
            "leave samples out that do not count; otherwise the network and the data set do not belong "
            "together"
        )
    return targets


@dataclass(frozen=True)
class Scores:
    """What a micro-batch's predictions come to, where they were computed.

    Attributes:
        losses: Loss of each sample, float64, shape (batch,).
        columns: What else the task tells of each sample, shape (batch,) or (batch, class).
    """

    losses: Tensor
    columns: Columns


class Gathered:
    """Columns of all samples, filled batch by batch into memory that is taken once.

    Small tensors that outlive the large ones around them would leave holes in memory that no other large one
    fits into, so that it would grow with the number of samples. They stay on the device until somebody asks
    for them, so that the host does not wait for every batch.

    Attributes:
        count: Samples so far.
    """

    def __init__(self, total: int) -> None:
        """For so many samples."""
        self.count, self._total = 0, total
        self._columns: Columns = {}

    def add(self, columns: Columns) -> None:
        """Those of the next samples."""
        stop = self.count + len(next(iter(columns.values())))
        for name, part in columns.items():
            if name not in self._columns:
                self._columns[name] = part.new_empty((self._total, *part.shape[1:]))
            self._columns[name][self.count : stop] = part
        self.count = stop

    def columns(self) -> Columns:
        """Of the samples so far, on the CPU, shape (sample,) or (sample, class)."""
        return {name: column[: self.count].cpu() for name, column in self._columns.items()}


def gathered(scores: Iterable[Scores], total: int) -> tuple[Tensor, Columns]:
    """Losses and columns of all samples, out of the scores of micro-batches."""
    found = Gathered(total)
    for part in scores:
        found.add({"losses": part.losses, **part.columns})
    columns = found.columns()
    return columns.pop("losses"), columns


def of_classes(outputs: Tensor, targets: Tensor) -> Columns:
    """Of logits (batch, class): `correct`, and `confidence`, the probability of the class, float64."""
    if not is_classification(outputs, targets):
        return {}
    confidence, predicted = outputs.double().softmax(1).max(1)
    return {"correct": predicted == targets, "confidence": confidence}


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
