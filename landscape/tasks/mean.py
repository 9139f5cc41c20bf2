"""How losses become their mean: each scaled so that the plain mean over all samples is Σ w ℓ / Σ w."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from landscape.errors import LandscapeError
from landscape.samples import Samples
from landscape.tasks.task import Task
from landscape.trees import Tree

Pass = Iterator[tuple[Tensor, Tree]]
"""Outputs and targets of one micro-batch after the other."""

_WEIGHT = 1e-5  # relative; what sums of weights in float32 may differ by


class Mean:
    """The mean of a task's loss over some samples; what all of them count for is found once."""

    def __init__(self, task: Task, samples: Samples) -> None:
        """Over all samples of the losses of a task."""
        self._task, self._samples = task, samples
        self._total: float | None = None
        self._seen: float | None = None

    def scaled(self, outputs: Tensor, targets: Tree, everything: Callable[[], Pass]) -> Tensor:
        """Losses of a batch, shape (batch,).

        Args:
            outputs: Of the network.
            targets: Of the same samples.
            everything: Makes a pass over all samples, for weights that only the loss itself knows.

        Raises:
            LandscapeError: If the loss gives anything but one number per sample, or fails.
        """
        try:
            losses, weights = self._task.shares(outputs, targets)
        except IndexError as error:  # targets that are read when asked for have not been looked at before
            raise LandscapeError(
                f"a target of {self._samples.source} is none of the {outputs.shape[1]} classes ({error}); "
                "the network and the data set do not belong together"
            ) from error
        if weights is None:
            return losses
        if self._seen is not None:
            self._seen += float(weights.double().sum())
        total = self._found(everything)  # 0 where the few samples of a check all count nothing
        return losses * (len(self._samples) / total if total else 0.0)

    def all_of(self, outputs: Pass) -> Pass:
        """The pass, whose batches are scaled one after the other.

        Raises:
            LandscapeError: At its end, if its weights are not those of the pass that the total is from.
        """
        self._seen = 0.0
        yield from outputs
        seen, self._seen = self._seen, None
        if seen and self._total and abs(seen - self._total) > _WEIGHT * seen:
            raise LandscapeError(
                f"the weights of the loss sum to {seen:.6g} at these parameters and to {self._total:.6g} at "
                "the network's own, so that the objective is no mean with fixed weights; compute them from "
                "the batch alone"
            )

    def _found(self, everything: Callable[[], Pass]) -> float:
        """What all samples together count for."""
        if self._total is None:
            self._total = self._task.total(self._samples.targets)
        if self._total is None:
            parts = (self._task.shares(outputs, targets)[1] for outputs, targets in everything())
            self._total = sum(float(part.double().sum()) for part in parts if part is not None)
        return self._total
