"""CIFAR's Python files: pickles of plain values and numeric arrays, read inert, see `landscape.pickles`.

An ordinary unpickler calls whatever the file names, so that a data set could run commands. Here nothing is
looked up, and arrays are made of the arguments that NumPy's own pickles have; what needs anything else is
refused.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from landscape import pickles
from landscape.errors import DataError, printable
from landscape.pickles import Bounded, Named, Stub, called

_LARGEST = 2**28  # bytes of a file; those of CIFAR-100 have 155 million
_NUMERIC = re.compile(r"[biuf][1248]")
_OFFICIAL = "replace the file by the one in the official archive"


def unpickle(path: str | Path) -> dict[str, Any]:
    """Read a pickled dictionary, of any protocol, written by Python 2 or 3.

    Args:
        path: The file. Python 2 strings are read as Latin-1.

    Returns:
        The dictionary, its byte-string keys decoded. Its values are arrays of booleans or numbers, bytes,
        text, numbers, lists, tuples and dictionaries.

    Raises:
        DataError: If the file cannot be read, is damaged, holds anything but a dictionary, or asks for any
            other object; in the last case nothing of what it asks for is executed.
    """
    try:
        with open(path, "rb") as stream:
            reader = _Reader(Bounded(stream, os.fstat(stream.fileno()).st_size, _LARGEST))  # type: ignore[arg-type]
            content = reader.load()
            if isinstance(content, dict):
                content = _made(content)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"{path} is refused: {error}; nothing of it was executed; {_OFFICIAL}") from error
    except Exception as error:  # damaged bytes may fail in any way, as the documentation of pickle says
        raise DataError(
            f"{path} is not a readable pickle ({type(error).__name__}: {printable(error, 200)}); it may be "
            f"damaged or only partly downloaded; {_OFFICIAL}"
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, expected a dictionary as in CIFAR's files")
    return content


class _Reader(pickles.Reader):
    def persistent_load(self, pid: Any) -> Any:
        raise DataError("it refers to something beside it")

    def stub(self, what: Any) -> Stub:
        raise DataError(f"it asks for '{called(what)}', which plain arrays, numbers and text never need")


def _text(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)


def _made(content: dict[Any, Any]) -> dict[str, Any]:
    """The dictionary with its arrays; a list of a whole data set is not walked through."""
    made: dict[str, Any] = {}
    size = 0
    for key, value in content.items():
        if isinstance(value, Named):
            raise DataError(f"it asks for '{value}', which plain arrays, numbers and text never need")
        made[_text(key)] = value = _array(value.state) if isinstance(value, Stub) else value
        size += value.nbytes if isinstance(value, np.ndarray) else 0
        if size > _LARGEST:
            raise DataError(f"its arrays take more than {_LARGEST:,} bytes")
    return made


def _array(state: Any) -> np.ndarray:
    """An array of the state that NumPy's pickles give it."""
    if not (isinstance(state, tuple) and len(state) == 5):
        raise DataError("it holds an array without values")
    _version, shape, kind, fortran, raw = state
    content = raw.encode("latin1") if isinstance(raw, str) else raw
    if not (isinstance(kind, Stub) and _NUMERIC.fullmatch(kind.kind)) or not isinstance(content, bytes):
        raise DataError("it holds an array of objects, expected one of numbers")
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise DataError("it holds an array of a shape that no array has")
    dtype = np.dtype(_order(kind.state) + kind.kind)
    if math.prod(shape) * dtype.itemsize != len(content):
        raise DataError(f"it holds an array of shape {shape} and type {dtype} in {len(content)} bytes")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="), copy=False)


def _order(state: Any) -> str:
    """The byte order in the state of an element type."""
    order, *structure = state[1:5] if isinstance(state, tuple) else ("|",)
    if order not in ("|", "<", ">", "=") or any(part is not None for part in structure):
        raise DataError("it holds an array of structures, expected one of numbers")
    return "=" if order == "|" else order


def _reconstruct(reader: _Reader, subtype: Any, shape: Any, code: Any) -> Stub:
    """An array, to be filled by its state; the arguments are those that every pickled array has."""
    if subtype != Named("numpy", "ndarray") or shape != (0,):
        raise DataError("it builds an array in an unusual way")
    return Stub("array")


def _element_type(reader: _Reader, code: Any, *flags: Any) -> Stub:
    """A type, to be given its byte order by its state."""
    text = code.decode("latin1") if isinstance(code, bytes) else code
    if not isinstance(text, str) or not _NUMERIC.fullmatch(text):
        shown = printable(repr(text), 50) if isinstance(text, str) else "of its own"
        raise DataError(f"it holds an array of element type {shown}, expected booleans or numbers")
    return Stub(text)


def _encode(reader: _Reader, text: Any, encoding: Any) -> bytes:
    """Byte strings, which protocol 2 writes as Latin-1 text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise DataError("it encodes text in another way than 'latin1'")
    reader.spend(len(text) >> 10)
    return text.encode("latin1")


_Reader.builders = {
    ("numpy", "dtype"): _element_type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,
}
