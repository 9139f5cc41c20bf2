"""AlterNet in a state dict: which blocks of which stages attend, read from their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from landscape.zoo.families import BLOCKS
from landscape.zoo.parts import Part

_USUAL = 64
_BLOCK = re.compile(r"(?:^|\.)layer([1-9]\d*)\.(\d+)\.")


def candidates(parts: Sequence[Part], stem: Part) -> Iterator[dict[str, Any]]:
    """Fields of the configurations that could be meant; none without attention in windows.

    Heads of 64 channels, as in the authors' code, where the channels allow it, else a single one in the first
    stage: shapes do not show how channels are parted.

    Args:
        parts: Layers of the state dict.
        stem: Its first convolution.
    """
    held: dict[int, set[int]] = {}
    attending: dict[int, set[int]] = {}
    inner: dict[int, int] = {}
    windows = {part.tensors["pos_embedding"][0] for part in parts if "pos_embedding" in part.tensors}
    for part in parts:
        found = _BLOCK.search(f"{part.name}.")
        if found is None:
            continue
        stage, block = int(found[1]), int(found[2])
        held.setdefault(stage, set()).add(block)
        if part.name.endswith("to_q"):
            attending.setdefault(stage, set()).add(block)
            inner[stage] = part.shape[0]
    if not attending or len(windows) != 1 or set(held) != {1, 2, 3, 4}:
        return
    first = min(inner)
    channels = inner[first] >> (first - 1)
    heads = channels // _USUAL if channels and channels % _USUAL == 0 else 1
    values: dict[str, Any] = {
        "architecture": "resnet",
        "stem": "imagenet" if stem.shape[2] == 7 else "cifar",
        "attend": tuple(len(attending.get(stage, ())) for stage in (1, 2, 3, 4)),
        "heads": heads,
        "head_dim": channels // heads,
        "window": (windows.pop() + 1) // 2,
    }
    counts = tuple(len(held[stage]) for stage in (1, 2, 3, 4))
    for depth in sorted(BLOCKS, key=lambda depth: BLOCKS[depth] != counts):
        for preactivation, shortcut in ((True, "conv"), (False, "B"), (True, "B"), (False, "conv")):
            more = {"preactivation": preactivation, "shortcut": shortcut}
            yield values | {"depth": depth, "blocks": counts} | more
