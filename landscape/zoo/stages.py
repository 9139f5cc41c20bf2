"""Stages of a network, and where they end.

A stage is a run of blocks between two spatial reductions: a block begins one if its map is at least 1.5 times
lower or narrower than that of the block before it, in the order in which a forward pass runs them. Its end is
its last block, or the largest module that ends with this block: the whole `layer1`, say, rather than
`layer1.1`. Where nothing is recognised as a block, parts of one class side by side count as blocks, or else
every single layer does.

That is the one definition. The zoo's networks have their stages by name, and without a forward pass, how the
others are written stands for it: a run of blocks under one parent, or a top-level `nn.Sequential`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from landscape.layout import Seen
from landscape.zoo.recognition import is_smoothing, units, weights

SHRINKS = 1.5
"""From one map to the next, so that a crop without padding is no reduction."""


def watched_stages(seen: Mapping[str, Seen], blocks: Sequence[str]) -> dict[str, int]:
    """The stage of every submodule that ran: that of its block, or of the last block ended by then.

    Args:
        seen: What each submodule did in a forward pass.
        blocks: Names of the blocks; those without a map count for nothing.
    """
    own = _numbered(seen, blocks)
    found: dict[str, int] = {}
    for name, one in seen.items():
        inside = [block for block in own if name == block or name.startswith(f"{block}.")]
        before = [block for block in own if seen[block].ended <= one.ended]
        if one.runs:
            found[name] = own[inside[0]] if inside else own[before[-1]] if before else 0
    return found


def stage_ends(module: nn.Module, seen: Mapping[str, Seen], blocks: Sequence[str]) -> list[str]:
    """Names of the ends of the stages, in the order of execution; none lies at or behind the head.

    The head is the last layer with weights, a convolution to the classes included.

    Args:
        module: The network.
        seen: What each submodule did in a forward pass.
        blocks: Names of the blocks that are recognised; other parts stand for them if there are none.
    """
    parts = dict(module.named_modules())
    blocks = list(blocks) or units(module)
    candidates = blocks or [name for name in parts if _is_leaf(parts[name])]
    candidates = [name for name in candidates if not behind_head(module, seen, name)]
    if not blocks:
        candidates = [name for name in candidates if seen[name].size != (1, 1)]
    own = _numbered(seen, candidates)
    last = {stage: name for name, stage in own.items()}
    weighted = {stage for name, stage in own.items() if weights(parts[name])}
    return [_whole(module, seen, own, name) for stage, name in last.items() if stage in weighted]


def behind_head(module: nn.Module, seen: Mapping[str, Seen], name: str) -> bool:
    """Whether a submodule holds the head or runs behind it."""
    ran = [seen[part].ended for part, layer in module.named_modules() if _is_leaf(layer) and weights(layer)]
    return seen[name].ended >= max(ran, default=0)


def parent_stages(module: nn.Module, blocks: Sequence[str]) -> dict[str, int]:
    """Without a forward pass: a run of blocks under one parent, from 1; 0 in front of the first.

    What holds blocks belongs to the stage of the last one.
    """
    found: dict[str, int] = {}
    stage, parent = 0, None
    for name, _ in module.named_modules():
        if name in blocks and name.rpartition(".")[0] != parent:
            stage, parent = stage + 1, name.rpartition(".")[0]
        found[name] = stage
    last = {name: found[name] for name in blocks}
    for name in found:
        held = [stage for block, stage in last.items() if block.startswith(f"{name}.")]
        found[name] = max([found[name], *held])
    return found


def children_stages(module: nn.Module, stem: str | None = None) -> dict[str, int]:
    """Without a forward pass: a stage begins with each top-level `nn.Sequential` but stem and smoothing."""
    top, stage = {}, 0
    for name, child in module.named_children():
        smoothing = isinstance(child, nn.Sequential) and all(is_smoothing(part) for part in child)
        if isinstance(child, nn.Sequential) and not smoothing and name != stem:
            stage += 1
        top[name] = stage
    return {name: top[name.partition(".")[0]] for name, _ in module.named_modules() if name}


def _numbered(seen: Mapping[str, Seen], blocks: Iterable[str]) -> dict[str, int]:
    """Stage of each block with a map, from 1, in the order of execution."""
    found: dict[str, int] = {}
    stage, before = 1, None
    ran = [name for name in blocks if seen[name].runs == 1 and seen[name].size]
    for name in sorted(ran, key=lambda name: seen[name].ended):
        size = seen[name].size or (0, 0)
        if before and any(old >= SHRINKS * new for old, new in zip(before, size, strict=True)):
            stage += 1
        found[name], before = stage, size
    return found


def _whole(module: nn.Module, seen: Mapping[str, Seen], own: dict[str, int], end: str) -> str:
    """The largest module that ends with a block, within the block's stage and with a map of its size."""
    found, name = end, end
    while "." in name:
        name = name.rpartition(".")[0]
        stages = {own[block] for block in own if block.startswith(f"{name}.")}
        fits = seen[name].runs == 1 and seen[name].size == seen[end].size and stages == {own[end]}
        if fits and not behind_head(module, seen, name):
            found = name
    return found


def _is_leaf(part: nn.Module) -> bool:
    return next(part.children(), None) is None
