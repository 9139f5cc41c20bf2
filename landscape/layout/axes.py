"""What the dimensions of a tensor stand for: samples, channels, and the rows and columns of a feature map.

A dimension is an *axis*: factors, outermost first, whose sizes multiply to its own. A map of shape
(sample, channel, height, width) has one factor each; tokens have rows and columns in one axis; a network with
windows has split its rows into those of windows and those within, and may keep the former beside the samples.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

Role = Literal["sample", "channel", "row", "column", "joined", "other"]
"""`joined`: parts one after the other, such as a class token and patches. `other`: none of these, or lost."""

SPACE: tuple[Role, Role] = ("row", "column")


@dataclass(frozen=True)
class Factor:
    """A part of an axis.

    Attributes:
        role: What it counts.
        size: How many there are.
        stride: Of rows and columns, the distance of neighbours in pixels of the network's input.
        shift: Of rows and columns, how far the map has been rolled, in the same pixels.
        parts: Of what is joined, the axes one after the other.
    """

    role: Role
    size: int
    stride: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)
    parts: tuple[tuple[Factor, ...], ...] = ()


Axis = tuple[Factor, ...]
Layout = tuple[Axis, ...]


def size(axis: Axis) -> int:
    """How long an axis is."""
    return math.prod(factor.size for factor in axis)


def single(role: Role, count: int) -> Axis:
    """An axis of one factor; none where there is nothing to count."""
    return (Factor(role, count),) if count != 1 else ()


def lost(shape: Iterable[int]) -> Layout:
    """The layout of a tensor of which only the shape is known."""
    return tuple(single("other", int(count)) for count in shape)


def roles(axis: Axis) -> tuple[Role, ...]:
    """What its factors count."""
    return tuple(factor.role for factor in axis)


def known(axis: Axis) -> bool:
    """Whether it is known what an axis stands for."""
    return bool(axis) and "other" not in roles(axis)


def reshaped(layout: Layout, shape: Sequence[int]) -> Layout:
    """The layout after a reshape: axes split and merge factor by factor; what does not fit is lost."""
    factors = [factor for axis in layout for factor in axis]
    found: list[Axis] = []
    group: list[int] = []
    taken: list[Factor] = []
    for count in shape:
        group.append(count)
        while factors and math.prod(group) > size(tuple(taken)):
            taken.append(factors.pop(0))
        if math.prod(group) == size(tuple(taken)):
            found += _distributed(taken, group)
            group, taken = [], []
    return (*found, *lost(group))


def resized(axis: Axis, count: int) -> Axis:
    """An axis of rows or columns that a strided or padded operation gave this size."""
    if count == size(axis):
        return axis
    if len(axis) != 1 or count == 1:
        return single("other", count)
    factor = axis[0]
    stride = factor.stride * factor.size / count if factor.role in SPACE else factor.stride
    kept = factor.role in (*SPACE, "channel")
    return (replace(factor, size=count, stride=stride),) if kept else single("other", count)


def sliced(axis: Axis, start: int, stop: int, step: int) -> Axis:
    """An axis of which a range is kept."""
    count = len(range(start, stop, step))
    if count == size(axis) or count == 1:
        return axis if count == size(axis) else ()
    if set(roles(axis)) == {"channel"}:
        return single("channel", count)
    if len(axis) == 1 and axis[0].role in SPACE:
        return (replace(axis[0], size=count, stride=axis[0].stride * step),)
    if roles(axis) == ("joined",) and step == 1:
        return _cut(axis[0], start, stop)
    return single("other", count)


def joined(axes: Sequence[Axis]) -> Axis:
    """Axes one after the other: channels are channels again, everything else keeps its parts."""
    count = sum(map(size, axes))
    if any(roles(axis) == ("channel",) for axis in axes) and all(
        set(roles(axis)) <= {"channel", "other"} for axis in axes
    ):
        return single("channel", count)
    if not any(known(axis) for axis in axes):
        return single("other", count)
    parts: list[Axis] = []
    for axis in axes:
        parts += axis[0].parts if roles(axis) == ("joined",) else [axis or (Factor("other", 1),)]
    return (Factor("joined", count, parts=tuple(parts)),)


def combined(axes: Sequence[Axis], count: int) -> Axis:
    """What an axis of an elementwise result stands for, whose operands have these; broadcast ones do not."""
    whole = [axis for axis in axes if size(axis) == count and axis]
    certain = [axis for axis in whole if known(axis)]
    if not certain:
        return whole[0] if whole else single("other", count)
    if any(_order(axis) != _order(certain[0]) for axis in certain):
        return single("other", count)
    return certain[0]


def contracted(axis: Axis, count: int) -> Axis:
    """What stands in place of an axis that a product with weights has summed over: features, of channels."""
    mixes = not axis or "channel" in roles(axis)
    return single("channel" if mixes else "other", count)


def merged(axis: Axis) -> Axis:
    """The same with neighbouring factors written as one where they count on from each other."""
    found: list[Factor] = []
    for factor in axis:
        if found and found[-1].role == factor.role and _follows(found[-1], factor):
            found[-1] = replace(factor, size=found[-1].size * factor.size)
        else:
            found.append(factor)
    return tuple(found)


def _order(axis: Axis) -> list[Role]:
    """Roles in order, neighbouring ones of a kind taken together."""
    return [role for role, _ in itertools.groupby(roles(axis))]


def _follows(outer: Factor, inner: Factor) -> bool:
    if inner.role == "channel":
        return True
    counts_on = outer.stride == inner.stride * inner.size and outer.shift == inner.shift
    return inner.role in SPACE and counts_on


def _distributed(factors: list[Factor], shape: list[int]) -> list[Axis]:
    """Factors over axes of these sizes, of the same product; all are lost if one would have to break."""
    left, found = list(factors), []
    for count in shape:
        axis: list[Factor] = []
        need = count
        while need > 1:
            factor = left.pop(0)
            if need % factor.size and factor.size % need == 0 and factor.role not in ("sample", "joined"):
                inner = factor.size // need
                left.insert(0, replace(factor, size=inner))
                factor = replace(factor, size=need, stride=factor.stride * inner)
            if need % factor.size:
                return list(lost(shape))
            axis.append(factor)
            need //= factor.size
        found.append(merged(tuple(axis)))
    return found


def _cut(whole: Factor, start: int, stop: int) -> Axis:
    """A range of what is joined: parts that lie within it, what is left of others being lost."""
    found: list[Axis] = []
    begin = 0
    for part in whole.parts:
        end = begin + size(part)
        low, high = max(begin, start), min(end, stop)
        if low < high:
            found.append(part if (low, high) == (begin, end) else (Factor("other", high - low),))
        begin = end
    return found[0] if len(found) == 1 else joined(found)
