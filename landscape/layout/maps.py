"""A tensor of a known layout as the feature map that it holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from landscape.layout.axes import SPACE, Axis, Factor, Layout, roles, size


@dataclass(frozen=True)
class MapLayout:
    """How a tensor holds a feature map.

    Attributes:
        layout: What its dimensions stand for, without parts that are no map.
        narrow: Dimension, first index and length of what is the map, where other tokens stand beside it.
        height: Of the map.
        width: The same.
    """

    layout: Layout
    narrow: tuple[tuple[int, int, int], ...]
    height: int
    width: int

    def to_map(self, tensor: Tensor, *, any_size: bool = False) -> Tensor | None:
        """The map of shape (sample, channel, height, width), None if the tensor is of another shape.

        A tensor that is one already comes back as it is.

        Args:
            tensor: Of this layout.
            any_size: Whether maps of another height and width do as well, where the layout is `movable`.
        """
        if tensor.dim() != len(self.layout):
            return None
        for dim, start, length in self.narrow:
            if start + length > tensor.shape[dim]:
                return None
            tensor = tensor.narrow(dim, start, length)
        sizes = _sizes(self.layout, tensor.shape, free=any_size and self.movable)
        if sizes is None or self.canonical:
            return None if sizes is None else tensor
        factors = _labelled(self.layout)
        order = _order(factors)
        parts = tensor.reshape(sizes).permute(order)
        maps = parts.reshape([_total(factors, sizes, role) for role in ("sample", "channel", *SPACE)])
        shifts = [_shift(factors, role) for role in SPACE]
        return maps.roll([-shift for shift in shifts], (2, 3)) if any(shifts) else maps

    def from_map(self, maps: Tensor, like: Tensor) -> Tensor:
        """A map in the layout of a tensor `like`, which keeps what stands beside the map.

        Where the layout is `movable` the map may have grown; elsewhere it has the size it had.
        """
        if self.canonical:
            return maps
        whole, factors = like, _labelled(self.layout)
        for dim, start, length in self.narrow:
            like = like.narrow(dim, start, length)
        sizes = _sizes(self.layout, like.shape, free=self.movable) or []
        if self.movable:
            grown = dict(zip(SPACE, maps.shape[2:], strict=True))
            sizes = [grown.get(f.role, s) for f, s in zip(factors, sizes, strict=True)]
        shifts = [_shift(factors, role) for role in SPACE]
        maps = maps.roll(shifts, (2, 3)) if any(shifts) else maps
        order = _order(factors)
        back = sorted(range(len(order)), key=order.__getitem__)
        parts = maps.reshape([sizes[i] for i in order]).permute(back)
        inner, first = [], 0
        for axis in self.layout:
            inner.append(math.prod(sizes[first : first + len(axis)]))
            first += len(axis)
        found = parts.reshape(inner)
        for dim, start, length in self.narrow:
            found = whole.slice_scatter(found, dim, start, start + length)
        return found

    @property
    def canonical(self) -> bool:
        """Whether the tensor is the map, of shape (sample, channel, height, width)."""
        return not self.narrow and _is_canonical(self.layout)

    @property
    def movable(self) -> bool:
        """Whether the map may change its size within the tensor: rows and columns are dimensions alone."""
        return not self.narrow and all(len(axis) <= 1 for axis in self.layout)


def map_layout(layout: Layout, *, one_sample: bool = False) -> MapLayout | None:
    """How a tensor of this layout holds one feature map of every sample; None if it holds none.

    Args:
        layout: What its dimensions stand for.
        one_sample: Whether there is a single sample, which no factor then counts.
    """
    axes: list[Axis] = []
    narrow: list[tuple[int, int, int]] = []
    for dim, axis in enumerate(layout):
        if roles(axis) == ("joined",):
            found = _map_part(axis[0])
            if found is None:
                return None
            start, axis = found
            narrow.append((dim, start, size(axis)))
        axes.append(axis)
    factors = [factor for axis in axes for factor in axis]
    if any(factor.role in ("other", "joined") for factor in factors) or len(narrow) > 1:
        return None
    if sum(factor.role == "sample" for factor in factors) != (not one_sample):
        return None
    spatial, empty = [axis for axis in axes if set(roles(axis)) & set(SPACE)], sum(not axis for axis in axes)
    if spatial and all("channel" in roles(axis) for axis in spatial):
        return None  # flattened to features
    ends = [_extent(factors, role) for role in SPACE]
    # A map may be one pixel high or wide, but only where it has dimensions to say so.
    if None in ends or ends.count(1) > (empty if len(axes) == 4 else 0):
        return None
    return MapLayout(tuple(axes), tuple(narrow), *ends)  # type: ignore[arg-type]


def _map_part(whole: Factor) -> tuple[int, Axis] | None:
    """First index and axis of the only part that holds rows and columns."""
    start, found = 0, []
    for part in whole.parts:
        if any(factor.role in SPACE for factor in part):
            found.append((start, part))
        start += size(part)
    return found[0] if len(found) == 1 else None


def _extent(factors: Sequence[Factor], role: str) -> int | None:
    """How many rows or columns a map has; None if it has two kinds of them, as attention's weights have."""
    own = sorted((f for f in factors if f.role == role), key=lambda f: -f.stride)
    for outer, inner in pairwise(own):
        if outer.stride < inner.stride * inner.size or outer.shift != inner.shift:
            return None
    return size(tuple(own))


def _is_canonical(layout: Layout) -> bool:
    """Whether it is (sample, channel, row, column), with one factor each or, of size one, none."""
    expected = (("sample",), ("channel",), ("row",), ("column",))
    if len(layout) != 4 or any(factor.shift for axis in layout for factor in axis):
        return False
    return all(roles(axis) in (want, ()) for axis, want in zip(layout, expected, strict=True))


def _labelled(layout: Layout) -> list[Factor]:
    return [factor for axis in layout for factor in axis]


def _sizes(layout: Layout, shape: Sequence[int], *, free: bool = False) -> list[int] | None:
    """Sizes of all factors in a tensor of this shape, whose samples may be more or fewer; None if unfit.

    Where it is `free`, so may rows and columns that are dimensions alone.
    """
    found: list[int] = []
    for axis, count in zip(layout, shape, strict=True):
        if free and len(axis) == 1 and axis[0].role in SPACE:
            found.append(count)
            continue
        fixed = size(tuple(factor for factor in axis if factor.role != "sample"))
        samples = count // fixed
        if samples * fixed != count or (samples != 1 and "sample" not in roles(axis)):
            return None
        found += [samples if factor.role == "sample" else factor.size for factor in axis]
    return found


def _total(factors: Sequence[Factor], sizes: Sequence[int], role: str) -> int:
    return math.prod(s for s, f in zip(sizes, factors, strict=True) if f.role == role)


def _order(factors: Sequence[Factor]) -> list[int]:
    """Positions of the factors of samples, channels, rows and columns, coarser ones first."""
    return sorted(range(len(factors)), key=lambda i: _rank(factors[i], i))


def _rank(factor: Factor, position: int) -> tuple[int, float, int]:
    order = ("sample", "channel", "row", "column").index(factor.role)
    return order, -float(factor.stride) if factor.role in SPACE else 0.0, position


def _shift(factors: Sequence[Factor], role: str) -> int:
    own = [factor for factor in factors if factor.role == role]
    finest = min((factor.stride for factor in own), default=1)
    return round(own[0].shift / finest) if own else 0
