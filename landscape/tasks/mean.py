"""How losses become their mean: each scaled so that the plain mean over all samples is Σ w ℓ / Σ w."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from landscape import trees
from landscape.errors import LandscapeError
from landscape.samples import Samples
from landscape.tasks.task import Task
from landscape.trees import Tree

_WEIGHT = 1e-5  # relative; what sums of weights in float32 may differ by


class Mean:
    """The mean of a task's loss over some samples; what all of them count for is found once."""

    def __init__(self, task: Task, samples: Samples) -> None:
        """Over all samples of the losses of a task."""
        self._task, self._samples = task, samples
        self._total: float | None = None
        self._told = False

    def scaled(self, outputs: Tensor, targets: Tree, objective: Any) -> tuple[Tensor, Tensor | None]:
        """Losses of a batch, shape (batch,), and what each sample counts for, None where all count 1.

        Args:
            outputs: Of the network.
            targets: Of the same samples.
            objective: Whose pass over all samples tells weights that only the loss itself knows.

        Raises:
            LandscapeError: If the loss gives anything but one number per sample, or fails.
        """
        if trees.is_lazy(self._samples.targets):  # else all of them have been looked at
            self._task.require_targets(outputs, targets, self._samples.source)
        try:
            losses, weights = self._task.shares(outputs, targets)
        except IndexError as error:  # targets that are read when asked for have not been looked at before
            if not self._task.classes:
                raise
            raise LandscapeError(
                f"a target of {self._samples.source} is none of the {outputs.shape[1]} classes ({error}); "
                "the network and the data set do not belong together"
            ) from error
        if weights is None:
            return losses, None
        total = self._found(objective)  # 0 where the few samples of a check all count nothing
        return losses * (len(self._samples) / total if total else 0.0), weights

    def weight(self, objective: Any) -> float:
        """What all samples together count for: their number, where each counts 1.

        Args:
            objective: Over the samples.
        """
        first = next(objective.replace(soundness=None).outputs())
        _, weights = self._task.shares(*first)
        return float(len(self._samples)) if weights is None else self._found(objective)

    def check(self, seen: float, *, whole: bool) -> None:
        """Compare what the samples of a whole pass counted for with the total.

        Args:
            seen: What they did.
            whole: Whether they are all that there are, and not the few of a check.

        Raises:
            LandscapeError: If none of them counts, or the loss gives other weights at other parameters.
        """
        if whole and self._total == 0:
            raise LandscapeError(
                f"no sample of {self._samples.source} counts for anything under this loss, so that it has no "
                "mean; look at the weights that it returns"
            )
        if self._told and self._total is not None and abs(seen - self._total) > _WEIGHT * abs(seen):
            raise LandscapeError(
                f"the weights of the loss sum to {seen:.6g} at these parameters and to {self._total:.6g} at "
                "the network's own, so that the objective is no mean with fixed weights; compute them from "
                "the batch alone"
            )

    def _found(self, objective: Any) -> float:
        """What all samples together count for."""
        if self._total is None:
            self._total = self._task.total(self._samples.targets)
        if self._total is None:
            passes = objective.replace(soundness=None).outputs()
            parts = (self._task.shares(outputs, targets)[1] for outputs, targets in passes)
            self._total = sum(float(part.double().sum()) for part in parts if part is not None)
            self._told = True
        return self._total
