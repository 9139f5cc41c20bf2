"""What a pickle says of tensors, without any of them: storages, shapes, strides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from landscape.pickles import Named, called

_MOST_DIMENSIONS = 64
SPREAD = 2**26
"""Bytes that tensors may repeat of a smaller storage."""


@dataclass(frozen=True)
class Storage:
    """Values that the file holds beside the pickle.

    Attributes:
        key: Their name in the file.
        dtype: Of a value.
        count: How many there are, as the pickle declares.
    """

    key: str
    dtype: torch.dtype
    count: int

    @property
    def bytes(self) -> int:
        """Their size."""
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class Declared:
    """A strided tensor over a storage, checked to lie within it."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its size, each value counted as often as it is repeated."""
        return math.prod(self.size) * self.storage.dtype.itemsize


@dataclass(frozen=True)
class Odd:
    """A tensor without plain values: sparse, quantised, nested, on no device, or of a class of its own."""

    kind: str


STORAGES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}
"""Types of storages by the names that files give them."""


def whole(value: Any) -> bool:
    """Whether a value in a file is a number of things."""
    return type(value) is int and 0 <= value < 2**48


def tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Declared | Odd:
    """`torch._utils._rebuild_tensor_v2`; what it declares must lie within the storage."""
    if isinstance(storage, Odd):
        return storage
    if not isinstance(storage, Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise ValueError("it declares a tensor over no storage")
    if not len(size) == len(stride) <= _MOST_DIMENSIONS or not all(map(whole, (offset, *size, *stride))):
        raise ValueError("it declares a tensor of a shape, strides or offset that no tensor has")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count and last >= storage.count:
        raise ValueError(f"a tensor of the shape {size} lies beyond its {storage.count:,} values")
    if count * storage.dtype.itemsize > max(storage.bytes, SPREAD):
        raise ValueError(
            f"a tensor declares the shape {size}, {count:,} values, over a storage of {storage.count:,}"
        )
    return Declared(storage, offset, size, stride)


def typed(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Declared | Odd:
    """`torch._utils._rebuild_tensor_v3`, whose storage is bytes and whose type comes last."""
    kind = rest[2] if len(rest) > 2 else None
    dtype = getattr(torch, kind.name, None) if isinstance(kind, Named) and kind.module == "torch" else None
    if not isinstance(dtype, torch.dtype) or not isinstance(storage, Storage):
        return Odd(called(kind))
    if storage.bytes % dtype.itemsize:
        raise ValueError("a storage holds no whole number of values")
    cast = Storage(storage.key, dtype, storage.bytes // dtype.itemsize)
    return tensor(cast, offset, size, stride)
