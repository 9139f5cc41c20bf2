"""Which layers of a network to look at: found by what the network holds, or named by pattern."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from landscape.errors import LandscapeError
from landscape.layout import Seen
from landscape.zoo.attention import AttentionBlock, WindowAttention
from landscape.zoo.blocks import ResidualBlock
from landscape.zoo.layers import Smooth
from landscape.zoo.networks import CifarResNet, ConvNet, ResNet
from landscape.zoo.recognition import Kind, is_smoothing, recognised
from landscape.zoo.stages import children_stages, parent_stages, watched_stages


@dataclass(frozen=True)
class Layer:
    """A place in a network where a feature map can be looked at.

    Attributes:
        name: Name of the submodule whose output it is.
        kind: What it is, see `landscape.zoo.recognition.Kind`.
        stage: The stage it belongs to, from 1; 0 before the first one.
    """

    name: str
    kind: Kind
    stage: int


def find_layers(
    module: nn.Module,
    patterns: str | Sequence[str] | None = None,
    seen: Mapping[str, Seen] | None = None,
) -> list[Layer]:
    """Layers worth looking at, in the order in which the network holds them.

    Convolutional networks of the zoo offer the stem (after its activation where it has one), every residual
    block or stage of VGG and AlexNet, the attention in blocks of AlterNet, and every smoothing layer; the map
    *before* a smoothing layer is that of the layer in front of it.
    Other networks offer their residual and transformer blocks, attention and MLP halves apart, with the stem
    and the smoothing and subsampling layers between blocks, recognised by what they hold, see
    `landscape.zoo.recognition`. Where no block is recognised, the top-level children are offered, with those
    that are an `nn.Sequential` opened one level. What a stage is says `landscape.zoo.stages`.

    Args:
        module: The network.
        patterns: Names or shell-style patterns of submodules (``layer3.*``), as a sequence or joined by
            commas, instead of the layers that the network offers by itself.
        seen: What a forward pass did, see `landscape.layout.watch`; without it stages are told by how the
            network is written.

    Raises:
        LandscapeError: If a pattern matches no submodule, or nothing is chosen.
    """
    submodules = dict(module.named_modules())
    names = [name for name in submodules if name]
    kinds, offered = known_layers(module)
    stage = _stages(module, kinds, offered, seen)
    chosen = offered if patterns is None else _matching(names, listed(patterns))
    if not chosen:
        raise LandscapeError(
            f"no layer of {type(module).__name__} is chosen; give names or patterns of its submodules, "
            f"{', '.join(names[:6]) or 'of which it has none'}"
        )
    return [Layer(name, kinds.get(name) or _kind(submodules[name]), stage[name]) for name in chosen]


def listed(patterns: str | Sequence[str]) -> list[str]:
    """Patterns as a list, whether joined by commas or not."""
    parts = patterns.split(",") if isinstance(patterns, str) else patterns
    return [part.strip() for part in parts]


def unknown(name: str, names: list[str]) -> LandscapeError:
    """The error for a name or pattern that fits none of these."""
    close = difflib.get_close_matches(name, names, n=4, cutoff=0.4) or [n for n in names if n][:6]
    return LandscapeError(f"no layer is named {name!r}; this network has {', '.join(close)}, …")


def known_layers(module: nn.Module) -> tuple[dict[str, Kind], list[str]]:
    """Kinds by name of what a network is known to hold, and the names of the layers that it offers."""
    kinds = _zoo_kinds(module)
    if "block" not in kinds.values():
        kinds = recognised(module) or kinds
    return kinds, list(kinds) if "block" in kinds.values() else _opened_children(module)


def is_ours(module: nn.Module) -> bool:
    """Whether a network is a convolutional one of the zoo, whose stages its configuration names."""
    return isinstance(module, CifarResNet | ResNet | ConvNet)


def _stages(
    module: nn.Module, kinds: dict[str, Kind], offered: list[str], seen: Mapping[str, Seen] | None
) -> dict[str, int]:
    """The stage of every submodule."""
    blocks = [name for name, kind in kinds.items() if kind == "block"]
    ours = is_ours(module)
    written = parent_stages(module, blocks) if blocks and not ours else children_stages(module, _stem(module))
    return written if ours or seen is None else written | watched_stages(seen, blocks or offered)


def _matching(names: list[str], patterns: list[str]) -> list[str]:
    """Names that match any of the patterns, in the network's order."""
    chosen: set[str] = set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            raise unknown(pattern, names)
        chosen.update(matched)
    return [name for name in names if name in chosen]


def _zoo_kinds(module: nn.Module) -> dict[str, Kind]:
    """The zoo's own layers by name; empty for other networks."""
    kinds: dict[str, Kind] = {}
    stem = _stem(module)
    stages = [f"layer{i}" for i in range(module.stages)] if isinstance(module, ConvNet) else []
    for name, part in module.named_modules():
        if name == stem:
            kinds[name] = "stem"
        elif isinstance(part, ResidualBlock | AttentionBlock) or name in stages:
            kinds[name] = "block"
        elif isinstance(part, WindowAttention):
            kinds[name] = "attention"
        elif isinstance(part, Smooth):
            kinds[name] = "smoothing"
    return kinds


def _stem(module: nn.Module) -> str | None:
    if isinstance(module, CifarResNet):
        return "conv1" if module.preactivation else "relu"
    return "layer0" if isinstance(module, ResNet) else None


def _kind(part: nn.Module) -> Kind:
    return "smoothing" if is_smoothing(part) else "block"


def _opened_children(module: nn.Module) -> list[str]:
    names = []
    for name, child in module.named_children():
        opened = isinstance(child, nn.Sequential)
        names += [f"{name}.{inner}" for inner, _ in child.named_children()] if opened else [name]
    return names
