"""Forward passes micro-batch by micro-batch, and feature maps as they are computed: nothing is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.layout import Follow, MapLayout, first_tensor, follow_inputs
from landscape.objective import Objective
from landscape.zoo.places import Layer, find_layers, listed, unknown

__all__ = ["Layer", "Receive", "capture", "find_layers", "listed"]

Receive = Callable[[str, Tensor], None]
"""Called with a layer's name and its map of shape (batch, channel, height, width)."""


@contextmanager
def capture(
    module: nn.Module,
    names: Iterable[str],
    receive: Receive,
    *,
    inputs: bool = False,
    layouts: Mapping[str, MapLayout] | None = None,
) -> Iterator[None]:
    """While open, every map that the named submodules output is handed to `receive` as it is computed.

    Nothing is kept: an in-place layer may overwrite a map right after the call, so a callback that needs it
    later copies it. Of tuples, such as attention's, the first element counts. Where the map stands in a
    tensor is followed from the network's input on, see `landscape.layout`: tokens are laid out as the map
    they stand for, without class tokens and registers, those in windows or folded included, and maps with the
    channel last are turned. Other outputs, such as logits, and those that could not be followed, are passed
    over. The hooks are removed on leaving, also after an error.

    Args:
        module: The network.
        names: Submodules, as ``module.named_modules()`` calls them.
        receive: Called with the name and the map, in the order of execution.
        inputs: Hand over what the submodules read instead of what they output.
        layouts: Where the maps stand, by name, as `landscape.layout.watch` found it; the passes are then not
            followed again.

    Raises:
        LandscapeError: If there is no submodule of such a name; the message lists close ones.
    """
    submodules = dict(module.named_modules())
    follow = Follow() if layouts is None else None
    known = layouts or {}

    def where(name: str, tensor: Tensor) -> MapLayout | None:
        return follow.map_layout(tensor) if follow else known.get(name)

    with ExitStack() as stack:
        for handle in follow_inputs(module, follow) if follow else ():
            stack.enter_context(handle)
        for name in names:
            if name not in submodules:
                raise unknown(name, list(submodules))
            before, after = _hooks(name, receive, where)
            layer = submodules[name]
            stack.enter_context(
                layer.register_forward_pre_hook(before, with_kwargs=True)
                if inputs
                else layer.register_forward_hook(after)
            )
        stack.enter_context(follow or nullcontext())
        yield


def _hooks(
    name: str, receive: Receive, where: Callable[[str, Tensor], MapLayout | None]
) -> tuple[Callable[..., None], Callable[..., None]]:
    """Hooks that hand over what a layer reads, and what it outputs."""

    def hand_over(value: Any) -> None:
        tensor = first_tensor(value)
        layout = None if tensor is None else where(name, tensor)
        maps = layout.to_map(tensor) if layout and tensor is not None else None
        if maps is not None:
            receive(name, maps)

    def before(_module: nn.Module, args: Any, kwargs: Any) -> None:
        hand_over((*args, *kwargs.values()))

    def after(_module: nn.Module, _args: Any, output: Any) -> None:
        hand_over(output)

    return before, after


Run = Callable[[int, Tensor], None]
"""Runs the network on the inputs that begin at this position."""


def micro_batches(objective: Objective) -> Iterator[tuple[int, Tensor]]:
    """Position of the first sample, and prepared inputs; none are kept, so that memory stays flat."""
    for start in range(0, len(objective.samples), objective.micro_batch):
        for _, inputs, _ in objective.subset(start, start + objective.micro_batch).batches():
            yield start, inputs


def count_micro_batches(objective: Objective) -> int:
    """How many `micro_batches` there are."""
    return math.ceil(len(objective.samples) / objective.micro_batch)


def runs(objective: Objective, draws: int = 1) -> list[Run]:
    """The network in the objective's protocol, once for each draw of its dropout masks.

    Call it before hooks are set: a few samples pass first, so that the objective checks itself.

    Raises:
        LandscapeError: If dropout is an ensemble, whose passes cannot be told apart.
    """
    refuse_ensemble(objective)
    objective.checked("value", report=True)
    return [_run(objective, draw) for draw in range(draws)]


def refuse_ensemble(objective: Objective) -> None:
    """Refuse dropout whose passes cannot be told apart.

    Raises:
        LandscapeError: If dropout is an ensemble.
    """
    if objective.dropout.passes is not None:
        raise LandscapeError(
            f"dropout is {objective.dropout}, which runs each layer several times a pass; look at layers "
            "with dropout off, fixed or fresh"
        )


def repeats(objective: Objective, draws: int) -> int:
    """How many passes `draws` asks for: two for a network without dropout, to see that it repeats itself.

    Raises:
        LandscapeError: If draws are asked for of masks that do not change.
    """
    if draws < 1:
        raise LandscapeError(f"{draws} draws asked for; at least 1 is needed, and 2 for a variance over them")
    if draws == 1:
        return 1
    if not objective.stochastic():
        return 2
    if objective.dropout != "fresh":
        raise LandscapeError(
            f"{draws} draws of dropout masks need dropout 'fresh', but it is {objective.dropout!r}, under "
            "which every draw is the same; set dropout to fresh, or draws to 1"
        )
    return draws


class OddLayer(LandscapeError):
    """A layer that does not give one map of every sample.

    Attributes:
        layer: Its name.
        reason: What it does instead.
    """

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(
            f"layer {layer!r} {reason}; choose a layer that runs exactly once in a forward pass, on "
            "images of one size"
        )
        self.layer, self.reason = layer, reason


def check_count(layer: str, maps: int, samples: int) -> None:
    """Refuse a layer whose maps cannot be told apart.

    Raises:
        OddLayer: If it gave another number of maps than there are samples.
    """
    if maps != samples:
        raise OddLayer(layer, f"gave {maps} maps for {samples} samples")


def _run(objective: Objective, draw: int) -> Run:
    forward = objective.forward
    if forward.batch_norm == "recalibrate":
        with torch.no_grad():
            forward = forward.recalibrated(objective.parameters, objective.batches(), draw)

    def run(start: int, inputs: Tensor) -> None:
        with torch.no_grad():
            forward(objective.parameters, start, inputs, draw)

    return run
