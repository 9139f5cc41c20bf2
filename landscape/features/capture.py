"""Feature maps as they are computed, never kept: hooks that always come off."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from landscape.zoo.places import Layer, find_layers, listed, unknown

__all__ = ["Layer", "Receive", "as_map", "capture", "find_layers", "listed"]

Receive = Callable[[str, Tensor], None]
"""Called with a layer's name and its map of shape (batch, channel, height, width)."""

_EXTRA_TOKENS = 2  # a class token, and a distillation token beside it


@contextmanager
def capture(
    module: nn.Module, names: Iterable[str], receive: Receive, *, inputs: bool = False
) -> Iterator[None]:
    """While open, every map that the named submodules output is handed to `receive` as it is computed.

    Nothing is kept: an in-place layer may overwrite a map right after the call, so a callback that needs it
    later copies it. Of tuples, such as attention's, the first element counts. Tokens of shape
    (batch, n, channel) are laid out as the map they stand for, without a class token in front; those of a
    network in sequence-first order, and square maps with the channel last, are turned. Other outputs, such
    as logits, are passed over. The hooks are removed on leaving, also after an error.

    Args:
        module: The network.
        names: Submodules, as ``module.named_modules()`` calls them.
        receive: Called with the name and the map, in the order of execution.
        inputs: Hand over what the submodules read instead of what they output.

    Raises:
        LandscapeError: If there is no submodule of such a name; the message lists close ones.
    """
    submodules = dict(module.named_modules())
    seen = _Input(module)
    handles = [module.register_forward_pre_hook(seen, with_kwargs=True)]
    try:
        for name in names:
            if name not in submodules:
                raise unknown(name, list(submodules))
            before, after = _hooks(name, receive, seen)
            layer = submodules[name]
            handles.append(
                layer.register_forward_pre_hook(before) if inputs else layer.register_forward_hook(after)
            )
        yield
    finally:
        for handle in handles:
            handle.remove()


def as_map(
    output: Any, batch: int, height: int, width: int, *, sequence_first: bool = False
) -> Tensor | None:
    """A layer's output as a map of shape (batch, channel, height, width), None if it is none.

    Args:
        output: What the layer gave.
        batch: Samples in the batch.
        height: Of the network's input, whose proportions the tokens' grid has.
        width: The same.
        sequence_first: Whether tokens come as (n, batch, channel).
    """
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        return None
    if output.dim() == 4:
        last = height == width and output.shape[1] == output.shape[2] != output.shape[3]
        return output.permute(0, 3, 1, 2) if last else output
    if output.dim() != 3 or not height * width:
        return None
    if sequence_first and output.shape[1] == batch:
        output = output.transpose(0, 1)
    if len(output) != batch:
        return None
    return _grid(output, height / width)


def _grid(tokens: Tensor, proportion: float) -> Tensor | None:
    """Tokens of shape (batch, n, channel) as a map; None if they fill none of these proportions."""
    for extra in range(_EXTRA_TOKENS + 1):
        count = tokens.shape[1] - extra
        rows = round(math.sqrt(max(0, count) * proportion))
        columns = round(rows / proportion)
        if rows > 1 and rows * columns == count:
            return tokens[:, extra:].transpose(1, 2).unflatten(2, (rows, columns))
    return None


class _Input:
    """Hook that notes how large the network's input is."""

    def __init__(self, module: nn.Module) -> None:
        self.batch = self.height = self.width = 0
        attention = [part for part in module.modules() if isinstance(part, nn.MultiheadAttention)]
        self.sequence_first = any(not part.batch_first for part in attention)

    def __call__(self, _module: nn.Module, args: Any, kwargs: Any) -> None:
        for value in (*args, *kwargs.values()):
            if isinstance(value, Tensor) and value.dim() == 4:
                self.batch, _, self.height, self.width = value.shape
                return


def _hooks(name: str, receive: Receive, seen: _Input) -> tuple[Callable[..., None], Callable[..., None]]:
    """Hooks that hand over what a layer reads, and what it outputs."""

    def hand_over(value: Any) -> None:
        maps = as_map(value, seen.batch, seen.height, seen.width, sequence_first=seen.sequence_first)
        if maps is not None:
            receive(name, maps)

    def before(_module: nn.Module, args: Any) -> None:
        hand_over(args)

    def after(_module: nn.Module, _args: Any, output: Any) -> None:
        hand_over(output)

    return before, after
