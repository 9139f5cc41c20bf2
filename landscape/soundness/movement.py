"""Whether weights that are handed to a network reach what it computes.

The fast way of evaluating, other tensors in the slots of the module, is compared with the plain one: the
numbers themselves written into the network's own parameters. They differ where a weight is used past its
slot, through a closure, a list of another object or a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from landscape import trees
from landscape.errors import LandscapeError
from landscape.forward.contexts import without_recomputation
from landscape.forward.swapping import Slots, as_real, plain_tensors
from landscape.mean_loss import MeanLoss
from landscape.network import evaluating
from landscape.parameters import Parameters
from landscape.precision import full_precision
from landscape.results import Check
from landscape.trees import Tree

Run = Callable[[], Tensor]
"""Evaluates two samples with whatever the module holds."""

_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
_LENGTHS = (1.0, 0.1, 0.01)  # of the step in units of ‖w‖; shorter ones where outputs are not finite


def movement(objective: MeanLoss) -> Check:
    """Evaluate two samples at far weights, ‖Δw‖ = ‖w‖ along a random direction, in both ways.

    Raises:
        LandscapeError: If they differ; the message names a parameter that does not reach the network, or what
            else is the likely cause.
    """
    module = objective.network.module
    inputs, task = _inputs(objective), objective.task

    def run() -> Tensor:
        return task.run(module, trees.copied(inputs)).clone()  # it may be a view of a parameter

    for length in _LENGTHS:
        far = far_weights(module, length)
        ours, plain = _swapped(module, far, run), _loaded(module, far, run)
        if bool(torch.isfinite(plain).all()):
            break
    off = _difference(ours, plain)
    if not off <= _TOLERANCE.get(plain.dtype, 1e-2):
        raise LandscapeError(_complaint(module, far, run, off))
    stale = _stale(module, far, run)
    if stale:
        raise LandscapeError(stale)
    return Check(
        "movement",
        True,
        f"At far weights (‖Δw‖ = {length:g}·‖w‖) two samples give what the network gives with these weights "
        f"loaded ({off:.0e} apart).",
    )


def far_weights(module: nn.Module, length: float, *, seed: int = 0) -> Parameters:
    """Parameters moved at random, each by `length` times its own size, in the network's own precision."""
    generator = torch.Generator().manual_seed(seed)
    moved = {}
    for name, value in module.named_parameters():
        own = value.detach()
        if not (own.is_floating_point() or own.is_complex()):
            continue
        step = torch.randn(own.shape, generator=generator, dtype=_drawable(own)).to(own)
        # A bias of zero has no size; a tenth of a unit is about that of a weight.
        size = own.abs().double().square().mean().sqrt().clamp(min=0.1) if own.numel() else 0.0
        moved[name] = own + length * size * step
    return moved


def _drawable(value: Tensor) -> torch.dtype:
    return torch.complex64 if value.is_complex() else torch.float32


def _inputs(objective: MeanLoss) -> Tree:
    """What two samples give the network, prepared, where it is and in its precision."""
    inputs, targets = objective.samples.batch(0, 2)
    given = objective.task.batch(objective.network.prepare(inputs), targets)
    own = next(iter(objective.network.module.parameters()), trees.leaves(given)[0])
    exact = own.dtype if own.is_floating_point() else None

    def placed(leaf: Tensor) -> Tensor:
        return leaf.to(own.device, exact if leaf.is_floating_point() else None)

    return trees.mapped(placed, given)


def _swapped(module: nn.Module, moved: Mapping[str, Tensor], run: Run) -> Tensor:
    """Outputs with these parameters handed to the module, the others its own."""
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    state = {name: value.detach().clone() for name, value in own.items()} | dict(moved)
    before = {name: value.clone() for name, value in moved.items()}
    with _quietly(module), Slots(module).holding(state):
        outputs = run()
    for name, value in before.items():
        if not torch.equal(as_real(value), as_real(state[name])) and not value.isnan().any():
            raise LandscapeError(
                f"the network changes its weights as it runs ({name}), so that its loss is no function of "
                "them; compute what it needs from them without writing to them"
            )
    return outputs


def _loaded(module: nn.Module, moved: Mapping[str, Tensor], run: Run) -> Tensor:
    with loaded(module, moved), _quietly(module):
        own = dict(module.named_parameters()) | dict(module.named_buffers())
        # The slots hold what they always do; this takes back what the pass leaves behind.
        with Slots(module).holding(own):
            return run()


@contextmanager
def loaded(module: nn.Module, moved: Mapping[str, Tensor]) -> Iterator[None]:
    """Other numbers in the network's own parameters and buffers while open; the old ones are put back."""
    own = dict(module.named_parameters())
    held = own | dict(module.named_buffers())
    before = {name: value.detach().clone() for name, value in held.items()}
    try:
        for name, value in moved.items():
            own[name].data.copy_(value)
        yield
    finally:
        for name, value in before.items():
            if not torch.equal(held[name], value):
                held[name].data.copy_(value)


@contextmanager
def _quietly(module: nn.Module) -> Iterator[None]:
    """Eval mode, no derivatives, and random numbers that begin alike each time, so that none is to blame."""
    device = next(module.parameters()).device
    with (
        torch.random.fork_rng(),
        torch.no_grad(),
        full_precision(device),
        evaluating(module),
        without_recomputation(),
    ):
        yield


def _difference(ours: Tensor, plain: Tensor) -> float:
    """Largest difference, relative to the largest output; 0 where both hold the same NaN or infinity."""
    a, b = as_real(ours).double(), as_real(plain).double()
    if a.shape != b.shape:
        return float("inf")
    same = (a == b) | (a.isnan() & b.isnan())
    if bool(same.all()):
        return 0.0
    scale = float(b[b.isfinite()].abs().amax()) if bool(b.isfinite().any()) else 1.0
    return float(((a - b).abs()[~same] / (scale or 1.0)).nan_to_num(nan=float("inf")).max())


def _complaint(module: nn.Module, far: Parameters, run: Run, off: float) -> str:
    """What to say: the first parameter, moved alone, that does not reach the outputs."""
    for name, value in far.items():
        alone = {name: value}
        if _difference(_swapped(module, alone, run), _loaded(module, alone, run)) > 1e-5:
            break
    else:
        name = next(iter(far), "none")
    return (
        "the network does not compute with the weights that it is handed: moved far, its outputs differ by "
        f"{off:.1g} from those with the same weights loaded, and parameter '{name}' is the first that does "
        "not reach them; use it through the module that holds it (self.layer.weight in forward), not through "
        "a closure, another object or a copy made before"
    )


def _stale(module: nn.Module, far: Parameters, run: Run) -> str:
    """A word on a weight without any effect beside a tensor that looks computed from it; empty if none is."""
    suspects = [(name, each) for name, each in plain_tensors(module) if each.is_floating_point()]
    own = dict(module.named_parameters())
    if not suspects:
        return ""
    there = _swapped(module, far, run)
    for attribute, tensor in suspects:
        holder = attribute.rpartition(".")[0]
        for name, value in far.items():
            looks_alike = tensor.grad_fn is not None or tensor.numel() == value.numel()
            if not looks_alike or not f"{name}.".startswith(f"{holder}." if holder else ""):
                continue
            without = _swapped(module, far | {name: own[name].detach()}, run)
            if not torch.equal(value, own[name]) and _difference(without, there) == 0:
                return (
                    f"parameter '{name}' has no effect on the outputs, while attribute '{attribute}' looks "
                    "like a value computed from it before and kept; compute it anew in each forward pass, or "
                    "delete it before measuring"
                )
    return ""
