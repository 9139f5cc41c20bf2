"""Batches as trees: tensors, and mappings, tuples and lists of them, which share their first dimension.

A part that is read when asked for (`landscape.lazy`) stands where its tensor will be. PyTorch's own trees
(`torch.utils._pytree`) hold on to their tensors until garbage is collected, which is too late for batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from landscape.lazy import Lazy

Tree = Any
"""A tensor, or a mapping, tuple or list of trees."""


def leaves(tree: Tree) -> list[Any]:
    """Its tensors, in order."""
    if isinstance(tree, Tensor | Lazy):
        return [tree]
    if isinstance(tree, dict):
        return [leaf for part in tree.values() for leaf in leaves(part)]
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, tuple | list) else []


def mapped(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """The same tree with each tensor replaced."""
    if isinstance(tree, Tensor | Lazy):
        return function(tree)
    if isinstance(tree, dict):
        return {key: mapped(function, part) for key, part in tree.items()}
    if not isinstance(tree, tuple | list):
        return tree
    parts = [mapped(function, part) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def rows(tree: Tree, which: Any) -> Tree:
    """The samples at a slice or at positions."""
    return mapped(lambda leaf: leaf[which], tree)


def read(tree: Tree) -> Tree:
    """The same with everything there."""
    return mapped(lambda leaf: leaf.read() if isinstance(leaf, Lazy) else leaf, tree)


def is_lazy(tree: Tree) -> bool:
    """Whether a part of it is read when asked for."""
    return any(isinstance(leaf, Lazy) for leaf in leaves(tree))


def copied(tree: Tree) -> Tree:
    """Copies, which whoever gets them may change."""
    return mapped(torch.Tensor.clone, tree)


def count(tree: Tree) -> int:
    """Number of samples."""
    return len(leaves(tree)[0])


def same(first: Tree, second: Tree) -> bool:
    """Whether two trees hold equal tensors."""
    pairs = zip(leaves(first), leaves(second), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def plain(tree: Tree) -> Tree:
    """Mappings of any class, such as a tokenizer's, as dictionaries."""
    if isinstance(tree, Mapping):
        return {key: plain(value) for key, value in tree.items()}
    if type(tree) in (tuple, list):
        return type(tree)(map(plain, tree))
    return tree


def device(tree: Tree) -> torch.device:
    """Where its tensors are."""
    return leaves(tree)[0].device
