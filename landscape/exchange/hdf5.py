"""HDF5 files that anybody may have made: read without following links, and no more than they can hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import h5py
import numpy as np

from landscape.errors import LandscapeError, ResultError, printable
from landscape.exchange.layout import room
from landscape.files import atomic_path

_LONGEST = 4096  # characters of a text
_LARGEST = 2**26  # bytes of a file whose texts are read
_MOST_CHUNKS = 50_000


@contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """The file for reading; whatever HDF5 finds wrong with it is one sentence.

    Raises:
        ResultError: If there is none, or it is damaged.
    """
    if not Path(path).is_file():
        raise ResultError(f"no file at {path}")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError) as error:
        raise ResultError(f"{path} is damaged or no HDF5 file: {printable(error)}") from error


@contextmanager
def created(path: str | Path) -> Iterator[h5py.File]:
    """A new file that appears whole or not at all.

    Raises:
        LandscapeError: If it cannot be written.
    """
    with atomic_path(path) as draft:
        try:
            with h5py.File(draft, "w") as file:
                yield file
        except RuntimeError as error:  # HDF5's name for a disk that fills up while it flushes
            raise LandscapeError(f"cannot write {path}: {error}") from error


def has(group: h5py.Group, name: str) -> bool:
    """Whether the group itself holds the name; unlike `in`, this opens no other file that a link names."""
    return group.get(name, getlink=True) is not None


def entry(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """What the group itself holds under the name.

    Raises:
        ResultError: If it is not there, or points elsewhere.
    """
    where = f"{name} in {group.file.filename}"
    link = group.get(name, getlink=True)
    if link is None:
        raise ResultError(f"there is no {where}: it is cut short, or of another format")
    if not isinstance(link, h5py.HardLink):
        raise ResultError(f"{where} is a link to another place, which is not followed")
    return group[name]


def numbers(group: h5py.Group, name: str) -> np.ndarray:
    """A data set of numbers.

    Raises:
        ResultError: If it is not there, is something else, or claims more numbers than the file can hold.
    """
    found = entry(group, name)
    where = f"{name} in {group.file.filename}"
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu" or found.shape is None:
        raise ResultError(f"{where} is not an array of numbers")
    if found.is_virtual or found.external:
        raise ResultError(f"{where} keeps its numbers in other files, which are not read")
    if found.nbytes > room(group.file.filename):
        raise ResultError(f"{where} claims {found.nbytes} bytes, more than the file can hold")
    chunks = prod(
        -(-n // step) for n, step in zip(found.shape, found.chunks or found.shape, strict=True) if n
    )
    unpacked = prod(found.chunks or ()) * found.dtype.itemsize  # one chunk, also beyond the shape
    if chunks > _MOST_CHUNKS or unpacked > room(group.file.filename):
        raise ResultError(f"{where} lies in {chunks:,} chunks of {unpacked:,} bytes, as no numbers do")
    values = np.asarray(found[()])
    return values.astype(values.dtype.newbyteorder("="))


def text(group: h5py.Group, name: str) -> str:
    """A short text; empty if there is none, or if the file is so large that a long one could hide in it."""
    if not has(group, name) or Path(group.file.filename).stat().st_size > _LARGEST:
        return ""
    found = entry(group, name)
    if (
        not isinstance(found, h5py.Dataset)
        or found.shape != ()
        or h5py.check_string_dtype(found.dtype) is None
        or found.dtype.itemsize > _LONGEST
        or found.is_virtual
        or found.external
    ):
        return ""
    return found.asstr(errors="replace")[()][:_LONGEST]


def text_attribute(found: h5py.Group | h5py.Dataset, name: str) -> str:
    """An attribute that is a text; empty if there is none, or it is something else."""
    if name not in found.attrs or found.attrs.get_id(name).get_storage_size() > _LONGEST:
        return ""
    value = found.attrs[name]
    return value if isinstance(value, str) else ""
