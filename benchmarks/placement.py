"""What goes on between a device and its host: copies, waits, tensors in the wrong place, float64.

`watched` looks at every operation, on a real device or on the simulated one of `tests.device.card`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WAITS = {
    "aten::_local_scalar_dense",
    "aten::is_nonzero",
    "aten::nonzero",
    "aten::masked_select",
    "aten::equal",
    "aten::unique_dim",
    "aten::_unique2",
}
"""Operations whose result the host has to wait for: a number, or a shape that depends on values."""


@dataclass
class Traffic:
    """What was seen.

    Attributes:
        device: The device's type.
        waits: Operations that made the host wait for the device, by name: numbers, shapes, copies to it.
        uploads: Bytes copied from the host to the device.
        strangers: Operations that mixed tensors of the device with ones of the host.
        wide: Operations on the device with a float64 result, by name.
        operations: How many there were on the device.
    """

    device: str
    waits: Counter[str] = field(default_factory=Counter)
    uploads: int = 0
    strangers: Counter[str] = field(default_factory=Counter)
    wide: Counter[str] = field(default_factory=Counter)
    operations: int = 0

    def note(self, name: str, given: list[Tensor], made: list[Tensor]) -> None:
        """One operation, from its tensors."""
        here = [each for each in given if each.device.type == self.device]
        there = [each for each in given if each.device.type != self.device]
        out = [each for each in made if each.device.type == self.device]
        copies = name in ("aten::_to_copy", "aten::copy_", "aten::_copy_from")
        if not here:
            if copies and out:
                self.uploads += sum(each.nbytes for each in out)
            return
        self.operations += 1
        if name in _WAITS or _by_mask(name, given):
            self.waits[name] += 1
        if copies and any(each.device.type != self.device for each in made):
            self.waits["copy to the host"] += 1
        elif not copies and any(each.dim() for each in there):  # numbers alone may come from the host
            self.strangers[name] += 1
        if any(each.dtype == torch.float64 for each in out):
            self.wide[name] += 1


@contextmanager
def watched(device: str) -> Iterator[Traffic]:
    """Look at every operation while open.

    Args:
        device: The device's type.
    """
    traffic = Traffic(device)
    with _Watching(traffic):
        yield traffic


class _Watching(TorchDispatchMode):
    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self._traffic = traffic

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = (
            [each for each in tree_leaves(part) if isinstance(each, Tensor)]
            for part in ((args, kwargs), result)
        )
        self._traffic.note(func._schema.name, given, made)
        return result


def _by_mask(name: str, given: list[Tensor]) -> bool:
    """Whether rows are chosen by a mask, whose number only the device knows."""
    indexed = name in ("aten::index", "aten::index_put_")
    return indexed and any(each.dtype in (torch.bool, torch.uint8) for each in given[1:])
