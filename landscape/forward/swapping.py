"""Other tensors in a module's place for one pass, and the module as it was afterwards.

Tensors are replaced by identity in every slot that holds them: a module registered under two names, a tied
weight, an attribute or a list that refers to a parameter (as the flat weights of an LSTM) all see the same
replacement. Whatever a pass leaves behind, such as the weight that weight_norm computes, is taken back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn

_MACHINERY = frozenset(vars(nn.Module()))
_DEPTH = 4  # of containers in an attribute
_HOLDING = (Tensor, list, tuple, dict)


class Slots:
    """The layers of a module, with whatever each holds; found once for many passes.

    Attributes:
        module: The network.
    """

    def __init__(self, module: nn.Module) -> None:
        """Find the layers."""
        self.module = module
        self._layers = [(f"{prefix}." if prefix else "", layer) for prefix, layer in module.named_modules()]

    @contextmanager
    def holding(self, state: Mapping[str, Tensor]) -> Iterator[None]:
        """Hold other parameters and buffers while open; all is put back, also after errors.

        Args:
            state: Every parameter and buffer, by the first of its names. A complex one may come as pairs of
                reals along a last dimension of two.

        Raises:
            KeyError: If one is missing.
        """
        memory = [_Memory(layer) for _, layer in self._layers]
        other: dict[int, Tensor] = {}
        for prefix, layer in self._layers:
            for slots in (layer._parameters, layer._buffers):
                for key, tensor in slots.items():
                    if tensor is not None and id(tensor) not in other:
                        other[id(tensor)] = as_held(state[prefix + key], tensor)
        try:
            for each in memory:
                each.fill(other)
            yield
        finally:
            for each in memory:
                each.restore()


def as_held(value: Tensor, held: Tensor) -> Tensor:
    """A value in the form in which the module holds it: complex where the objective has pairs of reals."""
    if held.is_complex() and not value.is_complex():
        return torch.view_as_complex(value.contiguous())
    return value


def as_real(value: Tensor) -> Tensor:
    """The value; pairs of reals along a last dimension in place of complex numbers."""
    return torch.view_as_real(value.resolve_conj()) if value.is_complex() else value


def plain_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Tensors that a module holds as plain attributes, by dotted name: neither parameters nor buffers."""
    registered = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    for prefix, layer in module.named_modules():
        for key, value in _attributes(layer):
            for tensor in _tensors(value, _DEPTH):
                if id(tensor) not in registered:
                    yield f"{prefix}.{key}" if prefix else key, tensor


class _Memory:
    """A layer's attributes, slots and the contents of its plain containers."""

    def __init__(self, layer: nn.Module) -> None:
        attributes = vars(layer)
        self._slots: list[dict[str, Any]] = [each for each in (layer._parameters, layer._buffers) if each]
        self._attributes, self._plain = attributes, list(_attributes(layer))
        kept = [attributes, layer._parameters, layer._buffers, layer._modules]
        self._lists = []
        for _, value in self._plain:
            if isinstance(value, dict):
                kept.append(value)
            elif type(value) is list:
                self._lists.append((value, list(value)))
        self._mappings = [(mapping, dict(mapping)) for mapping in kept]

    def fill(self, other: Mapping[int, Tensor]) -> None:
        """Replace what the layer holds in its slots, and in its attributes as far as containers go."""
        for held in self._slots:
            for key, tensor in held.items():
                if tensor is not None:
                    held[key] = other[id(tensor)]
        for key, value in self._plain:
            replaced = _replaced(value, other, _DEPTH)
            if replaced is not value:
                self._attributes[key] = replaced

    def restore(self) -> None:
        """Put back what was there."""
        for mapping, before in self._mappings:
            if len(mapping) != len(before) or not all(map(is_, mapping.values(), before.values())):
                _put_back(mapping, before)
        for values, items in self._lists:
            if len(values) != len(items) or not all(map(is_, values, items)):
                values[:] = items


def _put_back(mapping: MutableMapping[Any, Any], before: Mapping[Any, Any]) -> None:
    for key in [key for key in mapping if key not in before]:
        del mapping[key]
    for key, value in before.items():
        if key not in mapping or mapping[key] is not value:
            mapping[key] = value


def _attributes(layer: nn.Module) -> Iterator[tuple[str, Any]]:
    for key, value in vars(layer).items():
        if key not in _MACHINERY and isinstance(value, _HOLDING):
            yield key, value


def _replaced(value: Any, other: Mapping[int, Tensor], depth: int) -> Any:
    """The value with its tensors replaced, in a new container where it has any; else the value itself."""
    if isinstance(value, Tensor):
        return other.get(id(value), value)
    if depth and type(value) in (list, tuple):
        items = [_replaced(each, other, depth - 1) for each in value]
        return type(value)(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if depth and type(value) in (dict, OrderedDict):
        pairs = {key: _replaced(each, other, depth - 1) for key, each in value.items()}
        return type(value)(pairs) if any(pairs[key] is not value[key] for key in pairs) else value
    return value


def _tensors(value: Any, depth: int) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif depth and type(value) in (list, tuple):
        for each in value:
            yield from _tensors(each, depth - 1)
    elif depth and type(value) in (dict, OrderedDict):
        for each in value.values():
            yield from _tensors(each, depth - 1)
