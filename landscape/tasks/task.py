"""A task: how a network is called, which of its outputs the loss is of, the loss, and the scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from landscape import trees
from landscape.calibration import calibration_error
from landscape.errors import LandscapeError
from landscape.losses import Columns, class_targets, cross_entropy, loss_name, sample_weights, weighed
from landscape.tasks.scores import Score, jackknifed
from landscape.trees import Tree

_USUAL = ("logits", "out")
"""Where networks of Hugging Face and torchvision keep their logits."""


def no_columns(outputs: Tensor, targets: Tree) -> Columns:
    """Of a task without scores."""
    return {}


@dataclass(frozen=True)
class Task:
    """What the loss and the scores of a network are.

    Attributes:
        name: As on the command line.
        loss: (outputs, targets) → the loss of each sample, shape (sample,); or the pair of these and of what
            each sample counts for, and the objective is Σ w ℓ / Σ w. Where `whole`, of (model, batch).
        columns: (outputs, targets) → numbers of each sample, whose sums the scores are functions of.
        scores: By name.
        weights: Targets → what each sample counts for, shape (sample,); all count 1 when left out.
        likelihood: Whether the loss is a negative log-likelihood, in nats.
        classes: Whether outputs are logits of shape (sample, class), and targets classes or probabilities.
        logits: Which of several outputs the loss is of: a key, an attribute or the place in a tuple; left
            out, it is the only one, or the one called `logits` or `out`.
        whole: Whether the loss runs the model itself.
        targets: Inputs → targets, where samples come without.
        options: What it was made with, for the protocol.
        between: Smallest and largest target that there can be; None where any number can.
    """

    name: str
    loss: Callable[..., Any]
    columns: Callable[[Tensor, Tree], Columns] = no_columns
    scores: Mapping[str, Score] = field(default_factory=dict)
    weights: Callable[[Tree], Tensor] | None = None
    likelihood: bool = True
    classes: bool = False
    logits: str | int | None = None
    whole: bool = False
    targets: Callable[[Tree], Tree] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    between: tuple[float, float] | None = None

    def replace(self, **changes: Any) -> Task:
        """The same with other attributes."""
        return replace(self, **changes)

    @property
    def of_probabilities(self) -> bool:
        """Whether the loss is the cross-entropy of logits, so that only their softmax counts."""
        entropy = self.loss is cross_entropy or isinstance(self.loss, nn.CrossEntropyLoss | nn.NLLLoss)
        return entropy and not self.whole

    def batch(self, inputs: Tree, targets: Tree) -> Tree:
        """What the network, or a loss that runs it, is given."""
        if not self.whole:
            return inputs
        return (inputs, targets) if any(leaf.numel() for leaf in trees.leaves(targets)) else inputs

    def run(self, module: nn.Module, inputs: Tree) -> Tensor:
        """The outputs that the loss is of; where it is `whole`, losses, beside them their weights if given.

        A mapping of inputs is given by keyword, a tuple or list one after the other.

        Raises:
            LandscapeError: If the network returns several tensors and it is not said which is meant, or
                a `whole` loss returns anything but one number per sample.
        """
        if self.whole:
            return self._losses(module, inputs)
        if isinstance(inputs, Mapping):
            return self._chosen(module(**inputs))
        return self._chosen(module(*inputs) if isinstance(inputs, tuple | list) else module(inputs))

    def _losses(self, module: nn.Module, batch: Tree) -> Tensor:
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():  # it may differentiate outputs by inputs, as physics-informed losses do
            losses, weights = weighed(self.loss, module, batch, trees.count(batch))
        found = losses if weights is None else torch.stack([losses, weights.to(losses)], 1)
        return found if wanted else found.detach()

    def _chosen(self, outputs: Any) -> Tensor:
        found: Any = outputs
        if isinstance(self.logits, int):
            if isinstance(outputs, tuple | list) and self.logits < len(outputs):
                found = outputs[self.logits]
        elif not isinstance(outputs, Tensor):
            names = (self.logits,) if self.logits else _USUAL
            found = next((each for each in map(_getter(outputs), names) if each is not None), None)
        if isinstance(found, Tensor):
            return found
        raise LandscapeError(_several(outputs, self.logits))

    def shares(self, outputs: Tensor, targets: Tree) -> tuple[Tensor, Tensor | None]:
        """What each sample adds to the mean, w ℓ, and what it counts for, w; None where all count 1.

        Raises:
            LandscapeError: If the loss gives anything but one number per sample.
        """
        if self.whole:
            losses, weights = (
                (outputs[:, 0], outputs[:, 1].detach()) if outputs.dim() == 2 else (outputs, None)
            )
        else:
            losses, weights = self._run(outputs, targets)
        if weights is None and self.weights:
            weights = self.weights(targets)
        if weights is not None:
            return losses * weights.to(losses), weights
        return losses, sample_weights(self.loss, targets)  # PyTorch's losses hold the weights of classes

    def _run(self, outputs: Tensor, targets: Tree) -> tuple[Tensor, Tensor | None]:
        """What the loss returns; samples stay as they are, whatever it does to what it is given."""
        if self.loss is cross_entropy:
            return weighed(self.loss, outputs, targets, len(outputs))
        before = outputs._version
        found = weighed(self.loss, outputs, trees.copied(targets), len(outputs))
        if outputs._version != before:
            raise LandscapeError(
                f"the loss {loss_name(self.loss)} writes to the outputs that it is given, so that scores "
                "would be of others; let it work on a copy (outputs.clone())"
            )
        return found

    def total(self, targets: Tree) -> float | None:
        """Sum of what all samples count for, where targets alone say it; None where they do not."""
        if trees.is_lazy(targets):
            return None
        weights = self.weights(targets) if self.weights else sample_weights(self.loss, targets)
        return None if weights is None else float(weights.double().sum())

    def require_targets(self, outputs: Tensor, targets: Tree, source: str) -> None:
        """See that targets are in the range of the task.

        Raises:
            LandscapeError: If one is not.
        """
        if not isinstance(targets, Tensor) or not targets.numel():
            return
        if self.classes and not (targets.dim() == 2 and targets.is_floating_point()):
            class_targets(targets, outputs.shape[1])
        if self.between is None:
            return
        lowest, highest = float(targets.min()), float(targets.max())
        if not self.between[0] <= lowest <= highest <= self.between[1]:
            raise LandscapeError(
                f"targets of {source} go from {lowest:g} to {highest:g}, and the task {self.name} takes 0, 1 "
                "or a probability; divide masks of bytes by 255, and turn labels of -1 into 0"
            )

    def told(self, outputs: Tensor, targets: Tree, weights: Tensor | None) -> Columns:
        """Numbers of each sample; of classes also whether it counts, where `shares` says how much."""
        found = self.columns(outputs, targets)
        return found | {"counted": weights != 0} if "correct" in found and weights is not None else found

    def right(self, columns: Columns) -> Tensor | None:
        """Whether each class is right, shape (sample,); None without classes, or if some do not count."""
        counted = columns.get("counted")
        return columns.get("correct") if counted is None or bool(counted.all()) else None

    def summary(self, columns: Columns) -> dict[str, float]:
        """The scores over all samples.

        Args:
            columns: Of each sample, shape (sample,) or (sample, class).
        """
        if "correct" in columns:
            counted = columns.get("counted", slice(None))
            hits = columns["correct"][counted]
            error = calibration_error(columns["confidence"][counted], hits)
            return {"accuracy": float(hits.double().mean()), "ece": float(error)}
        if not columns:
            return {}
        sums = {name: each.double().sum(0) for name, each in columns.items()}
        return {name: float(score.of(sums)) for name, score in self.scores.items()}

    def errors(self, columns: Columns) -> dict[str, float]:
        """Standard errors over samples of the scores that are functions of sums."""
        return {name: jackknifed(score, columns) for name, score in self.scores.items()} if columns else {}

    def describe(self) -> dict[str, Any]:
        """For the protocol."""
        chosen = {} if self.logits is None else {"logits": self.logits}
        return {"name": self.name, **chosen, **self.options}


def _getter(outputs: Any) -> Callable[[str], Any]:
    if isinstance(outputs, Mapping):
        return outputs.get
    return lambda name: getattr(outputs, name, None)


def _several(outputs: Any, asked: str | int | None) -> str:
    kind = type(outputs).__name__
    if isinstance(outputs, Mapping):
        holds = f"a {kind} with {', '.join(map(repr, list(outputs)[:4]))}"
        how, path = f"logits={next(iter(outputs), 'logits')!r}", f'outputs["{next(iter(outputs), "logits")}"]'
    elif isinstance(outputs, tuple | list):
        holds, how, path = f"a {kind} of {len(outputs)}", "logits=0", "outputs[0]"
    else:
        holds, how, path = f"a {kind}", "logits='NAME'", "outputs"
    missing = f" called {asked!r}" if asked is not None else ""
    return (
        f"the network returns {holds}, expected one tensor{missing}; say which one the loss is of, as in "
        f"task=landscape.tasks.classification({how}), or wrap the network in a module whose forward runs it "
        f"and returns {path}"
    )
