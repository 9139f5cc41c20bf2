"""Arrays of an ``.npz`` file, one by one: what a header declares is judged before memory is taken."""

from __future__ import annotations

import lzma
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from landscape import budget
from landscape.errors import DataError, printable
from landscape.files import kind

_DAMAGED = (
    *(OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError),
    *(NotImplementedError, SyntaxError, TypeError, MemoryError, OverflowError, RecursionError),
)
_UNPACKED = 100  # times its compressed size; images reach 2 to 5, masks 50
_SMALL = 2**26  # bytes that any array may take
_BEYOND = 2**30  # bytes behind those wanted that are read past, for the checksum at their end
_PIECE = 2**20
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Members:
    """The arrays of an open ``.npz`` file, of which none has been read."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        """List them.

        Args:
            archive: The file.
            name: What errors call it.
        """
        self._archive, self._name, self._taken = archive, name, 0
        self._infos = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }

    @property
    def keys(self) -> list[str]:
        """Their names."""
        return list(self._infos)

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape that an array declares, which is that of the bytes held."""
        with self._archive.open(self._infos[key]) as stream:
            return self._header(key, stream)[0]

    def read(self, key: str, first: int = 0) -> np.ndarray:
        """An array, or as much of it as is wanted.

        Args:
            key: Its name.
            first: Rows wanted; 0 takes all.

        Raises:
            ValueError: If it is damaged, holds Python objects, or unpacks to far more than its size.
            DataError: If it takes more memory than is allowed, with what was read before.
        """
        with self._archive.open(self._infos[key]) as stream:
            shape, fortran, dtype = self._header(key, stream)
            some = bool(first and shape and shape[0] > first and not fortran)
            rows = (first, *shape[1:]) if some else shape
            size = math.prod(rows) * dtype.itemsize
            self._taken += size
            budget.require(self._taken, f"{self._name} declares arrays of", DataError)
            array = np.frombuffer(_exactly(stream, size), dtype)
            array = array.reshape(rows[::-1]).T if fortran else array.reshape(rows)
            if self._infos[key].file_size - size <= _BEYOND:
                while stream.read(_PIECE):
                    pass
        return array[:first] if first else array

    def _header(self, key: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
        """Shape, whether in Fortran's order, and type; the stream then stands before the values."""
        info = self._infos[key]
        if info.file_size > max(_SMALL, _UNPACKED * info.compress_size):
            times = info.file_size // max(info.compress_size, 1)
            raise ValueError(f"{key} would unpack to {info.file_size:,} bytes, {times:,} times its size")
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{key} has format {version[0]}.{version[1]}, of structured arrays")
        try:
            shape, fortran, dtype = _HEADERS[version](stream)
        except Exception as error:  # NumPy's parser raises anything, and advises to trust the file
            raise ValueError(f"the header of {key} is damaged") from error
        if dtype.hasobject:
            raise ValueError(f"{key} holds Python objects, which are not read")
        declared, held = math.prod(shape) * dtype.itemsize, info.file_size - stream.tell()
        if declared != held or min(shape, default=0) < 0:
            raise ValueError(f"{key} declares {declared:,} bytes of shape {shape} and holds {held:,}")
        return shape, fortran, dtype


def _exactly(stream: IO[bytes], size: int) -> bytearray:
    """So many bytes, in memory that arrays may write to."""
    content = bytearray(size)
    done, view = 0, memoryview(content)
    while done < size:
        piece = stream.read(min(_PIECE, size - done))
        if not piece:
            raise ValueError("an array is cut off")
        view[done : done + len(piece)] = piece
        done += len(piece)
    return content


@contextmanager
def opened(file: Path | IO[bytes], name: str | Path | None = None) -> Iterator[Members]:
    """The arrays of an ``.npz`` file, without unpickling anything.

    Args:
        file: A path or an open stream.
        name: What errors call it, when it is not a path.

    Raises:
        DataError: Here or in the block, if it cannot be read or is damaged.
    """
    name = str(name or file)
    try:
        if isinstance(file, Path) and not stat.S_ISREG(file.stat().st_mode):
            raise ValueError("it is a folder" if file.is_dir() else "it is no regular file")
        with zipfile.ZipFile(file) as archive:
            yield Members(archive, name)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {name}; check the path") from error
    except _DAMAGED as error:
        plain = (
            isinstance(error, zipfile.BadZipFile) and os.path.isfile(name) and not zipfile.is_zipfile(name)
        )
        other = kind(Path(name)) if plain else ""
        reason = f"it is {other}" if other else printable(error) or type(error).__name__
        raise DataError(
            f"cannot read {name} as .npz: {reason}; write plain arrays with "
            "numpy.savez_compressed(file, images=…, labels=…)"
        ) from error
