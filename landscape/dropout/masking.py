"""Masks for one forward pass."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from landscape.dropout.calls import Calls
from landscape.dropout.masks import (
    Rows,
    Stochastic,
    dropout_layers,
    factors,
    following,
    is_dropout,
    mask_shape,
    positions_of,
    rounded_down,
    switched,
    uniforms,
)
from landscape.errors import LandscapeError

_HIGH = 1 - 2**-8  # a number from [0, 1) that every precision tells from 1
_ELSEWHERE = 2**31  # first key of places that are no dropout layers, whose keys begin with 0


@contextmanager
def dropout_masks(
    module: nn.Module,
    *,
    seed: int,
    draw: int = 0,
    start: int = 0,
    training: bool = False,
    parts: Stochastic | None = None,
    often: bool = False,
) -> Iterator[None]:
    """Around one forward pass: dropout in eval mode multiplies by masks of this seed and draw.

    Args:
        module: The network; its dropout layers must be in eval mode.
        seed: Names the masks together with `draw`.
        draw: Which masks: 0 for a fixed mask, the index of the evaluation for fresh ones.
        start: Index of the first sample of the batch, so that each sample has its own stream.
        training: Whether ordinary dropout is on too.
        parts: What masks act on; by default on dropout layers alone, samples along their first dimension.
        often: Whether calls drop and keep something in every sample, at whatever rate, to see what it does.

    Hooks are removed and training flags put back on leaving, also after an error.
    """
    positions = positions_of(module)
    with ExitStack() as stack:
        for order, (name, layer) in enumerate(dropout_layers(module, training=training).items()):
            if parts is None or name not in parts.off or name in parts.idle:
                rows = None if parts is None else _rows_of(parts, positions[id(layer)])
                # First in line, so that hooks that look at the layer's output see it masked.
                hook = _masking_hook((seed, draw, order), start, rows)
                stack.callback(layer.register_forward_hook(hook, prepend=True).remove)
        if parts is not None:
            stack.enter_context(switched(parts.switched))
        if parts is not None and any(not is_dropout(layer) for layer in parts.watched):
            inside = stack.enter_context(following(parts.watched))
            stack.enter_context(Calls(_Masks(module, parts, (seed, draw), start, inside, often)))
        yield


def _rows_of(parts: Stochastic, position: int) -> dict[int, Rows | None]:
    return {use: rows for (place, use), rows in parts.rows.items() if place == position}


def _masking_hook(key: tuple[int, ...], start: int, rows: dict[int, Rows | None] | None):
    uses = itertools.count()

    def hook(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        use = next(uses)  # a layer that a forward pass runs again gets another mask each time
        where = Rows() if rows is None else rows.get(use)
        if where is None:
            raise _unforeseen(type(layer).__name__)
        shape, rate = mask_shape(layer, output), float(layer.p)  # type: ignore[arg-type]
        return output * factors(output, shape, rate, (*key, use) if use else key, start, where)

    return hook


class _Masks:
    """Draws the masks of calls; see `landscape.dropout.calls.Draws`."""

    def __init__(
        self,
        module: nn.Module,
        parts: Stochastic,
        key: tuple[int, int],
        start: int,
        inside: list[nn.Module],
        often: bool,
    ) -> None:
        self._parts, self._key, self._start, self._inside, self._often = parts, key, start, inside, often
        self._positions = positions_of(module)
        self._masked = {place for place, _ in parts.rows}
        self._uses: Counter[int] = Counter()

    def dropout(self, kind: str, values: Tensor, shape: torch.Size, rate: float, *, inplace: bool) -> Any:
        found = self._next(kind)
        if found is NotImplemented:
            return found
        least = self._least(shape, found[1])
        factor = factors(values, shape, max(rate, least), found[0], self._start, found[1])
        return values.mul_(factor) if inplace else values * factor

    def bernoulli(self, kind: str, probability: Tensor | float, into: Tensor) -> Any:
        def made(numbers: Tensor, least: float) -> Tensor:
            likely = torch.as_tensor(probability, dtype=torch.float64, device=into.device)
            return numbers.to(into.device) < likely.clamp(least, 1 - least)

        return self._filled(kind, into, made)

    def uniform(self, kind: str, into: Tensor) -> Any:
        def made(numbers: Tensor, least: float) -> Tensor:
            extreme = torch.where(numbers < least, 0.0, torch.where(numbers >= 1 - least, _HIGH, numbers))
            return rounded_down(extreme, into.dtype)

        return self._filled(kind, into, made)

    def unsupported(self, kind: str) -> None:
        """Known from the trial."""

    def refused(self, kind: str) -> None:
        """Refused in the trial."""

    def _filled(self, kind: str, into: Tensor, made: Any) -> Any:
        found = self._next(kind)
        if found is NotImplemented:
            return found
        numbers = uniforms(into.shape, found[0], self._start, found[1])
        with torch.no_grad():
            return into.copy_(made(numbers, self._least(into.shape, found[1])))

    def _least(self, shape: torch.Size, rows: Rows) -> float:
        """Smallest probability of either outcome: 0, or one element of a sample's mask."""
        if not self._often:
            return 0.0
        samples = 1 if rows.dim is None else shape[rows.dim] / rows.group
        return min(0.5, samples / max(shape.numel(), 1))

    def _next(self, kind: str) -> Any:
        """Key and layout of the next mask of whoever calls; NotImplemented if it is not to be masked."""
        layer = self._inside[-1] if self._inside else None
        position = self._positions[id(layer)] if layer is not None and not is_dropout(layer) else None
        if position not in self._masked or position is None:
            return NotImplemented
        use = self._uses[position]
        self._uses[position] += 1
        if (position, use) not in self._parts.rows:
            raise _unforeseen(type(layer).__name__)
        rows = self._parts.rows[position, use]
        return ((*self._key, _ELSEWHERE + position, use), rows) if rows else NotImplemented


