"""Finished items as framed records in files that are only ever added to, one file for each writing process.

A file begins with `PRELUDE` and the digest of its run. Records follow, each of which says what it is::

    MAGIC | bytes of header, of payload (uint32, uint64) | digest of both and of the header | header | payload

The header is JSON: label, index, digest of the payload, and of each array its name, dtype and shape; the
payload is their bytes in that order. Digests are BLAKE2b under the run as key, so that a record of another
run is none. Nothing is believed that does not fit: what is torn, damaged or foreign is passed over, and what
it held is computed again. Any number of processes may write, on any file system, as each has its own file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from landscape.errors import ResultError
from landscape.files import created, regular
from landscape.replacing import sync
from landscape.work import Item

PRELUDE = b"landscape records 1\n"
MAGIC = b"\x89ITEM\r\n\x1a"
SUFFIX = ".records"
SYNC = 1.0
"""Seconds, at least, between two requests to the disk to keep what was written; a slow one gets fewer."""

_LENGTHS = struct.Struct("<IQ")
_DIGEST = 16
_FRAME = len(MAGIC) + _LENGTHS.size + _DIGEST
_LONGEST_HEADER = 2**20
_DTYPE = re.compile(r"[<>|][biufcSU][1-9][0-9]{0,8}")
_LARGE = 2**16
_BLOCK = 2**20
_MOST_DAMAGES, _MOST_SEARCHED = 1000, 2**30  # after so many, or so many bytes between records, a file is left
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError)

Array = tuple[str, np.dtype, tuple[int, ...], int]
"""Name, dtype, shape and bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the header of a record says, and where its payload is.

    Attributes:
        label: Which list of items it belongs to.
        index: Its place there.
        digest: Of the payload.
        arrays: What the payload holds.
        path: The file.
        offset: Where in the file the payload begins.
        size: Its bytes.
    """

    label: str
    index: int
    digest: str
    arrays: Sequence[Array]
    path: Path
    offset: int
    size: int


def entries(folder: Path, run: bytes) -> Iterator[Entry]:
    """Every record of a run in a folder whose header is sound, in one pass that reads headers alone.

    Args:
        folder: Where the files are; there may be none.
        run: Digest of the run, 32 bytes.
    """
    try:
        paths = [] if folder.is_symlink() else sorted(folder.glob(f"*{SUFFIX}"))
    except OSError:
        return
    for path in paths:
        with suppress(*_UNREADABLE), regular(path) as stream:
            if stream.read(len(prelude(run))) == prelude(run):
                yield from scanned(path, stream, run)


def read(wanted: Iterable[Entry | None], run: bytes) -> Iterator[Item | None]:
    """The item of each record; None for one that is damaged or no longer there, and for None."""
    path: Path | None = None
    stream: BinaryIO | None = None
    try:
        for entry in wanted:
            item = None
            with suppress(*_UNREADABLE):
                if entry and entry.path != path:
                    if stream:
                        stream.close()
                    path, stream = entry.path, None
                    stream = regular(path)
                if entry and stream:
                    item = _item(entry, stream, run)
            yield item
    finally:
        if stream:
            stream.close()


def _item(entry: Entry, stream: BinaryIO, run: bytes) -> Item | None:
    content = np.empty(entry.size, np.uint8)
    stream.seek(entry.offset)
    whole = stream.readinto(content.data) == entry.size  # type: ignore[attr-defined]
    if not whole or _hash(run, content.data).hexdigest() != entry.digest:
        return None
    item: Item = {}
    offset = 0
    for name, dtype, shape, size in entry.arrays:
        array = content[offset : offset + size].view(dtype).reshape(shape)
        # Arrays of their own lie in memory as computed ones do.
        item[name] = array if size == entry.size else array.copy()
        offset += size
    return item


def scanned(path: Path, stream: BinaryIO, run: bytes) -> Iterator[Entry]:
    """The sound records of an open file from where it stands."""
    size, damages = os.fstat(stream.fileno()).st_size, 0
    offset = search = stream.tell()
    while offset < size and damages < _MOST_DAMAGES:
        stream.seek(offset)
        entry = _header(path, stream, run)
        if entry and entry.offset + entry.size <= size:
            yield entry
            offset, search = entry.offset + entry.size, entry.offset
            continue
        # Torn or damaged; so may be the payload before, which is searched too: it may be cut short.
        damages += 1
        offset = _next(stream, search)
        if offset < 0:
            return
        search = offset + 1


def _next(stream: BinaryIO, offset: int) -> int:
    """Where the next record may begin; −1 if there is none."""
    end = offset + _MOST_SEARCHED
    while offset < end:
        stream.seek(offset)
        block = stream.read(_BLOCK)
        found = block.find(MAGIC)
        if found >= 0:
            return offset + found
        if len(block) < _BLOCK:
            break
        offset += _BLOCK - len(MAGIC) + 1
    return -1


def _header(path: Path, stream: BinaryIO, run: bytes) -> Entry | None:
    """What the header that begins here says; None if there is no sound one."""
    frame = stream.read(_FRAME)
    if len(frame) < _FRAME or not frame.startswith(MAGIC):
        return None
    lengths = frame[len(MAGIC) : -_DIGEST]
    length, payload = _LENGTHS.unpack(lengths)
    if length > _LONGEST_HEADER:
        return None
    text = stream.read(length)
    if _hash(run, lengths + text).digest() != frame[-_DIGEST:]:
        return None
    with suppress(*_UNREADABLE):
        content = json.loads(text)
        arrays = tuple([_array(name, code, tuple(shape)) for name, code, shape in content["arrays"]])
        label, index, digest = content["label"], content["index"], content["digest"]
        if isinstance(label, str) and type(index) is int and sum(array[3] for array in arrays) == payload:
            return Entry(label, index, digest, arrays, path, stream.tell(), payload)
    return None


@lru_cache(4096)
def _array(name: str, code: str, shape: tuple[int, ...]) -> Array:
    """What a header says of an array, if it is one that can be kept."""
    known = isinstance(name, str) and _DTYPE.fullmatch(code)
    if not known or any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"{name!r} is no array of numbers, truth values or words of one length, but {code}")
    return name, np.dtype(code), shape, math.prod(shape) * np.dtype(code).itemsize


def prelude(run: bytes) -> bytes:
    """How a file of this run begins."""
    return PRELUDE + run.hex().encode() + b"\n"


def _hash(run: bytes, content: bytes | memoryview = b"") -> hashlib.blake2b:
    return hashlib.blake2b(content, key=run, digest_size=_DIGEST)


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep the names in a folder, where the system knows how."""
    with suppress(OSError):
        sync(folder)


