"""An objective of a network whose parameters are sharded (FSDP2): each rank holds a part of every vector."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from landscape import trees
from landscape.distributed.group import Group
from landscape.distributed.parameters import ShardedParameters
from landscape.errors import LandscapeError, RankError
from landscape.forward.batches import Batch, Batches, usual_micro_batch
from landscape.losses import Loss, loss_name
from landscape.network import Network, evaluating
from landscape.precision import differentiable, full_precision
from landscape.protocol import Protocol
from landscape.samples import Samples
from landscape.soundness.compatibility import accepted
from landscape.tasks import task_of

_FIELDS = ("task", "loss", "weight_decay", "params", "micro_batch")

_SLOPE, _STEPS = 0.2, (1e-3, 1e-4, 1e-2, 1e-5)
"""Relative difference of two slopes that is let pass, and steps of the second one as shares of ‖w‖."""


class FullySharded:
    """Mean loss of a network under `torch.distributed.fsdp.fully_shard`, and its gradient.

    No rank holds all parameters, so that vectors over the free ones lie in parts, too: what is given and
    returned is the part of this rank, shape (here,), its shards of the parameters flattened in order. The
    samples are shared out as well, in blocks that follow one another.

    Losses are added over samples and ranks in float64, and so are inner products. Gradients come as FSDP adds
    them over the ranks, in the precision of the parameters. Second derivatives do not pass through FSDP's
    hooks: Hessian–vector products are central finite differences of the gradient, with a bound on their error
    (`landscape.hessian.differences`). `landscape.hessian.top_eigenvalues` and `eigenpairs` take them.

    Every rank has to ask for the same numbers in the same order. Dropout is off, and BatchNorm uses the
    stored statistics.

    Attributes:
        group: The ranks.
        network: The network with the normalisation that applies.
        samples: All samples.
        modes: The protocol.
        parameters: The free parameters.
    """

    def __init__(
        self,
        network: Network | nn.Module,
        samples: Samples | tuple[Tensor, Tensor],
        group: Group | None = None,
        **fields: Any,
    ) -> None:
        """Fix network, samples and protocol.

        Args:
            network: Sharded along one dimension over all ranks of the group; made and loaded alike on every
                rank before that.
            samples: All of them, alike on every rank; those that are read when asked for are read by their
                own rank.
            group: The ranks; those of the default process group if left out.
            **fields: As in `landscape.objective.Objective`: `task`, `loss`, `weight_decay`, `params` and
                `micro_batch`.

        Raises:
            LandscapeError: If there is no process group, the network is not sharded or in mixed precision, a
                field is none that can be had, or there are fewer samples than ranks.
        """
        self.group = group or Group()
        if unknown := sorted(fields.keys() - set(_FIELDS)):
            raise LandscapeError(
                f"{', '.join(unknown)} cannot be chosen for a sharded network; known are {', '.join(_FIELDS)}"
            )
        task = task_of(fields.pop("task", "classification"), fields.pop("loss", None))
        network, self.samples = accepted(network, samples, task)
        self.network = network.normalised_for(self.samples)
        self.parameters = ShardedParameters(self.network.module, fields.pop("params", None), self.group.size)
        like = self.parameters.like
        self.modes = Protocol(
            **fields, task=task, params=self.parameters.params, dtype=str(like.dtype), device=str(like.device)
        )
        self._batches = self._shared_out()
        self._last = torch.empty(0, dtype=torch.float64)
        self._weight: float | None = None
        self._checked = False

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the parameters."""
        return getattr(torch, self.modes.dtype)

    @property
    def device(self) -> torch.device:
        """Where this rank computes."""
        return torch.device(self.modes.device)

    def value(self, shift: Tensor | None = None) -> Loss:
        """The loss at the network's own parameters, or moved by `shift`, shape (here,); its terms apart.

        Raises:
            RankError: On every rank that still can, if one of them failed, has ended, or came apart.
        """
        weight = self._counted()
        with self.parameters.moved(shift):
            found = torch.stack([self._sums()[0], self.parameters.squares()])
        nll, squares = self.total(found).tolist()
        return Loss(nll / weight, 0.5 * self.modes.weight_decay * squares)

    def gradient(self, shift: Tensor | None = None) -> Tensor:
        """Gradient of the total loss at the network's own parameters, or moved; float64, shape (here,).

        The first one is compared with a central difference of the loss.

        Raises:
            RankError: As `value`.
            LandscapeError: If the gradient is not the derivative of the loss.
        """
        if not self._checked:
            self._checked = True
            self._require_derivative()
        scale = self.group.size / self._counted()  # FSDP takes the mean over ranks
        with self.parameters.gradients_kept(), self.parameters.moved(shift), self._together():
            total = self.modes.weight_decay * self.parameters.flat()
            for batch in self._batches:
                with full_precision(self.device), differentiable():
                    (self._losses(batch)[0].sum() * scale).backward()
                total += self.parameters.taken()
        return total

    def total(self, found: Tensor) -> Tensor:
        """Sum over ranks of what each found of its own, float64, any shape, the same bits on every rank.

        With each sum goes a digest of the one before: ranks that came apart stop at the next one.

        Raises:
            RankError: As `value`.
        """
        mine, last = found.detach().double().reshape(-1), self._last
        self._last = self.group.summed(lambda: mine, len(mine), self.device, same=[last]).clone()
        return self._last.view(found.shape).to(found.device)

    def norm(self, vector: Tensor) -> float:
        """Length of a vector of which this rank gives its part, shape (here,)."""
        return float(self.total(vector.double().square().sum()).sqrt())

    def protocol(self) -> dict[str, Any]:
        """What the numbers depend on besides the parameters, and what of them is exact; ready for JSON."""
        names = ("weight_decay", "params", "dtype", "batch_norm", "dropout")
        return {
            "data": {"source": self.samples.source, "samples": len(self.samples)},
            "loss": loss_name(self.modes.task.loss),
            **{name: getattr(self.modes, name) for name in names},
            "micro_batch": self._batches.size,
            "device": self.device.type,
            "ranks": self.group.size,
            "parameters": "sharded",
            "exact": "sums of losses and inner products, in float64",
            "not exact": f"gradients, which FSDP adds over ranks in {self.modes.dtype}, and products",
        }

    def _shared_out(self) -> Batches:
        """This rank's block of samples, in as many micro-batches as any other's: FSDP waits in each."""
        count, size, task = len(self.samples), self.group.size, self.modes.task
        self.group.summed(lambda: torch.zeros(0), 0, same=[torch.tensor([count, self.parameters.size])])
        if count < size:
            raise LandscapeError(
                f"{count} samples cannot be shared out among {size} ranks; start fewer ranks"
            )
        start, stop = (count * each // size for each in (self.group.rank, self.group.rank + 1))
        own, least, most = self.samples.select(np.arange(start, stop)), count // size, -(-count // size)
        wanted = min(self.modes.micro_batch or usual_micro_batch(self.samples, self.device), most)
        even = next(each for each in range(wanted, most + 1) if -(-least // each) == -(-most // each))
        prepared = (self.network.prepare, even, self.device, self.dtype)
        return Batches(own, *prepared, channels_last=False, given=task.batch)

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """What each sample of a micro-batch adds and counts for, None where all count 1; shape (batch,)."""
        _, inputs, targets = batch
        with evaluating(self.network.module):
            outputs = self.modes.task.run(self.network.module, inputs)
        return self.modes.task.shares(outputs, targets)

    def _sums(self) -> Tensor:
        """Sum of this rank's losses and of what its samples count for, float64, shape (2,)."""
        found = torch.zeros(2, dtype=torch.float64, device=self.device)
        with self._together(), full_precision(self.device), torch.no_grad():
            for batch in self._batches:
                losses, weights = self._losses(batch)
                counted = torch.ones_like(losses) if weights is None else weights
                found += torch.stack([losses.double().sum(), counted.double().sum()])
        return found

    def _counted(self) -> float:
        """What all samples count for, found once."""
        if self._weight is None:
            with self.parameters.moved(None):
                self._require_function()
                found = self._sums()
            self._weight = float(self.total(found)[1])
        if not self._weight:
            raise LandscapeError(
                f"no sample of {self.samples.source} counts for anything under this loss, so that it has no "
                "mean; look at its weights and at the index that it ignores"
            )
        return self._weight

    def _require_function(self) -> None:
        """Each rank's first micro-batch twice, and in two groups: as many passes on all of them.

        Raises:
            LandscapeError: On every rank, if losses of one differ.
        """
        start, inputs, targets = next(iter(self._batches))
        count = trees.count(inputs)
        half = (count + 1) // 2
        groups = [slice(half), slice(min(half, count - 1), count)]
        with self._together(), full_precision(self.device), torch.no_grad():
            first, again = (self._losses((start, inputs, targets))[0] for _ in range(2))
            parts = [self._losses((start, *trees.rows((inputs, targets), each)))[0] for each in groups]
        scale = 1e3 * torch.finfo(first.dtype).eps * first.abs().max()
        others = (again, torch.cat(parts)[:count])
        apart = torch.stack([((other - first).abs() > scale).any() for other in others])
        drawn, mixed = self.total(apart.double()).tolist()
        if drawn or mixed:
            why = "twice" if drawn else "in groups of another size"
            raise LandscapeError(
                f"{self.network.name} gives other losses for the same samples {why}: it draws random "
                "numbers, or uses statistics of the batch, in eval mode; switch both off to measure it"
            )

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Passes in which FSDP waits for the other ranks: what fails here, or there, is one kind of error.

        A rank that fails is out of step with FSDP's collectives and cannot tell the others by one of its own:
        it leaves word, and they stop when it has ended, or does not answer in time.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, dist.DistError) or "gloo" in str(error):
                raise self.group.lost() from error
            self.group.watch.report(error)
            told = str(error) or type(error).__name__
            raise RankError(f"rank {self.group.rank} failed: {told}") from error

    def _require_derivative(self) -> None:
        gradient = self.gradient()
        length, reach = self.norm(gradient), self.norm(self.parameters.flat()) or 1.0
        if not 0 < length < math.inf:
            return
        found = []
        for step in (share * reach for share in _STEPS):
            ahead, behind = (self.value(sign * step / length * gradient).total for sign in (1, -1))
            rounding = 100 * torch.finfo(self.dtype).eps * max(abs(ahead), abs(behind)) / step
            found.append((ahead - behind) / (2 * step))
            if abs(found[-1] - length) <= _SLOPE * length + rounding:
                return
        raise LandscapeError(
            f"the gradient is not the derivative of the loss: its length is {length:.6g}, and along it the "
            f"loss rises by {found[0]:.6g} per unit; look for set_gradient_divide_factor, for hooks on "
            "gradients, and for an autograd.Function whose backward is not the derivative of its forward"
        )