def _unforeseen(kind: str) -> LandscapeError:
    return LandscapeError(
        f"a layer of kind {kind} draws dropout masks more often than in the first "
        "pass, so that they cannot be assigned to samples; let every sample take the same way through the "
        "network, or use --dropout off"
    )


_ADDING = {"add", "add_", "__add__", "__radd__", "__iadd__", "sub", "sub_", "__sub__", "__isub__"}
_FLOORING = {"floor", "floor_"}
_BELOW = {"lt", "le", "less", "less_equal", "__lt__", "__le__"}
_ABOVE = {"gt", "ge", "greater", "greater_equal", "__gt__", "__ge__"}
_ALIKE = {
    *("to", "type", "type_as", "float", "double", "half", "bfloat16", "cuda", "cpu", "clone", "detach"),
    *("view", "reshape", "expand", "expand_as", "unsqueeze", "squeeze", "__getitem__", "contiguous"),
}
_WHOLE = {"bool", "int", "long", "byte"}
_DECIDING = {"__bool__", "__float__", "__int__", "__index__", "item", "tolist"}
_NEGATING = {"__invert__", "logical_not", "bitwise_not"}
_FILLING = {"masked_fill", "masked_fill_"}


class NoMean(Exception):
    """A random number is used for something whose mean is not known."""


class Means(Calls):
    """While open, masks are their means, and numbers from [0, 1) are followed until they become masks.

    Such a number u is kept as 0, and v + u as v; the mean of ⌊v + u⌋ is v, and u lies below t with
    probability t.
    """

    def __init__(self) -> None:
        """Nothing is followed yet."""
        super().__init__(self)
        self._numbers: dict[int, Tensor] = {}
        self._masks: dict[int, Tensor] = {}

    def dropout(self, kind: str, values: Tensor, shape: torch.Size, rate: float, *, inplace: bool) -> Any:
        """The values themselves."""
        return values

    def bernoulli(self, kind: str, probability: Tensor | float, into: Tensor) -> Any:
        """The probability."""
        with torch.no_grad():
            into.copy_(torch.as_tensor(probability).expand_as(into))
        return _noted(self._masks, into)

    def uniform(self, kind: str, into: Tensor) -> Any:
        """Zero, followed."""
        return _noted(self._numbers, into.zero_())

    def unsupported(self, kind: str) -> None:
        """Stays off."""

    def refused(self, kind: str) -> None:
        """Refused in the trial."""

    def ordinary(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Calls that use a number or a mask in a way that has a mean, and all that use none."""
        name = getattr(func, "__name__", "")
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        numbers = [leaf for leaf in given if id(leaf) in self._numbers]
        masks = [leaf for leaf in given if id(leaf) in self._masks]
        if (numbers or masks) and name in _DECIDING:
            raise NoMean("decides at random for all samples at once")
        if numbers:
            return self._of_number(name, func, args, kwargs)
        return self._of_mask(name, func, args, kwargs) if masks else func(*args, **kwargs)

    def _of_number(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        first = id(args[0]) in self._numbers if args and isinstance(args[0], Tensor) else False
        if name in _FLOORING and first:
            self._numbers.pop(id(args[0]))  # v for ⌊v + u⌋
            return _noted(self._masks, args[0])
        if name in _BELOW | _ABOVE and len(args) == 2:
            number, bound = args if first else args[::-1]
            below = torch.as_tensor(bound - number).clamp(0, 1)
            return _noted(self._masks, below if first == (name in _BELOW) else 1 - below)
        result = func(*args, **kwargs)
        if name in _ADDING | _ALIKE and (first or "add" in name):
            return _noted(self._numbers, result)
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            raise NoMean("draws random numbers that are no masks")
        return result

    def _of_mask(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        if name in _WHOLE or (name == "to" and torch.bool in args):
            return args[0]
        if name in _NEGATING:
            return _noted(self._masks, 1 - args[0])
        if name == "where" and len(args) == 3 and id(args[0]) in self._masks:
            return args[0] * args[1] + (1 - args[0]) * args[2]
        if name in _FILLING and id(args[1]) in self._masks:
            return (
                args[0].mul_(1 - args[1]).add_(args[1] * args[2])
                if name[-1] == "_"
                else (args[0] * (1 - args[1]) + args[1] * args[2])
            )
        result = func(*args, **kwargs)
        return _noted(self._masks, result) if name in _ALIKE else result


def _noted(kind: dict[int, Tensor], tensor: Tensor) -> Tensor:
    kind[id(tensor)] = tensor  # kept alive, so that its identity stays its own
    return tensor
