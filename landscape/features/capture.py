"""Feature maps as they are computed, never kept: hooks that always come off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn

from landscape.features.layers import Layer, find_layers, listed, unknown
from landscape.layout import Follow, MapLayout, first_tensor, follow_inputs

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
    handles = follow_inputs(module, follow) if follow else []
    known = layouts or {}

    def where(name: str, tensor: Tensor) -> MapLayout | None:
        return follow.map_layout(tensor) if follow else known.get(name)

    try:
        for name in names:
            if name not in submodules:
                raise unknown(name, list(submodules))
            before, after = _hooks(name, receive, where)
            layer = submodules[name]
            handles.append(
                layer.register_forward_pre_hook(before, with_kwargs=True)
                if inputs
                else layer.register_forward_hook(after)
            )
        with follow or nullcontext():
            yield
    finally:
        for handle in handles:
            handle.remove()


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
