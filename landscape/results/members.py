"""Zip archives that anybody may have made: members by plain names, each judged before it is unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import math
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from landscape.errors import ResultError, printable
from landscape.results.budget import WORD, require_room

DAMAGED = (
    *(OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, KeyError),
    *(NotImplementedError, SyntaxError, TypeError, AttributeError, MemoryError, OverflowError),
)
"""What zipfile, zlib, NumPy, JSON and xarray raise for a damaged file; RecursionError is a RuntimeError."""
_MOST = 100_000  # members
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Archive:
    """The members of an open zip file, none of which has been unpacked.

    Attributes:
        names: Of its members.
    """

    def __init__(self, file: zipfile.ZipFile, place: str | Path) -> None:
        """List and judge them.

        Args:
            file: The archive.
            place: Its path.

        Raises:
            ResultError: If a name leads elsewhere, a member is a link or a device, or they would unpack to
                far more than the file could hold.
        """
        self._file, self._place, self._size = file, place, Path(place).stat().st_size
        infos = file.infolist()
        if len(infos) > _MOST:
            raise ResultError(f"{place} holds {len(infos):,} files, more than any bundle of results")
        for info in infos:
            _check_member(info, place)
        require_room(sum(info.file_size for info in infos), self._size, place)
        self._infos = {info.filename: info for info in infos}
        self._words = 0
        if len(self._infos) < len(infos):
            raise ResultError(f"{place} is damaged: two of its files have one name")

    @property
    def names(self) -> list[str]:
        """The names of all members."""
        return list(self._infos)

    def content(self, name: str, digests: Mapping[str, Any] | None = None) -> bytes:
        """A member, whose checksum is compared.

        Args:
            name: Its name.
            digests: SHA-256 of members by name, where they are known.

        Raises:
            ResultError: If there is no such member, or it has another digest.
        """
        if name not in self._infos:
            raise ResultError(f"{self._place} is damaged: {printable(name)} is missing")
        with self._file.open(self._infos[name]) as stream:
            found = stream.read(self._infos[name].file_size + 1)
        if digests and hashlib.sha256(found).hexdigest() != digests.get(name):
            raise ResultError(
                f"{self._place} is damaged, or was altered after it was written: {printable(name)} is not "
                "what its manifest says"
            )
        return found

    def json(self, name: str, digests: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A member as a JSON mapping; arguments as of `content`."""
        found = json.loads(self.content(name, digests))
        if not isinstance(found, dict):
            raise ResultError(f"{self._place} is damaged: {printable(name)} holds no mapping")
        return found

    def array(self, name: str, digests: Mapping[str, Any] | None = None) -> np.ndarray:
        """A member as an array of NumPy's format, of numbers, truth values or words.

        Args:
            name: Its name.
            digests: As of `content`.

        Raises:
            ResultError: If it is another thing, or declares more than it holds.
        """
        content = self.content(name, digests)
        stream = io.BytesIO(content)
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ResultError(
                f"{printable(name)} in {self._place} is of an unknown version of NumPy's format"
            )
        shape, fortran, dtype = _HEADERS[version](stream)
        if dtype.kind not in "biufcUSMm":
            raise ResultError(f"{printable(name)} in {self._place} holds objects, which are not read")
        declared, held = math.prod(shape) * dtype.itemsize, len(content) - stream.tell()
        if declared != held or min(shape, default=0) < 0:
            raise ResultError(
                f"{printable(name)} in {self._place} declares {declared:,} bytes and holds {held:,}: it is "
                "damaged"
            )
        if dtype.kind == "U":  # words become objects
            self._words += math.prod(shape) * (WORD + dtype.itemsize)
            require_room(self._words, self._size, self._place)
        values = np.frombuffer(content, dtype, offset=stream.tell()) if declared else np.empty(0, dtype)
        return values.reshape(shape, order="F" if fortran else "C").copy()


def _check_member(info: zipfile.ZipInfo, place: str | Path) -> None:
    """Refuse a member whose name leads elsewhere, or that is no plain file."""
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
    parts = name.removesuffix("/").split("/")
    if not all(map(is_plain, parts)):
        raise ResultError(
            f"{place} holds a file by the name {printable(name, 100)}, which leads elsewhere or cannot be "
            "shown: it is not read"
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ResultError(f"{printable(name, 100)} in {place} is a link or a device, which is not read")


def is_plain(part: str) -> bool:
    """Whether part of a name is one of a file or folder below, on any system."""
    return part not in ("", ".", "..") and "\\" not in part and part[1:2] != ":" and part.isprintable()


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[Archive]:
    """The members of a zip file; whatever is wrong with it is one sentence.

    Args:
        path: Of the file.
        what: What it is read as, for messages.

    Raises:
        ResultError: Here or in the block, if there is no such file or it is damaged.
    """
    if not Path(path).is_file():
        raise ResultError(f"no file at {path}")
    try:
        with zipfile.ZipFile(path) as file:
            yield Archive(file, path)
    except DAMAGED as error:
        reason = printable(str(error) or type(error).__name__)
        reason += " is missing" if isinstance(error, KeyError) else ""
        raise ResultError(f"{path} cannot be read as {what}: {reason}") from error
