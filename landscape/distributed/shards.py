"""An objective whose samples are shared out among ranks: the same numbers, each rank reading its own part."""

from __future__ import annotations

import copy
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from landscape import trees
from landscape.derivatives.graphs import Curvature, Products
from landscape.distributed.group import Group
from landscape.errors import LandscapeError
from landscape.losses import Scores, gathered
from landscape.objective import Objective
from landscape.parameters import Parameters, unflatten
from landscape.precision import differentiable, full_precision


class Sharded(Objective):
    """An objective whose values, gradients and products are sums over ranks, exact and equal on all of them.

    Each rank evaluates one block of samples that follow one another, and reads those alone, but for the first
    few, on which every rank makes the same checks. Parts are added in float64, each by what its samples count
    for. No wrapper of PyTorch takes part: the hooks of `DistributedDataParallel` do not survive a second
    derivative. What is no sum over all samples, such as a part of them (`subset`), is computed by every rank
    for itself.

    Every rank has to ask for the same numbers in the same order.

    Attributes:
        group: The ranks.
    """

    def __init__(self, objective: Objective, group: Group) -> None:
        """Share out the samples of an objective; see `sharded`."""
        vars(self).update(vars(objective))
        self.group = group
        self._part: Objective | None = None
        self._share: float | None = None
        self._blocks()

    def replace(self, **changes: Any) -> Self:
        """As `landscape.mean_loss.MeanLoss.replace`; samples are shared out anew."""
        other = super().replace(**changes)
        other._part = other._share = None
        return other

    def alone(self) -> Objective:
        """The same objective of this rank alone, over all samples."""
        plain = copy.copy(self)
        plain.__class__ = Objective  # type: ignore[assignment]
        return plain

    def subset(self, start: int, stop: int) -> Objective:  # type: ignore[override]
        """The objective over the samples start … stop − 1, which every rank computes for itself."""
        return self.alone().subset(start, stop)

    @property
    def evaluated(self) -> int:
        """Samples that this rank evaluates."""
        return len(self._blocks()[self.group.rank])

    def scores(self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0) -> Iterator[Scores]:
        """Loss of each sample, and what else the task tells of it, by rank."""
        self.checked("value")
        if self.modes.batch_norm == "recalibrate":  # statistics over all samples
            yield from super().scores(parameters, draw=draw)
            return
        blocks, scale = self._blocks(), self._scale()

        def compute() -> dict[str, Tensor]:
            losses, columns = gathered(self._own_part().scores(parameters, draw=draw), self.evaluated)
            # Scaled so that their mean over all samples, not over this block, is the objective.
            return {"": losses * (scale * len(self.samples) / self.evaluated), **columns}

        for found in self.group.gathered(compute, [len(block) for block in blocks]):
            yield Scores(found.pop(""), found)

    def gradient(self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0) -> Parameters:
        """Gradient of the total loss with respect to the free parameters, keyed like them."""
        self.modes.require_derivatives()
        self.checked("gradient")
        theta = self._at(parameters)

        def parts() -> Iterator[Sequence[Tensor]]:
            part = self._own_part()
            for batch in part.batches():
                with full_precision(self.device), differentiable():
                    yield part.share(batch, theta, draw=draw).gradient()

        total = self.summed(parts, [theta[name] for name in self.free])
        return {
            name: each.add(theta[name].double(), alpha=self.weight_decay).to(self.dtype)
            for name, each in unflatten(total, self.free).items()
        }

    def summed(self, parts: Callable[[], Iterator[Sequence[Tensor]]], same: Sequence[Tensor]) -> Tensor:
        """Sum over all ranks, in float64, of one tensor a free parameter from each micro-batch, shape (n,).

        Args:
            parts: Those of this rank's block, as shares of the block's mean.
            same: What all ranks are to hold alike.
        """
        size, scale = sum(value.numel() for value in self.free.values()), self._scale()

        def compute() -> Tensor:
            total = torch.zeros(size, dtype=torch.float64, device=self.device)
            for part in parts():
                total += torch.cat([each.detach().reshape(-1) for each in part])
            return total.mul_(scale)

        return self.group.summed(compute, size, self.device, same=same)

    def protocol(self) -> dict[str, Any]:
        """Everything the numbers depend on besides the parameters; how many ranks rounded them, too."""
        return super().protocol() | {"ranks": self.group.size}

    def rows(self) -> list[tuple[str, str]]:
        """What a notebook shows, with this rank's share."""
        mine = f"rank {self.group.rank} of {self.group.size}, {self.evaluated:,} samples"
        return [*super().rows(), ("shared out", mine)]

    def _described(self) -> dict[str, Any]:
        """What the protocol says of the samples; of those read when asked for, digests of the blocks."""
        if not trees.is_lazy((self.samples.inputs, self.samples.targets)):
            return super()._described()
        texts = self.group.gathered(
            lambda: {"text": _as_row(self._own_part().samples.describe()["content_sha256"])},
            [1] * self.group.size,
        )
        whole = hashlib.sha256(b"".join(text["text"].numpy().tobytes() for text in texts)).hexdigest()[:16]
        return self.samples.describe(content=whole)

    def _products(self, kind: Curvature, theta: Parameters, draw: int, keep: int | None) -> Products:
        return _Summed(self._own_part()._products(kind, theta, draw, keep), self)

    def _blocks(self) -> list[range]:
        """Samples of each rank, cut between micro-batches where these are part of the function."""
        count, size = len(self.samples), self.group.size
        unit = self.micro_batch if self.modes.batch_norm == "batch" else 1
        units = -(-count // unit)
        if units < size:
            what = "samples" if unit == 1 else f"micro-batches of {unit} samples"
            raise LandscapeError(f"{units} {what} cannot be shared out among {size} ranks; start fewer ranks")
        ends = [min(count, unit * (units * rank // size)) for rank in range(size + 1)]
        return [range(*pair) for pair in itertools.pairwise(ends)]

    def _own_part(self) -> Objective:
        """The objective over this rank's block, whose checks are those of the whole."""
        if self._part is None:
            block = self._blocks()[self.group.rank]
            self._part = self.subset(block.start, block.stop).replace(soundness=None)
        return self._part

    def _scale(self) -> float:
        """This rank's share of what all samples count for; found once, by all ranks together."""
        if self._share is None:
            mine = [0.0]

            def compute() -> Tensor:
                part = self._own_part()
                mine[0] = part._mean.weight(part)
                return torch.tensor(mine, dtype=torch.float64)

            total = float(self.group.summed(compute, 1))
            self._share = mine[0] / total if total else 0.0
        return self._share


class _Summed(Products):
    """Products of this rank's block, summed over all ranks."""

    def __init__(self, own: Products, whole: Sharded) -> None:
        vars(self).update(vars(own))
        self._whole = whole

    def __call__(self, vectors: Sequence[Tensor]) -> list[Tensor]:
        """The matrix of all samples times a vector given as one tensor a leaf."""
        total = self._whole.summed(lambda: self.parts(vectors), vectors)
        return [each.to(self._whole.dtype) for each in unflatten(total, self._whole.free).values()]


def sharded(objective: Objective, group: Group | None = None) -> Sharded:
    """An objective whose samples are shared out among ranks, the same function to the last digits.

    Args:
        objective: The whole one, made alike on every rank; samples that are read when asked for are read by
            their own rank.
        group: The ranks; those of the default process group if left out.

    Raises:
        LandscapeError: If there is no process group, or there are fewer samples than ranks.
    """
    return Sharded(objective, group or Group())


def _as_row(text: str) -> Tensor:
    return torch.tensor([list(text.encode())], dtype=torch.uint8)
