"""Files of torch.save, in its zip format and in the one before it, read inert and checked before use."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from landscape.checkpoint.declared import Declared, Storage
from landscape.checkpoint.inert import Reader
from landscape.pickles import Bounded

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LARGEST_PICKLE = 2**25  # bytes; a million tensors take fewer
_UNPACKED = 100  # times its compressed size that a record may have
_PIECE = 2**20
_HEADER = 30  # bytes of a zip record's own header before its name


@dataclass(frozen=True)
class _Place:
    """Where the values of a storage lie in the file.

    Attributes:
        begin: Of the values, in bytes.
        checksum: Their CRC-32, where the format has one.
    """

    begin: int
    checksum: int | None = None


Fill = Callable[[Storage, memoryview], _Place | None]
"""Gives the place of a storage; or fills the memory, and gives None."""


class TorchFile:
    """What a file of torch.save holds.

    Attributes:
        content: The pickled object, read inert; tensors are `Declared`.
        stubs: Names of what was not built.
        versions: Of the layers of every state dict in it.
        state: Of the file when it was opened.
    """

    def __init__(self, content: Any, reader: Reader, stream: IO[bytes], fill: Fill) -> None:
        self.content, self.stubs, self.versions = content, tuple(reader.stubs), tuple(reader.versions)
        self._stream, self._fill = stream, fill
        self.state = _state(stream)

    def tensors(self, found: Mapping[str, Declared]) -> tuple[dict[str, Tensor], str]:
        """Tensors, in memory of their own that those of one storage share, and the SHA-256 of the file.

        Both come from the same bytes, which are read once.

        Raises:
            ValueError: If the file does not hold what was declared, or is not as it was when it was opened.
        """
        memory: dict[str, Tensor] = {}
        parts: list[tuple[str, _Place, memoryview]] = []
        for declared in found.values():
            storage = declared.storage
            raw = memory.get(storage.key)
            if raw is None:
                raw = memory[storage.key] = _memory(storage.bytes)
                into = memoryview(raw.numpy().data)
                place = self._fill(storage, into)
                parts += [(storage.key, place, into)] if place else []
            if len(raw) != storage.bytes:
                raise ValueError(f"the storage {storage.key!r} is declared with two sizes")
        digest = _filled(self._stream, parts)
        if _state(self._stream) != self.state:
            raise ValueError("it was written to while it was read; load it again when it is whole")
        return {name: _tensor(memory[each.storage.key], each) for name, each in found.items()}, digest


def _memory(size: int) -> Tensor:
    """Bytes that NumPy asks large pages for, as torch does not; empty, its arrays have odd strides."""
    return torch.from_numpy(np.empty(size, np.uint8)) if size else torch.empty(0, dtype=torch.uint8)


def _tensor(raw: Tensor, declared: Declared) -> Tensor:
    values = raw.view(declared.storage.dtype)
    return values.as_strided(declared.size, declared.stride, declared.offset)


@contextmanager
def opened(path: Path) -> Iterator[TorchFile]:
    """A file of torch.save, whose tensors can be read while it is open.

    Raises:
        ValueError: If it is damaged, or no such file; pickles raise other errors as well.
    """
    with open(path, "rb") as stream:
        before = _state(stream)
        zipped = zipfile.is_zipfile(stream)
        stream.seek(0)
        with zipfile.ZipFile(stream) if zipped else nullcontext() as archive:
            file = _zipped(archive, stream) if archive else _sequential(stream)
            file.state = before
            yield file


def _state(stream: IO[bytes]) -> tuple[int, ...]:
    """What changes of a file when anybody writes to it."""
    found = os.fstat(stream.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _filled(stream: IO[bytes], parts: Sequence[tuple[str, _Place, memoryview]]) -> str:
    """Fill memory from places in a file, and give the digest of all of it, in one pass."""
    digest, at = hashlib.sha256(), stream.seek(0)
    spare = memoryview(bytearray(_PIECE))
    for key, place, into in sorted(parts, key=lambda part: part[1].begin):
        if place.begin < at:
            raise ValueError(f"its storage {key!r} begins within another one")
        while at < place.begin:
            at += _read(stream, spare[: place.begin - at], digest)
        checksum = 0
        for begin in range(0, len(into), _PIECE):  # pieces are digested while they are in the cache
            piece = into[begin : begin + _PIECE]
            at += _read(stream, piece, digest)
            checksum = 0 if place.checksum is None else zlib.crc32(piece, checksum)
        if place.checksum not in (None, checksum):
            raise ValueError(f"the checksum of its storage {key!r} is another one: it is damaged")
    while (count := stream.readinto(spare)) > 0:  # type: ignore[attr-defined]
        digest.update(spare[:count])
    return digest.hexdigest()


def _read(stream: IO[bytes], into: memoryview, digest: Any) -> int:
    if stream.readinto(into) != len(into):  # type: ignore[attr-defined]
        raise ValueError("a storage is cut off")
    digest.update(into)
    return len(into)


def _zipped(archive: zipfile.ZipFile, stream: IO[bytes]) -> TorchFile:
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ValueError("two of its records have one name")
    roots = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError("it is a zip archive without the records of torch.save")
    root = roots[0]
    order = members.get(f"{root}byteorder")
    if order is not None and archive.read(order)[:8] != sys.byteorder.encode():
        raise ValueError("its values are in the byte order of another kind of computer")
    pickled = members[f"{root}data.pkl"]
    if pickled.file_size > _LARGEST_PICKLE:
        raise ValueError(f"its index of {pickled.file_size:,} bytes is larger than any of weights")
    _check_ratio(pickled)
    reader = Reader(io.BytesIO(archive.read(pickled)))
    content = reader.load()

    def fill(storage: Storage, into: memoryview) -> _Place | None:
        info = members.get(f"{root}data/{storage.key}")
        if info is None or not re.fullmatch(r"\d+", storage.key):
            raise ValueError(f"its record {storage.key!r} is missing")
        if info.file_size != storage.bytes:
            raise ValueError(
                f"its record {storage.key} has {info.file_size:,} bytes, but {storage.bytes:,} are declared"
            )
        _check_ratio(info)
        with archive.open(info) as record:  # which compares both headers
            if info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size:
                return _Place(_begin(info, stream), info.CRC)
            _copied(record, into)
        return None

    return TorchFile(content, reader, stream, fill)


def _begin(info: zipfile.ZipInfo, stream: IO[bytes]) -> int:
    """Where a record begins: behind its own header, the two last fields of which have no fixed length."""
    stream.seek(info.header_offset)
    header = stream.read(_HEADER)
    return info.header_offset + _HEADER + sum(int.from_bytes(header[i : i + 2], "little") for i in (26, 28))


def _check_ratio(info: zipfile.ZipInfo) -> None:
    if info.file_size > max(_PIECE, _UNPACKED * info.compress_size):
        raise ValueError(f"its record {info.filename} would unpack to {info.file_size:,} bytes")


def _sequential(stream: IO[bytes]) -> TorchFile:
    """The format before the zip: pickles, one after the other, then each storage behind its length."""
    size = os.fstat(stream.fileno()).st_size
    whole = Bounded(stream, size, _LARGEST_PICKLE)
    first = Reader(whole)  # type: ignore[arg-type]
    content = first.load()
    if content != _MAGIC:
        return TorchFile(content, first, stream, _nothing)
    if Reader(whole).load() != _PROTOCOL:  # type: ignore[arg-type]
        raise ValueError("it was written in an unknown version of the format")
    system = Reader(whole).load()  # type: ignore[arg-type]
    if isinstance(system, dict) and system.get("little_endian", True) != (sys.byteorder == "little"):
        raise ValueError("its values are in the byte order of another kind of computer")
    reader = _Noting(whole)
    content = reader.load()
    keys = Reader(whole).load()  # type: ignore[arg-type]
    places = _places(stream, size, keys, reader.storages)

    def fill(storage: Storage, into: memoryview) -> _Place:
        if storage.key not in places:
            raise ValueError(f"its storage {storage.key!r} is missing")
        return places[storage.key]

    return TorchFile(content, reader, stream, fill)


def _places(stream: IO[bytes], size: int, keys: Any, storages: dict[str, Storage]) -> dict[str, _Place]:
    """Where each storage begins."""
    if not isinstance(keys, list):
        raise ValueError("its list of storages is missing")
    places: dict[str, _Place] = {}
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        if storage is None:
            raise ValueError("it holds a storage that no tensor refers to")
        count = int.from_bytes(stream.read(8), "little")
        start = stream.tell()
        if count != storage.count or start + storage.bytes > size:
            raise ValueError(f"its storage {key!r} is cut off, or not as declared")
        places[key] = _Place(start)
        stream.seek(storage.bytes, io.SEEK_CUR)
    return places


class _Noting(Reader):
    """Also notes the storages, which come with their types in the pickle alone."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.storages: dict[str, Storage] = {}

    def persistent_load(self, pid: Any) -> Any:
        found = super().persistent_load(pid)
        if isinstance(found, Storage) and self.storages.setdefault(found.key, found) != found:
            raise ValueError(f"the storage {found.key!r} is declared with two sizes")
        return found


def _copied(stream: IO[bytes], into: memoryview) -> None:
    """Fill memory from a stream, read to its end, where a zip record's checksum is compared."""
    done = 0
    while done < len(into):
        piece = stream.read(min(_PIECE, len(into) - done))
        if not piece:
            raise ValueError("a storage is cut off")
        into[done : done + len(piece)] = piece
        done += len(piece)


def _nothing(storage: Storage, into: memoryview) -> _Place:
    raise ValueError("it refers to a storage, but holds none")
