"""Which layers of a network to look at, and their feature maps as they are computed, never kept."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.zoo.blocks import ResidualBlock
from landscape.zoo.layers import Smooth
from landscape.zoo.networks import VGG, CifarResNet, ResNet

Kind = Literal["stem", "block", "smoothing"]
"""`stem`: the map that enters the first stage. `block`: the end of a residual block, of a VGG stage, or of
any part of a user's network. `smoothing`: the end of a smoothing layer."""

Receive = Callable[[str, Tensor], None]
"""Called with a layer's name and its map of shape (batch, channel, height, width)."""


@dataclass(frozen=True)
class Layer:
    """A place in a network where a feature map can be looked at.

    Attributes:
        name: Name of the submodule whose output it is.
        kind: `stem`, `block` or `smoothing`.
        stage: The stage it belongs to, from 1; 0 before the first one.
    """

    name: str
    kind: Kind
    stage: int


@contextmanager
def capture(module: nn.Module, names: Iterable[str], receive: Receive) -> Iterator[None]:
    """While open, every map that the named submodules output is handed to `receive` as it is computed.

    Nothing is kept: an in-place layer may overwrite a map right after the call, so a callback that needs it
    later copies it. Outputs that are not 4-D tensors, such as logits, are passed over. The hooks are removed
    on leaving, also after an error.

    Args:
        module: The network.
        names: Submodules, as ``module.named_modules()`` calls them.
        receive: Called with the name and the map, in the order of execution.

    Raises:
        LandscapeError: If there is no submodule of such a name; the message lists close ones.
    """
    submodules = dict(module.named_modules())
    handles = []
    try:
        for name in names:
            if name not in submodules:
                raise _unknown(name, list(submodules))
            handles.append(submodules[name].register_forward_hook(_hook(name, receive)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def find_layers(module: nn.Module, patterns: str | Sequence[str] | None = None) -> list[Layer]:
    """Layers worth looking at, in the order in which the network holds them.

    Networks of the zoo offer the stem (after its activation where it has one), every residual block or VGG
    stage, and every smoothing layer; the map *before* a smoothing layer is that of the layer in front of it.
    Other networks offer their top-level children, with those that are an `nn.Sequential` opened one level;
    each of these `nn.Sequential` begins a stage.

    Args:
        module: The network.
        patterns: Names or shell-style patterns of submodules (``layer3.*``), as a sequence or joined by
            commas, instead of the layers that the network offers by itself.

    Raises:
        LandscapeError: If a pattern matches no submodule, or nothing is chosen.
    """
    submodules = dict(module.named_modules())
    names = [name for name in submodules if name]
    kinds = _zoo_kinds(module)
    if patterns is not None:
        chosen = _matching(names, listed(patterns))
    elif "block" in kinds.values():
        chosen = list(kinds)
    else:
        chosen = _opened_children(module)
    if not chosen:
        raise LandscapeError(
            f"no layer of {type(module).__name__} is chosen; give names or patterns of its submodules, "
            f"{', '.join(names[:6]) or 'of which it has none'}"
        )
    stages = _stages(module)
    return [
        Layer(name, kinds.get(name) or _kind(submodules[name]), stages[name.partition(".")[0]])
        for name in chosen
    ]


def listed(patterns: str | Sequence[str]) -> list[str]:
    """Patterns as a list, whether joined by commas or not."""
    parts = patterns.split(",") if isinstance(patterns, str) else patterns
    return [part.strip() for part in parts]


def _hook(name: str, receive: Receive) -> Callable[[nn.Module, Any, Any], None]:
    def hook(_module: nn.Module, _args: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            receive(name, output)

    return hook


def _unknown(name: str, names: list[str]) -> LandscapeError:
    close = difflib.get_close_matches(name, names, n=4, cutoff=0.4) or [n for n in names if n][:6]
    return LandscapeError(f"no layer is named {name!r}; this network has {', '.join(close)}, …")


def _matching(names: list[str], patterns: list[str]) -> list[str]:
    """Names that match any of the patterns, in the network's order."""
    chosen: set[str] = set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            raise _unknown(pattern, names)
        chosen.update(matched)
    return [name for name in names if name in chosen]


def _zoo_kinds(module: nn.Module) -> dict[str, Kind]:
    """The zoo's own layers by name; empty for other networks."""
    kinds: dict[str, Kind] = {}
    stem = _stem(module)
    for name, part in module.named_modules():
        if name == stem:
            kinds[name] = "stem"
        elif isinstance(part, ResidualBlock) or (isinstance(module, VGG) and name in _VGG_STAGES):
            kinds[name] = "block"
        elif isinstance(part, Smooth):
            kinds[name] = "smoothing"
    return kinds


_VGG_STAGES = tuple(f"layer{i}" for i in range(5))


def _stem(module: nn.Module) -> str | None:
    if isinstance(module, CifarResNet):
        return "conv1" if module.preactivation else "relu"
    return "layer0" if isinstance(module, ResNet) else None


def _kind(part: nn.Module) -> Kind:
    return "smoothing" if isinstance(part, Smooth) else "block"


def _opened_children(module: nn.Module) -> list[str]:
    names = []
    for name, child in module.named_children():
        opened = isinstance(child, nn.Sequential)
        names += [f"{name}.{inner}" for inner, _ in child.named_children()] if opened else [name]
    return names


def _stages(module: nn.Module) -> dict[str, int]:
    """Stage of each top-level child: a stage begins with each `nn.Sequential` but the stem and smoothing."""
    stages, stage = {}, 0
    for name, child in module.named_children():
        smoothing = isinstance(child, nn.Sequential) and all(isinstance(part, Smooth) for part in child)
        if isinstance(child, nn.Sequential) and not smoothing and name != _stem(module):
            stage += 1
        stages[name] = stage
    return stages
