"""Operators that cut maps into patches and put them together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from landscape.layout.axes import SPACE, Axis, Factor, Layout, lost, merged, reshaped, resized, single, size

Look = Callable[[Any], Layout | None]
"""The layout of a tensor, None for weights and whatever else does not come from the input."""


def unfold(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    """Ranges of one dimension, side by side in a new one."""
    layout = list(look(args[0]) or ())
    dim, length, step = args[1:4]
    axis = layout[dim]
    if length == step and len(axis) == 1 and axis[0].role in SPACE and size(axis) % step == 0:
        layout[dim], inner = _halves(axis[0], size(axis) // step)
        return (*layout, inner)
    layout[dim] = resized(axis, out.shape[dim])
    return (*layout, single("other", length))


def _halves(factor: Factor, outer: int) -> tuple[Axis, Axis]:
    found = reshaped(((factor,),), (outer, factor.size // outer))
    return found[0], found[1]


def im2col(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    """Patches as features: their grid is what is left of rows and columns, in one axis."""
    layout = look(args[0]) or lost(args[0].shape)
    kernel, dilation, padding, stride = args[1:5]
    places: list[Factor] = []
    inner: list[Factor] = []
    for i, axis in enumerate(layout[-2:]):
        count = (size(axis) + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        if len(axis) != 1 or axis[0].role not in SPACE:
            return lost(out.shape)
        if stride[i] == kernel[i] and not padding[i] and size(axis) == count * kernel[i]:
            outer, within = _halves(axis[0], count)
            places, inner = [*places, *outer], [*inner, *within]
        else:
            places = [*places, *resized(axis, count)]
    whole = len(inner) == sum(k > 1 for k in kernel)
    features = (*layout[1], *inner) if whole else single("channel", out.shape[1])
    found = (layout[0], merged(features), merged(tuple(places)))
    return found if tuple(map(size, found)) == tuple(out.shape) else lost(out.shape)


def col2im(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    """Patches added up to a map, whose rows and columns are dimensions again."""
    layout = look(args[0]) or lost(args[0].shape)
    places = [
        (Factor(role, count),) if count > 1 else () for role, count in zip(SPACE, out.shape[-2:], strict=True)
    ]
    return (layout[0], single("channel", out.shape[1]), *places)
