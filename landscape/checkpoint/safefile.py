"""Files of safetensors: a header of names, types and places, judged first, then the values, read once.

Digest and tensors come from the same bytes, which are read into memory once and not copied again. The layout
is that of https://huggingface.co/docs/safetensors: eight bytes with the header's length, the header as JSON,
and the values of all tensors one after the other, without a gap.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LARGEST_HEADER = 10**8  # bytes, as the library has it
_MOST_DIMENSIONS = 64
_PIECE = 2**20
_TYPES: dict[str, torch.dtype] = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8},
    **{"U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "BOOL": torch.bool},
    **{"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "C64": torch.complex64},
}


@dataclass(frozen=True)
class SafeFile:
    """What a file of safetensors holds.

    Attributes:
        tensors: By name, over memory that they share.
        metadata: Texts by name.
        sha256: Hexadecimal digest of the bytes that the tensors lie in.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


@dataclass(frozen=True)
class _Place:
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def read(path: Path) -> SafeFile:
    """The tensors and metadata of a file.

    Raises:
        ValueError: If it is damaged, or declares other than it holds.
        OSError: If it cannot be read.
    """
    with open(path, "rb", buffering=0) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(_LARGEST_HEADER, size - 8):
            raise ValueError("its header is cut off, or longer than any")
        header = stream.read(length)
        places, metadata = _judged(header, size - 8 - length)
        raw = np.empty(size - 8 - length, np.uint8)  # which asks for large pages; torch does not
        digest = hashlib.sha256(start + header)
        into = memoryview(raw.data)
        for begin in range(0, len(raw), _PIECE):  # pieces are digested while they are in the cache
            piece = into[begin : begin + _PIECE]
            if stream.readinto(piece) != len(piece):
                raise ValueError("it became shorter while it was read")
            digest.update(piece)
    values = torch.from_numpy(raw)
    # In the order of names, as the library gives them: that of the places depends on the types.
    tensors = {place.name: _tensor(values, place) for place in sorted(places, key=lambda place: place.name)}
    return SafeFile(tensors, metadata, digest.hexdigest())


def _tensor(raw: Tensor, place: _Place) -> Tensor:
    values = raw[place.begin : place.end]
    if place.begin % place.dtype.itemsize:
        values = values.clone()
    return values.view(place.dtype).reshape(place.shape)


def _judged(header: bytes, size: int) -> tuple[list[_Place], dict[str, str]]:
    """Where the tensors lie, in their order in the file, and the metadata."""
    try:
        entries = json.loads(header, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("its header is nested too deeply") from error
    if not isinstance(entries, dict):
        raise ValueError("its header is no mapping")
    metadata = entries.pop("__metadata__", None) or {}
    texts = [*metadata, *metadata.values()] if isinstance(metadata, dict) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("its metadata are not texts by name")
    places = sorted((_place(*entry) for entry in entries.items()), key=lambda place: (place.begin, place.end))
    end = 0
    for place in places:
        if place.begin != end:
            raise ValueError(f"the tensor {place.name!r} does not begin where the one before it ends")
        end = place.end
    if end != size:
        raise ValueError(f"it declares {end:,} bytes of values and holds {size:,}: it is cut off or damaged")
    return places, metadata


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("two entries of its header have one name")
    return found


def _place(name: str, entry: Any) -> _Place:
    """One tensor, whose values fill the place that it declares."""
    entry = entry if isinstance(entry, dict) else {}
    kind, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if kind not in _TYPES or not _is_numbers(shape) or not _is_numbers(offsets) or len(offsets) != 2:
        raise ValueError(f"it declares the tensor {name[:100]!r} in an unknown way, {entry!r:.200}")
    dtype = _TYPES[kind]
    begin, end = offsets
    if len(shape) > _MOST_DIMENSIONS or math.prod(shape) * dtype.itemsize != end - begin:
        raise ValueError(
            f"the tensor {name[:100]!r} of the shape {shape!r:.100} does not fill its {end - begin:,} bytes"
        )
    return _Place(name, dtype, tuple(shape), begin, end)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 2**63 for each in value)