class Writer:
    """The file of this process in the folder of a run, made with the first record."""

    def __init__(self, folder: Path, run: bytes, writer: str) -> None:
        """Name the file, which nobody else writes.

        Args:
            folder: Of the run; made with the first record.
            run: Digest of the run, 32 bytes.
            writer: Who writes, such as host and process; what no file name takes is left out.
        """
        self._folder, self._run = folder, run
        self._writer = re.sub(r"[^A-Za-z0-9.-]", "", writer)[:100]
        self._descriptor, self._path, self._offset = -1, folder, 0
        self._asked, self._pause = time.monotonic(), SYNC

    def append(self, label: str, index: int, item: Item) -> tuple[Entry, Item]:
        """Write a finished item.

        Returns:
            Where it is, and the item as it would be read.

        Raises:
            OSError: If it cannot be written whole; the next record then begins a new file.
            ResultError: If an array holds anything but numbers, truth values and words of one length.
        """
        kept = {name: np.asarray(value, order="C") for name, value in item.items()}
        try:
            kinds = tuple([(name, value.dtype, value.shape) for name, value in kept.items()])
            arrays, size, described = _described(kinds)
        except ValueError as error:
            raise ResultError(f"an item of {label} cannot be kept: {error}") from error
        raw = _raw(kept, size)
        hashed = _hash(self._run)
        for part in raw:
            hashed.update(part)
        digest = hashed.hexdigest()
        text = f'{{"label": {json.dumps(label)}, "index": {index}, "digest": "{digest}", {described}}}'
        frame = _frame(self._run, text.encode(), size)
        try:
            if self._descriptor < 0:
                self._create()
            offset = self._offset + len(frame)
            for part in (frame, *raw) if len(raw) > 1 else (frame + raw[0],):
                self._write(part)
            self._sync(self._pause)
        except BaseException:
            self._abandon()
            raise
        return Entry(label, index, digest, arrays, self._path, offset, size), kept

    def close(self) -> None:
        """Have the disk keep everything, and close the file."""
        try:
            self._sync(0.0)
        finally:
            self._abandon()

    def _create(self) -> None:
        if not self._folder.is_dir() or self._folder.is_symlink():
            with suppress(FileNotFoundError):
                self._folder.unlink()  # the name is ours: a link or a file there is none
            self._folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self._folder.parent)
        self._path = self._folder / f"{self._writer}-{secrets.token_hex(4)}{SUFFIX}"
        self._descriptor, self._offset = created(self._path), 0
        self._write(prelude(self._run))
        sync_folder(self._folder)

    def _write(self, part: bytes | memoryview) -> None:
        rest = memoryview(part)
        while rest:
            written = os.write(self._descriptor, rest)
            self._offset, rest = self._offset + written, rest[written:]

    def _sync(self, pause: float) -> None:
        """Ask the disk to keep what there is, if so many seconds have passed."""
        now = time.monotonic()
        if self._descriptor >= 0 and now - self._asked >= pause:
            os.fsync(self._descriptor)
            self._asked = time.monotonic()
            self._pause = max(SYNC, 20 * (self._asked - now))

    def _abandon(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


@lru_cache(4096)
def _described(kinds: tuple[tuple[str, np.dtype, tuple[int, ...]], ...]) -> tuple[Sequence[Array], int, str]:
    """Arrays that can be kept, the bytes of all, and their part of a header; the same for most items."""
    arrays = tuple([_array(name, dtype.str, shape) for name, dtype, shape in kinds])
    text = json.dumps([(name, dtype.str, shape) for name, dtype, shape, _ in arrays])
    return arrays, sum(array[3] for array in arrays), f'"arrays": {text}'


def _raw(item: Item, size: int) -> list[bytes | memoryview]:
    """The bytes of all arrays, in one piece where that is small."""
    if size < _LARGE:
        return [b"".join([value.tobytes() for value in item.values()])]
    return [value.reshape(-1).view(np.uint8).data for value in item.values() if value.size]


def _frame(run: bytes, text: bytes, size: int) -> bytes:
    """A record up to its payload."""
    lengths = _LENGTHS.pack(len(text), size)
    return MAGIC + lengths + _hash(run, lengths + text).digest() + text
