"""Blocks of any network, recognised by what modules hold and how they repeat, not by their classes."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Literal

from torch import nn

from landscape.zoo.layers import Smooth

Kind = Literal["stem", "block", "attention", "mlp", "smoothing", "subsampling"]
"""`stem`: the map that enters the first block. `block`: the end of a residual or transformer block, of a VGG
stage, or of any part of a user's network. `attention`, `mlp`: the output of that half of a transformer block.
`smoothing`: the end of a smoothing layer. `subsampling`: the end of a pooling or strided layer on its own."""

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_WEIGHTS = (*_CONVOLUTIONS, nn.Conv1d, nn.Linear)
_STRIDED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)
_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_MLP = re.compile(r"mlp|ffn|feed_?forward|^ff$", re.IGNORECASE)
_ADDS = {"intermediate", "output"}
"""The MLP of transformers' blocks, whose second part adds what entered the first, so that it is no half."""
_SMOOTHING = re.compile(r"blur|smooth", re.IGNORECASE)


def recognised(module: nn.Module) -> dict[str, Kind]:
    """Kinds of the layers of a network by name, in its order; empty if no block is recognised.

    A *transformer block* has children of which one is an attention (`nn.MultiheadAttention`, or named so) and
    another an MLP (named `mlp`, `ffn`, `feed_forward` or `ff`, `linear2` behind `linear1`, or `output` behind
    `intermediate`); that of a mixer has two MLPs with a LayerNorm each. A *residual
    block* holds a convolution and at least one more layer with weights, and its class stands at least twice
    among the children of one module, or in several containers, or it lies in a container beside others that
    hold such; one that holds such siblings itself is a stage. The *stem* is the last module in front of the
    first block.
    """
    kinds = _transformer_blocks(module)
    kinds |= _residual_blocks(module, set(kinds))
    blocks = [name for name, _ in module.named_modules() if kinds.get(name) == "block"]
    if not blocks:
        return {}
    stem = _before(module, blocks[0])
    if stem:
        kinds[stem] = "stem"
    kinds |= _between(module, blocks)
    return {name: kinds[name] for name, _ in module.named_modules() if name in kinds}


def units(module: nn.Module) -> list[str]:
    """Outermost parts with weights whose class stands at least twice among one module's children."""
    found: list[str] = []
    for name, part in module.named_modules():
        if any(name.startswith(f"{outer}.") for outer in found):
            continue
        children = [(key, child) for key, child in part.named_children() if _is_unit(child)]
        count = Counter(type(child) for _, child in children)
        found += [f"{name}.{key}".lstrip(".") for key, child in children if count[type(child)] > 1]
    return found


def _is_unit(part: nn.Module) -> bool:
    built = type(part) not in _CONTAINERS and next(part.children(), None) is not None
    return built and weights(part) > 0


def is_smoothing(part: nn.Module) -> bool:
    """Whether a module smooths: the zoo's, one called so, or an average over neighbours at stride 1."""
    if isinstance(part, nn.AvgPool2d):
        return max(pair(part.stride)) == 1 and max(pair(part.kernel_size)) > 1
    called = _SMOOTHING.search(type(part).__name__) is not None
    return isinstance(part, Smooth) or (called and not isinstance(part, _CONTAINERS) and not weights(part))


def stride(part: nn.Module) -> tuple[int, int]:
    """Factors by which a convolution or pooling layer subsamples rows and columns; 1 for everything else."""
    if not isinstance(part, _STRIDED):
        return 1, 1
    return pair(part.kernel_size if part.stride is None else part.stride)  # as LPPool2d keeps it


def has_stride(part: nn.Module) -> bool:
    """Whether a module is a convolution or pooling layer, whose stride says how it subsamples."""
    return isinstance(part, _STRIDED)


