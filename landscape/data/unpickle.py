"""A pickle reader for CIFAR's Python files that can build plain values and numeric arrays, and nothing else.

An ordinary unpickler calls whatever the file names, so that a data set could run commands. This one looks
names up in a table of four stand-ins. None of them is a class or a function of this program: a file can call
them with the arguments that NumPy's own pickles use, and can neither reach through them nor change them.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from landscape.errors import DataError

_NUMERIC = re.compile(r"[biuf][1248]")


def unpickle(path: str | Path) -> dict[str, Any]:
    """Read a pickled dictionary, of any protocol, written by Python 2 or 3.

    Args:
        path: The file. Python 2 strings are read as Latin-1.

    Returns:
        The dictionary, its byte-string keys decoded. Values are arrays of booleans or numbers, bytes, text,
        numbers, lists, tuples and dictionaries.

    Raises:
        DataError: If the file cannot be read, is damaged, holds anything but a dictionary, or asks for any
            other object; in the last case nothing of what it asks for is executed.
    """
    try:
        with open(path, "rb") as stream:
            content = _PlainUnpickler(stream, encoding="latin1").load()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(
            f"{path} is refused: {error}; nothing of it was executed; "
            "replace the file by the one in the official archive"
        ) from error
    except Exception as error:  # damaged bytes may fail in any way, as the documentation of pickle says
        raise DataError(
            f"{path} is not a readable pickle ({type(error).__name__}: {error}); it may be damaged or only "
            "partly downloaded; replace it by the one in the official archive"
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, expected a dictionary as in CIFAR's files")
    return {_text(key): value for key, value in content.items()}


def _text(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise DataError(
                f"it asks for '{module}.{name}', which plain arrays, numbers and text never need"
            ) from None


class _StandIn:
    """What a name in the file stands for: it can be called, and not altered (`__slots__`, no state)."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build

    def __call__(self, *args: Any) -> Any:
        return self._build(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_build" or hasattr(self, "_build"):
            raise DataError("it tries to alter the reader")
        object.__setattr__(self, name, value)

    def __setstate__(self, state: Any) -> None:
        raise DataError("it tries to alter the reader")


class _ElementType:
    """A dtype as pickled: its code when made, its byte order when its state is set."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: str) -> None:
        self._code = code
        self._order = "="

    def __setstate__(self, state: Any) -> None:
        order, *structure = state[1:5]
        if order not in ("|", "<", ">", "=") or any(part is not None for part in structure):
            raise DataError("it holds an array of structures, expected one of numbers")
        self._order = "=" if order == "|" else order

    def dtype(self) -> np.dtype:
        return np.dtype(self._order + self._code)


class _PlainArray(np.ndarray):
    """An array whose pickled state is checked before NumPy sees it."""

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, fortran, raw = state
        content = raw.encode("latin1") if isinstance(raw, str) else raw
        if not isinstance(kind, _ElementType) or not isinstance(content, bytes):
            raise DataError("it holds an array of objects, expected one of numbers")
        if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
            raise DataError(f"it holds an array of shape {shape!r}")
        dtype = kind.dtype()
        if math.prod(shape) * dtype.itemsize != len(content):  # NumPy's own check can overflow
            raise DataError(f"it holds an array of shape {shape} and type {dtype} in {len(content)} bytes")
        super().__setstate__((1, shape, dtype, bool(fortran), content))  # type: ignore[arg-type]


def _reconstruct(subtype: Any, shape: Any, code: Any) -> np.ndarray:
    """An empty array, to be filled by its state; the arguments are those that every pickled array has."""
    if subtype is not _NDARRAY or shape != (0,):
        raise DataError("it builds an array in an unusual way")
    return np.empty(0, np.uint8).view(_PlainArray)


def _element_type(code: Any, *flags: Any) -> _ElementType:
    text = _text(code)
    if not _NUMERIC.fullmatch(text):
        raise DataError(f"it holds an array of element type {text!r}, expected booleans or numbers")
    return _ElementType(text)


def _encode(text: Any, encoding: Any) -> bytes:
    """Byte strings, which protocol 2 writes as Latin-1 text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise DataError(f"it encodes text as {encoding!r}, expected 'latin1'")
    return text.encode("latin1")


def _never(*args: Any) -> None:
    raise DataError("it calls 'numpy.ndarray' itself, which pickled arrays never do")


_NDARRAY = _StandIn(_never)
_RECONSTRUCT = _StandIn(_reconstruct)
_STAND_INS = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _StandIn(_element_type),
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("_codecs", "encode"): _StandIn(_encode),
}
