"""Files of torch.save, in its zip format and in the one before it, read inert and checked before use."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

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


class TorchFile:
    """What a file of torch.save holds.

    Attributes:
        content: The pickled object, read inert; tensors are `Declared`.
        stubs: Names of what was not built.
    """

    def __init__(
        self, content: Any, stubs: tuple[str, ...], fill: Callable[[Storage, memoryview], None]
    ) -> None:
        self.content, self.stubs = content, stubs
        self._fill, self._filled = fill, {}  # type: ignore[var-annotated]
        self.sha256: Callable[[], str] = str

    def tensor(self, declared: Declared) -> Tensor:
        """The tensor, in memory of its own that tensors of one storage share.

        Raises:
            ValueError: If the file does not hold what was declared.
        """
        storage = declared.storage
        if storage.key not in self._filled:
            raw = torch.empty(storage.bytes, dtype=torch.uint8)
            self._fill(storage, memoryview(raw.numpy().data))
            self._filled[storage.key] = raw
        raw = self._filled[storage.key]
        if len(raw) != storage.bytes:
            raise ValueError(f"the storage {storage.key!r} is declared with two sizes")
        return raw.view(storage.dtype).as_strided(declared.size, declared.stride, declared.offset)


@contextmanager
def opened(path: Path) -> Iterator[TorchFile]:
    """A file of torch.save, whose tensors can be read while it is open.

    Its `sha256` is to be called when all are read: it gives the digest of the file, read through the same
    descriptor, if the file is as it was when it was opened.

    Raises:
        ValueError: If it is damaged, or no such file; pickles raise other errors as well.
    """
    with open(path, "rb") as stream:
        before = _state(stream)
        zipped = zipfile.is_zipfile(stream)
        stream.seek(0)
        with zipfile.ZipFile(stream) if zipped else nullcontext() as archive:
            file = _zipped(archive) if archive else _sequential(stream, os.fstat(stream.fileno()).st_size)
            file.sha256 = lambda: _digest(stream, before)
            yield file


def _state(stream: IO[bytes]) -> tuple[int, ...]:
    """What changes of a file when anybody writes to it."""
    found = os.fstat(stream.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _digest(stream: IO[bytes], before: tuple[int, ...]) -> str:
    stream.seek(0)
    digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    if _state(stream) != before:
        raise ValueError("it was written to while it was read; load it again when it is whole")
    return digest


def _zipped(archive: zipfile.ZipFile) -> TorchFile:
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

    def fill(storage: Storage, into: memoryview) -> None:
        info = members.get(f"{root}data/{storage.key}")
        if info is None or not re.fullmatch(r"\d+", storage.key):
            raise ValueError(f"its record {storage.key!r} is missing")
        if info.file_size != storage.bytes:
            raise ValueError(
                f"its record {storage.key} has {info.file_size:,} bytes, but {storage.bytes:,} are declared"
            )
        _check_ratio(info)
        with archive.open(info) as stream:
            _copied(stream, into)

    return TorchFile(content, tuple(reader.stubs), fill)


def _check_ratio(info: zipfile.ZipInfo) -> None:
    if info.file_size > max(_PIECE, _UNPACKED * info.compress_size):
        raise ValueError(f"its record {info.filename} would unpack to {info.file_size:,} bytes")


def _sequential(stream: IO[bytes], size: int) -> TorchFile:
    """The format before the zip: pickles, one after the other, then each storage behind its length."""
    whole = Bounded(stream, size, _LARGEST_PICKLE)
    first = Reader(whole)  # type: ignore[arg-type]
    content = first.load()
    if content != _MAGIC:
        return TorchFile(content, tuple(first.stubs), _nothing)
    if Reader(whole).load() != _PROTOCOL:  # type: ignore[arg-type]
        raise ValueError("it was written in an unknown version of the format")
    system = Reader(whole).load()  # type: ignore[arg-type]
    if isinstance(system, dict) and system.get("little_endian", True) != (sys.byteorder == "little"):
        raise ValueError("its values are in the byte order of another kind of computer")
    reader = _Noting(whole)
    content = reader.load()
    keys = Reader(whole).load()  # type: ignore[arg-type]
    places = _places(stream, size, keys, reader.storages)

    def fill(storage: Storage, into: memoryview) -> None:
        if storage.key not in places:
            raise ValueError(f"its storage {storage.key!r} is missing")
        stream.seek(places[storage.key])
        _copied(stream, into)

    return TorchFile(content, tuple(reader.stubs), fill)


def _places(stream: IO[bytes], size: int, keys: Any, storages: dict[str, Storage]) -> dict[str, int]:
    """Where each storage begins."""
    if not isinstance(keys, list):
        raise ValueError("its list of storages is missing")
    places: dict[str, int] = {}
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        if storage is None:
            raise ValueError("it holds a storage that no tensor refers to")
        count = int.from_bytes(stream.read(8), "little")
        start = stream.tell()
        if count != storage.count or start + storage.bytes > size:
            raise ValueError(f"its storage {key!r} is cut off, or not as declared")
        places[key] = start
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


def _nothing(storage: Storage, into: memoryview) -> None:
    raise ValueError("it refers to a storage, but holds none")
