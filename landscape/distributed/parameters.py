"""The mean loss of a network whose parameters are sharded (FSDP2), as a function of this rank's shards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from landscape import spread, trees
from landscape.distributed.group import Group
from landscape.errors import LandscapeError
from landscape.forward.batches import Batch, Batches, usual_micro_batch
from landscape.losses import Loss
from landscape.network import Network, evaluating
from landscape.parameters import Parameters, check_fit
from landscape.precision import differentiable, full_precision
from landscape.protocol import Protocol
from landscape.samples import Samples
from landscape.soundness.compatibility import accepted
from landscape.tasks import task_of


class SpreadLoss:
    """Mean loss over fixed samples of a network to which `torch.distributed.fsdp.fully_shard` was applied.

    Each rank holds its shards of the parameters, and evaluates its own block of the samples. Values and
    gradients are those of the whole network over all samples. There is no second derivative: the hooks that
    gather parameters do not survive one, so that products with the Hessian are finite differences
    (`landscape.hessian.spread_eigenvalues`). Parameters, gradients and vectors here are this rank's shards
    alone; inside `spreading`, norms and inner products of them are those of whole vectors.

    The module's parameters are overwritten while a value or a gradient elsewhere is computed, and put back.
    Every rank has to ask for the same numbers in the same order.

    Attributes:
        network: The network.
        samples: The fixed samples, all of them.
        group: The ranks.
        parameters: This rank's shards, copied.
        free: Those that derivatives are taken with respect to.
        rank: Of this process.
        width: Entries of a vector over the free parameters that this rank holds.
        size: Entries of a whole one.
    """

    product_error: Any = None

    def __init__(
        self, network: Network | nn.Module, samples: Any, group: Group | None = None, **fields: Any
    ) -> None:
        """Fix network, samples and protocol.

        Args:
            network: Its parameters are sharded by `fully_shard`, all of them.
            samples: As of `landscape.objective.Objective`, alike on every rank.
            group: The ranks that the parameters are sharded among; the default process group if left out.
            **fields: `task`, `loss`, `weight_decay` and `micro_batch`, as of `Objective`.

        Raises:
            LandscapeError: If a parameter is not sharded, or the protocol asks for what is not done here.
        """
        unknown = sorted(fields.keys() - {"task", "loss", "weight_decay", "micro_batch"})
        if unknown:
            raise LandscapeError(f"{unknown[0]} cannot be chosen where parameters are sharded; leave it out")
        self.task = task_of(fields.pop("task", "classification"), fields.pop("loss", None))
        self.modes = Protocol(device="cpu", **fields)
        self.network, self.samples = accepted(network, samples, self.task)
        self.network = self.network.normalised_for(self.samples)
        self.group = group or Group()
        self._held = {name: _sharded(name, p) for name, p in self.network.module.named_parameters()}
        self.parameters = {name: value.clone() for name, value in self._locals().items()}
        trained = {name for name, p in self.network.module.named_parameters() if p.requires_grad}
        self.free = {name: value for name, value in self.parameters.items() if name in trained}
        first = next(iter(self.free.values()))
        self.dtype, self.device = first.dtype, first.device
        self.rank = self.group.rank
        self.width = sum(value.numel() for value in self.free.values())
        self.size = sum(self._held[name].numel() for name in self.free)
        self._batches = self._shared_out()

    def spreading(self) -> Any:
        """A context in which norms and inner products of shards are those of whole vectors."""
        return spread.spread(self)

    def total(self, part: Tensor) -> Tensor:
        """Sum over all ranks, see `landscape.spread.Spreading`."""
        found = self.group.summed(lambda: part.double().reshape(-1), part.numel(), part.device)
        return found.to(part.dtype).reshape(part.shape)

    def value(self, parameters: Mapping[str, Tensor] | None = None) -> Loss:
        """The loss at these shards (the network's own by default), its two terms apart; exact."""

        def compute() -> Tensor:
            sums = torch.zeros(2, dtype=torch.float64)
            with torch.no_grad():
                for batch, counts in self._passes():
                    shares, weight = self._shares(batch)
                    if counts:
                        sums += torch.stack([shares.detach().double().sum().cpu(), weight.cpu()])
            return sums

        with self._at(parameters) as theta:
            found = self.group.summed(compute, 2)
            squares = sum((each.double().square().sum() for each in theta.values()), torch.zeros(()).double())
            decay = self.group.summed(lambda: squares.reshape(1).cpu(), 1)
        return Loss(float(found[0] / found[1]), 0.5 * self.modes.weight_decay * float(decay))

    def gradient(self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0) -> Parameters:
        """This rank's shards of the gradient of the total loss.

        Micro-batches are added in float64; over ranks FSDP adds, in the precision that it was told.

        Args:
            parameters: Where, this rank's shards; the network's own by default.
            draw: Of no account, as there are no dropout masks.
        """
        own = dict(self.network.module.named_parameters())
        sums = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in self.free.items()}
        weight = torch.zeros(1, dtype=torch.float64)
        with self._at(parameters) as theta, differentiable(), _without_gradients(own):
            for batch, counts in self._passes():
                shares, count = self._shares(batch)
                # FSDP takes the mean over ranks; a pass that only keeps others company adds nothing.
                (shares.sum() * (self.group.size if counts else 0.0)).backward()
                weight += count.cpu() if counts else 0.0
                for name in self.free:
                    gradient = own[name].grad
                    if gradient is not None:
                        sums[name] += _local(gradient)
                    own[name].grad = None
            whole = float(self.group.summed(lambda: weight, 1))
            decay = self.modes.weight_decay
            return {name: (each / whole + decay * theta[name]).to(self.dtype) for name, each in sums.items()}

    def flat(self, parts: Mapping[str, Tensor]) -> Tensor:
        """This rank's entries of a vector, shape (width,)."""
        return torch.cat([parts[name].reshape(-1) for name in self.free])

    def parts(self, vector: Tensor) -> Parameters:
        """The inverse of `flat`."""
        split = vector.split([value.numel() for value in self.free.values()])
        return {name: part.view(self.free[name].shape) for name, part in zip(self.free, split, strict=True)}

    def _shares(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Weighted losses of a batch, and the sum of the weights."""
        _, inputs, targets = batch
        with full_precision(self.device), evaluating(self.network.module):
            outputs = self.task.run(self.network.module, trees.copied(inputs))
            losses, weights = self.task.shares(outputs, targets)
        count = torch.tensor(float(len(losses))).double() if weights is None else weights.double().sum()
        return losses, count

    def _passes(self) -> Iterator[tuple[Batch, bool]]:
        """This rank's micro-batches, and as many more, which do not count, as others have."""
        held = list(self._batches)
        longest = math.ceil(len(self.samples) / self.group.size)
        most = math.ceil(longest / self._batches.size)
        counted = len(self._block())
        for position in range(most):
            inside = position < len(held) and counted > 0
            yield held[position if inside else 0], inside

    def _block(self) -> range:
        count, size = len(self.samples), self.group.size
        return range(count * self.group.rank // size, count * (self.group.rank + 1) // size)

    def _shared_out(self) -> Batches:
        block = self._block() or range(1)  # of fewer samples than ranks, one to keep company with
        samples: Samples = self.samples.select(list(block))
        size = self.modes.micro_batch or usual_micro_batch(self.samples, self.device)
        prepared = (self.network.prepare, size, self.device, self.dtype)
        return Batches(samples, *prepared, channels_last=False, given=self.task.batch)

    def _locals(self) -> Parameters:
        return {name: _local(value) for name, value in self._held.items()}

    @contextmanager
    def _at(self, parameters: Mapping[str, Tensor] | None) -> Iterator[Mapping[str, Tensor]]:
        """The module with other numbers in its shards while open."""
        if parameters is None:
            yield self.parameters
            return
        check_fit(parameters, self.parameters)
        with ExitStack() as stack, torch.no_grad():
            stack.callback(self._write, self.parameters)
            self._write(parameters)
            with torch.enable_grad():
                yield parameters

    def _write(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, shard in self._locals().items():
                shard.copy_(values[name])


def _sharded(name: str, parameter: Tensor) -> DTensor:
    if not isinstance(parameter, DTensor):
        raise LandscapeError(
            f"parameter {name!r} is not sharded; apply torch.distributed.fsdp.fully_shard to the network, or "
            "take landscape.distributed.sharded, whose ranks hold every parameter"
        )
    return parameter


def _local(value: Tensor) -> Tensor:
    """This rank's shard of a tensor."""
    return value.detach().to_local() if isinstance(value, DTensor) else value.detach()


@contextmanager
def _without_gradients(own: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """No gradients in the parameters at first; those of the user are put back."""
    before = {name: each.grad for name, each in own.items()}
    for each in own.values():
        each.grad = None
    try:
        yield
    finally:
        for name, each in own.items():
            each.grad = before[name]
