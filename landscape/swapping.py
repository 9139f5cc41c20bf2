"""Other tensors in a module's place for one pass, and the module as it was afterwards.

Tensors are replaced by identity in every slot that holds them: a module registered under two names, a tied
weight, an attribute or a list that refers to a parameter (as the flat weights of an LSTM) all see the same
replacement. Whatever a pass leaves behind, such as the weight that weight_norm computes, is taken back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_MACHINERY = frozenset(vars(nn.Module()))
_DEPTH = 4  # of containers in an attribute


@contextmanager
def swapped(module: nn.Module, state: Mapping[str, Tensor]) -> Iterator[None]:
    """Hold other parameters and buffers while open; every slot and attribute is put back, also after errors.

    Args:
        module: The network.
        state: Every parameter and buffer, by the first of its names. A complex one may come as pairs of
            reals along a last dimension of two.

    Raises:
        KeyError: If one is missing.
    """
    layers = list(module.named_modules())
    memory = [_Memory(layer) for _, layer in layers]
    other: dict[int, Tensor] = {}
    for prefix, layer in layers:
        for slots in (layer._parameters, layer._buffers):
            for key, tensor in slots.items():
                if tensor is not None and id(tensor) not in other:
                    other[id(tensor)] = as_held(state[f"{prefix}.{key}" if prefix else key], tensor)
    try:
        for _, layer in layers:
            _fill(layer, other)
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
        self._attributes = vars(layer)
        self._before = dict(self._attributes)
        kept = [layer._parameters, layer._buffers, layer._modules]
        kept += [value for _, value in _attributes(layer) if isinstance(value, dict)]
        self._mappings = [(mapping, dict(mapping)) for mapping in kept]
        self._lists = [(value, list(value)) for _, value in _attributes(layer) if type(value) is list]

    def restore(self) -> None:
        _put_back(self._attributes, self._before)
        for mapping, before in self._mappings:
            _put_back(mapping, before)
        for values, items in self._lists:
            if len(values) != len(items) or any(a is not b for a, b in zip(values, items, strict=True)):
                values[:] = items


def _put_back(mapping: MutableMapping[Any, Any], before: Mapping[Any, Any]) -> None:
    for key in [key for key in mapping if key not in before]:
        del mapping[key]
    for key, value in before.items():
        if key not in mapping or mapping[key] is not value:
            mapping[key] = value


def _fill(layer: nn.Module, other: Mapping[int, Tensor]) -> None:
    """Replace what the layer holds in its slots, and in its attributes as far as containers go."""
    slots: tuple[dict[str, Any], ...] = (layer._parameters, layer._buffers)
    for held in slots:
        for key, tensor in held.items():
            if tensor is not None:
                held[key] = other[id(tensor)]
    attributes = vars(layer)
    for key, value in list(_attributes(layer)):
        replaced = _replaced(value, other, _DEPTH)
        if replaced is not value:
            attributes[key] = replaced


def _attributes(layer: nn.Module) -> Iterator[tuple[str, Any]]:
    for key, value in vars(layer).items():
        if key not in _MACHINERY and isinstance(value, Tensor | list | tuple | dict):
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
