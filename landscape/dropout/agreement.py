"""Whether two ways through a network give the same numbers, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

_TOLERANCE = 1e-4  # of the largest number: float32 rounding through a deep network


def seen(layers: Iterable[nn.Module], run: Callable[[], Any]) -> list[Tensor]:
    """What these layers put out in a run, call by call, and what the network does.

    A layer's effect may vanish on the way to the end, as in a network that has not been trained.
    """
    found: list[Tensor] = []

    def note(layer: nn.Module, args: Any, output: Any) -> None:
        found.extend(tensor.clone() for tensor in _tensors(output))  # which layers behind may change in place

    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        outputs = run()
    finally:
        for handle in handles:
            handle.remove()
    return [*found, *_tensors(outputs)]


def same(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    """Whether all numbers agree but for rounding."""
    return len(first) == len(second) and all(map(_close, first, second))


def together(whole: Sequence[Tensor], parts: Sequence[Sequence[Tensor]]) -> bool:
    """Whether what is seen of several samples is what is seen of parts of them."""
    if any(len(part) != len(whole) for part in parts):
        return False
    return all(_joins(tensor, pieces) for tensor, *pieces in zip(whole, *parts, strict=True))


def _joins(whole: Tensor, pieces: Sequence[Tensor]) -> bool:
    if any(piece.dim() != whole.dim() for piece in pieces):
        return False
    growing = {d for piece in pieces for d in range(whole.dim()) if piece.shape[d] != whole.shape[d]}
    if not growing:
        return all(_close(whole, piece) for piece in pieces)  # as a dropped weight, the same for all samples
    return len(growing) == 1 and _close(whole, torch.cat(list(pieces), growing.pop()))


def _tensors(outputs: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]


def _close(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape:
        return False
    a, b = (torch.view_as_real(each) if each.is_complex() else each for each in (first, second))
    a, b = a.double(), b.double()
    finite = a[a.isfinite()].abs()
    scale = float(finite.max()) if len(finite) else math.inf
    return bool(((a - b).abs() <= _TOLERANCE * scale)[(a != b) & ~(a.isnan() & b.isnan())].all())
