"""A network in which every random mask is replaced by its mean.

Dropout in all its usual forms leaves the mean as it is. So where a network in training mode, every mask at
its mean, computes what it does in eval mode, training mode adds its masks and nothing else.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from landscape.dropout.calls import Calls

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
