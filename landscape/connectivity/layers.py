"""Which unit stands where in a tensor: layers of units, and what happens to them where tensors meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from landscape.connectivity.units import FIXED, NOTHING, Units

Layer = Tensor
"""Units by place, as int64; of length 1 along every axis that they do not change along."""


Order = tuple[tuple[int, ...], tuple[int, ...], int]
"""Shape, strides along axes of more than one place, and offset."""


@dataclass(frozen=True)
class Layered:
    """What is known of a tensor.

    Attributes:
        layers: Independent coordinates of its places, such as its channel and its token.
        present: For each axis, whether it has places of its own there and is not merely repeated.
    """

    layers: tuple[Layer, ...]
    present: tuple[bool, ...]

    def reshaped(self, dims: int, places: Sequence[int]) -> Layered:
        """With its axes at these places among so many, the others of length 1."""
        present = [False] * dims
        for place, own in zip(places, self.present, strict=True):
            present[place] = own
        layers = []
        for layer in self.layers:
            shape = [1] * dims
            for place, size in zip(places, layer.shape, strict=True):
                shape[place] = size
            layers.append(layer.reshape(shape))
        return Layered(tuple(layers), tuple(present))


def memory_order(tensor: Tensor) -> Order:
    """Where the places of a tensor lie in memory."""
    strides = (stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1)
    return tuple(tensor.shape), tuple(strides), int(tensor.storage_offset())


def compact(layer: Tensor) -> Layer:
    """A tensor of units with length 1 along every axis that they do not change along.

    A constant fits every unit: places with `NOTHING` do not count, as long as something else is there.
    """
    for axis in range(layer.dim()):
        if layer.shape[axis] > 1:
            one = layer.amax(axis, keepdim=True)
            if bool(((layer == one) | ((layer == NOTHING) & (one >= 0))).all()):
                layer = one
    return layer


def axes(layer: Layer) -> list[int]:
    """Along which its units change."""
    return [axis for axis, size in enumerate(layer.shape) if size > 1]


def met(units: Units, one: Layered, other: Layered) -> Layered:
    """Two tensors of as many axes, combined place by place as by a sum or a product.

    A unit of one meets a unit of the other, and from then on they move together. Where every unit of one
    meets several of the other, these belong to it as a block if the first tensor is repeated along them, and
    are tied to it if it has places of its own there, as those of a map that was flattened. Where some
    units of one
    meet the same several of the other, and each unit meets only these, they are a block, as the inputs and
    outputs of one group of a convolution. What meets places that no unit stands for can no longer be
    exchanged.
    """
    first, second = list(one.layers), list(other.layers)
    matched: set[tuple[int, int]] = set()
    above: set[tuple[int, int]] = set()
    # What is the same is found first: a class token and the patches behind it are one stream only then.
    for joining in (True, False):
        for i, j in product(range(len(first)), range(len(second))):
            if joining or not {(0, i), (1, j)} <= matched:
                a, b = (_settled(units, each) for each in (first[i], second[j]))
                found = _meeting(units, a, b, one.present, other.present, joining)
                if found is not None:
                    matched |= {(0, i), (1, j)}
                if found == "join":
                    first[i] = _settled(units, _either(a, b))
                    above.add((1, j))
                elif found in ("first above", "second above"):
                    above.add((0, i) if found == "first above" else (1, j))
    for side, (layers, against) in enumerate(((first, other.present), (second, one.present))):
        for k, layer in enumerate(layers):
            if (side, k) not in matched and any(against[axis] for axis in axes(layer)):
                units.fix(layer.numpy())
    kept = [layer for i, layer in enumerate(first) if (0, i) not in above]
    kept += [layer for j, layer in enumerate(second) if (1, j) not in above]
    present = tuple(a or b for a, b in zip(one.present, other.present, strict=True))
    return Layered(tuple(kept), present)


def reduced(units: Units, found: Layered, gone: Sequence[int]) -> Layered:
    """After a sum, or anything else that does not depend on the order, over some axes, which stay as 1.

    Units that lie along them alone are gone; those that change along others too leave the block they were.
    """
    kept, blocks_of = [], []
    for layer in found.layers:
        own = axes(layer)
        over = [axis for axis in own if axis in gone]
        if not over:
            kept.append(layer)
        elif len(over) < len(own):
            rest = [axis for axis in range(layer.dim()) if axis not in over]
            rows = layer.permute(*rest, *over).reshape(-1, int(np.prod([layer.shape[axis] for axis in over])))
            blocks = torch.from_numpy(units.blocks(rows.numpy()))
            shape = [1 if axis in over else size for axis, size in enumerate(layer.shape)]
            blocks_of.append(compact(blocks.reshape(shape)))
    kept += [block for block in blocks_of if not any(_holds(units, block, layer) for layer in kept)]
    present = tuple(own and axis not in gone for axis, own in enumerate(found.present))
    return Layered(tuple(kept), present)


def _holds(units: Units, block: Layer, layer: Layer) -> bool:
    """Whether units of a layer lie each in one block of another, which they then tell; noted if so."""
    if not set(axes(block)) & set(axes(layer)):
        return False
    wide = torch.broadcast_tensors(layer, block)
    inner, outer = (units.find(each.reshape(-1).numpy()) for each in wide)
    real = (inner >= 0) & (outer >= 0)
    pairs = np.unique(np.stack([inner[real], outer[real]], 1), axis=0)
    if len(pairs) != len(np.unique(pairs[:, 0])):
        return False
    units.put(pairs[pairs[:, 0] != pairs[:, 1]])
    return True


def fixed_along(units: Units, found: Layered, which: Sequence[int]) -> Layered:
    """After an operator that knows the places along these axes, as a convolution knows rows and columns."""
    kept = []
    for layer in found.layers:
        if any(axis in which for axis in axes(layer)):
            units.fix(layer.numpy())
        else:
            kept.append(layer)
    return replace(found, layers=tuple(kept))


def _settled(units: Units, layer: Layer) -> Layer:
    """A layer by classes, as far as they are known."""
    return compact(torch.from_numpy(units.find(layer.numpy())))


def _meeting(
    units: Units, a: Layer, b: Layer, a_present: Sequence[bool], b_present: Sequence[bool], joining: bool
) -> str | None:
    """How units of two layers meet; None where one tells nothing of the other.

    Args:
        units: All of them.
        a: Of one tensor.
        b: Of the other.
        a_present: Where the first has places of its own.
        b_present: Where the second has.
        joining: Whether to do nothing but join units that are the same.
    """
    if a.numel() == 1 or b.numel() == 1 or not set(axes(a)) & set(axes(b)):
        return None
    wide = torch.broadcast_tensors(a, b)
    left, right = (units.find(each.reshape(-1).numpy()) for each in wide)
    units.fix(right[left == FIXED])
    units.fix(left[right == FIXED])
    real = (left >= 0) & (right >= 0)
    if not real.any():
        return "join"
    pairs = np.unique(np.stack([left[real], right[real]], 1), axis=0)
    degrees = _degrees(pairs)
    if degrees is None:
        return None if joining else _fixed(units, pairs)
    lefts, rights = degrees
    if len(lefts) == 1 and min(lefts[0], rights[0]) > 1:
        return None  # every unit meets every other: two coordinates
    if max(lefts) == 1 or max(rights) == 1:  # every unit of one meets one or several of the other
        first = max(lefts) == 1
        present, finer = (a_present, b) if first else (b_present, a)
        if max(*lefts, *rights) == 1 or all(present[axis] for axis in axes(finer)):
            units.join(pairs)
            return "join"
        if joining:
            return None
        units.put(pairs[:, ::-1] if first else pairs)
        return "first above" if first else "second above"
    if joining:
        return None
    units.together(pairs)
    return "blocks"


def _fixed(units: Units, pairs: np.ndarray) -> str:
    units.fix(pairs)
    return "fixed"


def _degrees(pairs: np.ndarray) -> tuple[list[int], list[int]] | None:
    """Of the parts that a relation falls into, how many units of either side; None if one is not complete."""
    (left, one), (right, other) = (np.unique(column, return_inverse=True) for column in pairs.T)
    edges = coo_matrix((np.ones(len(pairs)), (one, len(left) + other)), shape=(len(left) + len(right),) * 2)
    count, label = connected_components(edges, directed=False)
    lefts = np.bincount(label[: len(left)], minlength=count)
    rights = np.bincount(label[len(left) :], minlength=count)
    if not np.array_equal(np.bincount(label[one], minlength=count), lefts * rights):
        return None
    return lefts.tolist(), rights.tolist()


def _either(a: Layer, b: Layer) -> Tensor:
    a, b = torch.broadcast_tensors(a, b)
    return torch.where(a >= 0, a, torch.where(b >= 0, b, torch.minimum(a, b)))
