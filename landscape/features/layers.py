"""Which layers of a network to look at: found by what the network holds, or named by pattern."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from landscape.errors import LandscapeError
from landscape.features.blocks import Kind, is_smoothing, recognised, stages
from landscape.zoo.blocks import ResidualBlock
from landscape.zoo.layers import Smooth
from landscape.zoo.networks import VGG, CifarResNet, ResNet


@dataclass(frozen=True)
class Layer:
    """A place in a network where a feature map can be looked at.

    Attributes:
        name: Name of the submodule whose output it is.
        kind: What it is, see `landscape.features.blocks.Kind`.
        stage: The stage it belongs to, from 1; 0 before the first one.
    """

    name: str
    kind: Kind
    stage: int


def find_layers(module: nn.Module, patterns: str | Sequence[str] | None = None) -> list[Layer]:
    """Layers worth looking at, in the order in which the network holds them.

    Networks of the zoo offer the stem (after its activation where it has one), every residual block or VGG
    stage, and every smoothing layer; the map *before* a smoothing layer is that of the layer in front of it.
    Other networks offer their residual and transformer blocks, attention and MLP halves apart, with the stem
    and the smoothing and subsampling layers between blocks, recognised by what they hold, see
    `landscape.features.blocks`. Where no block is recognised, the top-level children are offered, with those
    that are an `nn.Sequential` opened one level; each of these `nn.Sequential` begins a stage.

    Args:
        module: The network.
        patterns: Names or shell-style patterns of submodules (``layer3.*``), as a sequence or joined by
            commas, instead of the layers that the network offers by itself.

    Raises:
        LandscapeError: If a pattern matches no submodule, or nothing is chosen.
    """
    submodules = dict(module.named_modules())
    names = [name for name in submodules if name]
    kinds, stage = _known(module)
    if patterns is not None:
        chosen = _matching(names, listed(patterns))
    else:
        chosen = list(kinds) if "block" in kinds.values() else _opened_children(module)
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


def _known(module: nn.Module) -> tuple[dict[str, Kind], dict[str, int]]:
    """Kinds by name of what the network is known to hold, and the stage of every submodule."""
    kinds = _zoo_kinds(module)
    if "block" not in kinds.values():
        found = recognised(module)
        if found:
            return found, stages(module, [name for name, kind in found.items() if kind == "block"])
    top = _top_stages(module)
    return kinds, {name: top[name.partition(".")[0]] for name, _ in module.named_modules() if name}


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
    return "smoothing" if is_smoothing(part) else "block"


def _opened_children(module: nn.Module) -> list[str]:
    names = []
    for name, child in module.named_children():
        opened = isinstance(child, nn.Sequential)
        names += [f"{name}.{inner}" for inner, _ in child.named_children()] if opened else [name]
    return names


def _top_stages(module: nn.Module) -> dict[str, int]:
    """Stage of each top-level child: a stage begins with each `nn.Sequential` but the stem and smoothing."""
    found, stage = {}, 0
    for name, child in module.named_children():
        smoothing = isinstance(child, nn.Sequential) and all(is_smoothing(part) for part in child)
        if isinstance(child, nn.Sequential) and not smoothing and name != _stem(module):
            stage += 1
        found[name] = stage
    return found
