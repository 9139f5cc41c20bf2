"""Parameters that FSDP2 has sharded, as one vector of which each rank holds a part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.parameters import chosen

_HOW = "wrap the whole network, torch.distributed.fsdp.fully_shard(module), over a mesh of all ranks"


class ShardedParameters:
    """The free parameters of a sharded network; this rank's shards flattened in order are its part of them.

    Attributes:
        params: The pattern that they match.
        size: Entries of all of them, n.
        here: Entries that this rank holds.
        like: A parameter of the network.
    """

    def __init__(self, module: nn.Module, params: str | None, ranks: int) -> None:
        """Take the parameters of a network.

        Args:
            module: The network.
            params: Pattern of the free ones; those that are not frozen by default.
            ranks: Over how many it has to be sharded.

        Raises:
            LandscapeError: If it is not sharded over all ranks or in mixed precision, or nothing is free.
        """
        from torch.distributed.fsdp import FSDPModule  # slow to import, and seldom needed

        self._layers = [layer for layer in module.modules() if isinstance(layer, FSDPModule)]
        self.reshard()
        named: dict[str, Any] = dict(module.named_parameters())
        _require_sharded(named, ranks)
        _require_one_precision(named, self._layers)
        frozen = {name for name, value in named.items() if not value.requires_grad}
        self.params, free = chosen(named, params, frozen)
        if odd := frozen & free.keys():
            raise LandscapeError(
                f"{min(odd)} is frozen, so that FSDP computes no gradient of it; let it require one before "
                "the network is sharded, or choose other params"
            )
        self.like: Any = next(iter(named.values()))
        self._all, self._free = list(named.values()), [named[name] for name in free]
        self.size = sum(value.numel() for value in self._free)
        self.here = sum(value.to_local().numel() for value in self._free)

    def flat(self) -> Tensor:
        """This rank's part, float64, shape (here,)."""
        return torch.cat([part.double().reshape(-1) for part in self._parts()])

    def squares(self) -> Tensor:
        """Sum of squares of this rank's part of every parameter, free or not; float64, a scalar."""
        return torch.stack([value.to_local().detach().double().square().sum() for value in self._all]).sum()

    def taken(self) -> Tensor:
        """This rank's part of the gradient, float64, shape (here,), which is taken off the parameters."""
        parts = []
        for value in self._free:
            own = value.to_local() if value.grad is None else value.grad.to_local()
            parts.append(own.detach().double().reshape(-1) * (value.grad is not None))
        for value in self._all:
            value.grad = None
        return torch.cat(parts)

    def reshard(self) -> None:
        """Let go of gathered parameters: a pass without a derivative leaves them, and they would go stale."""
        for layer in self._layers:
            layer.reshard()

    @contextmanager
    def moved(self, shift: Tensor | None) -> Iterator[None]:
        """The parameters moved by a vector while open, and none gathered; then they are what they were.

        Args:
            shift: This rank's part, shape (here,); None moves nothing.
        """
        parts = self._parts()
        before = [part.clone() for part in parts] if shift is not None else []
        try:
            if shift is not None:
                steps = shift.double().split([part.numel() for part in parts])
                for part, step in zip(parts, steps, strict=True):
                    part.copy_(part.double() + step.view(part.shape))
            yield
        finally:
            self.reshard()
            for part, old in zip(parts, before, strict=False):
                part.copy_(old)

    @contextmanager
    def gradients_kept(self) -> Iterator[None]:
        """No gradients while open; then those that were there."""
        before = [each.grad for each in self._all]
        for each in self._all:
            each.grad = None
        try:
            yield
        finally:
            for each, gradient in zip(self._all, before, strict=True):
                each.grad = gradient

    def _parts(self) -> list[Tensor]:
        """This rank's shards of the free parameters, which share their memory."""
        return [value.to_local().detach() for value in self._free]


def _require_sharded(named: dict[str, Any], ranks: int) -> None:
    from torch.distributed.tensor import DTensor, Shard

    for name, value in named.items():
        if not isinstance(value, DTensor):
            raise LandscapeError(f"{name} is not sharded; {_HOW}")
        mesh, placements = value.device_mesh, value.placements
        if mesh.ndim != 1 or mesh.size() != ranks or type(placements[0]) is not Shard:
            shape = " × ".join(map(str, mesh.shape))
            raise LandscapeError(
                f"{name} is placed as {placements} on a mesh of {shape} ranks, expected one dimension that "
                f"shards it over all {ranks}; {_HOW}"
            )


def _require_one_precision(named: dict[str, Any], layers: list[Any]) -> None:
    """Finite differences drown in reduced precision."""
    policies = [layer._get_fsdp_state()._mp_policy for layer in layers]
    dtypes = {value.dtype for value in named.values()}
    dtypes |= {each for policy in policies for each in (policy.param_dtype, policy.reduce_dtype) if each}
    if len(dtypes) != 1 or not dtypes <= {torch.float32, torch.float64}:
        kinds = " and ".join(sorted(str(each).removeprefix("torch.") for each in dtypes)) or "nothing"
        raise LandscapeError(
            f"the network computes in {kinds}, expected float32 or float64 throughout, as finite differences "
            "need; shard it without a mixed-precision policy"
        )