def single_layers(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Smoothing layers, and modules without children outside of them, by name."""
    found: list[tuple[str, nn.Module]] = []
    smoothing: list[str] = []
    for name, part in module.named_modules():
        if any(name.startswith(f"{outer}.") for outer in smoothing):
            continue
        if is_smoothing(part):
            smoothing.append(name)
        if is_smoothing(part) or next(part.children(), None) is None:
            found.append((name, part))
    return found


def _transformer_blocks(module: nn.Module) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for name, part in module.named_modules():
        halves = _halves(part) if name else {}
        children = {child for child, _ in part.named_children()}
        if len(halves) == 2 or (halves and children >= _ADDS):
            kinds[name] = "block"
            kinds |= {f"{name}.{half}": kind for half, kind in halves.items()}
    return kinds


def _halves(part: nn.Module) -> dict[str, Kind]:
    """Attention and MLP, or the two MLPs of a mixer, among a module's children; fewer without such."""
    children = {name: child for name, child in part.named_children() if weights(child)}
    attention = [
        name
        for name, child in children.items()
        if isinstance(child, nn.MultiheadAttention) or _ATTENTION.search(name)
    ]
    mlp = [name for name in children if _MLP.search(name) and name not in attention]
    if not mlp and {"linear1", "linear2"} <= set(children):
        mlp = ["linear2"]
    if not attention:
        norms = sum(isinstance(child, nn.LayerNorm) for child in part.children())
        return dict.fromkeys(mlp, "mlp") if len(mlp) == norms == 2 else {}
    halves: dict[str, Kind] = {attention[0]: "attention"}
    if mlp:
        halves[mlp[0]] = "mlp"
    return halves


def _residual_blocks(module: nn.Module, taken: set[str]) -> dict[str, Kind]:
    """Residual blocks outside of the modules already taken and of those that hold them."""
    repeated = _repeated(module)
    beside = _beside(module, repeated)
    kinds: dict[str, Kind] = {}

    def descend(part: nn.Module, prefix: str) -> None:
        for name, child in part.named_children():
            full = f"{prefix}{name}"
            if full in taken:
                continue
            holds_taken = any(other.startswith(f"{full}.") for other in taken)
            fits = type(child) in repeated or child in beside
            if fits and _is_block(child) and not holds_taken and not _is_stage(child):
                kinds[full] = "block"
            else:
                descend(child, f"{full}.")

    descend(module, "")
    return kinds


def _beside(module: nn.Module, repeated: set[type]) -> set[nn.Module]:
    """What could be blocks of a class of their own, in a container beside others that hold blocks."""
    found: set[nn.Module] = set()
    for parent in module.modules():
        inner = [child for child in parent.children() if type(parent) in _CONTAINERS]
        rows = [list(child.children()) for child in inner if type(child) in _CONTAINERS]
        if any(type(part) in repeated for row in rows for part in row):
            found.update(part for row in rows for part in row if _is_block(part))
    return found


def _is_block(part: nn.Module) -> bool:
    """Whether a module could be a residual block: a convolution and one more layer with weights."""
    if type(part) in _CONTAINERS:
        return False
    return weights(part) > 1 and any(isinstance(layer, _CONVOLUTIONS) for layer in part.modules())


def _is_stage(part: nn.Module) -> bool:
    """Whether a module holds blocks of one class side by side."""
    return any(_siblings(parent) for parent in part.modules())


def _siblings(parent: nn.Module) -> set[type]:
    """Classes that could be blocks and stand at least twice among a module's children."""
    count = Counter(type(child) for child in parent.children() if _is_block(child))
    return {kind for kind, times in count.items() if times > 1}


def _repeated(module: nn.Module) -> set[type]:
    """Classes that could be blocks and stand side by side, or in several containers."""
    contained = Counter(
        type(child)
        for parent in module.modules()
        if isinstance(parent, _CONTAINERS)
        for child in parent.children()
        if _is_block(child)
    )
    found = {kind for kind, times in contained.items() if times > 1}
    return found.union(*(_siblings(parent) for parent in module.modules()))


def _before(module: nn.Module, block: str) -> str:
    """The last module in front of a block: the child before it, or before what holds it."""
    parts = block.split(".")
    for depth in range(len(parts), 0, -1):
        parent = module.get_submodule(".".join(parts[: depth - 1]))
        children = [name for name, _ in parent.named_children()]
        position = children.index(parts[depth - 1])
        if position:
            return ".".join([*parts[: depth - 1], children[position - 1]])
    return ""


def _between(module: nn.Module, blocks: list[str]) -> dict[str, Kind]:
    """Smoothing, pooling and strided layers outside of blocks, behind the first one."""
    kinds: dict[str, Kind] = {}
    begun, closed = False, ""
    for name, part in module.named_modules():
        begun = begun or name == blocks[0]
        inside = any(name == block or name.startswith(f"{block}.") for block in blocks)
        if not begun or inside or (closed and name.startswith(closed)):
            continue
        if is_smoothing(part):
            kinds[name], closed = "smoothing", f"{name}."
        elif max(stride(part)) > 1:
            kinds[name] = "subsampling"
    return kinds


def weights(part: nn.Module) -> int:
    """Convolutions and dense layers that a module holds or is."""
    return sum(isinstance(layer, _WEIGHTS) for layer in part.modules())


def pair(size: Any) -> tuple[int, int]:
    """A size of rows and of columns, which one number gives both."""
    rows, *columns = size if isinstance(size, tuple | list) else (size,)
    return int(rows), int(columns[0] if columns else rows)
