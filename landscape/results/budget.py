"""How much a file of results may unpack to: no more memory is taken than its size makes likely."""

from __future__ import annotations

from landscape.errors import ResultError

EXPANSION = 20  # measurements are compressed to no less than a twentieth; decompression bombs are
SPARE = 2**28  # bytes
WORD = 64
"""Bytes that a word takes as a Python object, besides its letters."""


def room(size: int) -> int:
    """Bytes that the numbers in a file may take once they are unpacked.

    Args:
        size: Of the file, in bytes.
    """
    return EXPANSION * size + SPARE


def require_room(declared: int, size: int, place: object) -> None:
    """Refuse what would unpack to far more than a file of its size can hold.

    Args:
        declared: Bytes that it would take in memory.
        size: Bytes of the file.
        place: What errors call it.

    Raises:
        ResultError: If it is too much.
    """
    if declared > room(size):
        raise ResultError(
            f"{place} declares {declared:,} bytes of values in {size:,} bytes, more than any result of that "
            "size holds: it is damaged, or made to fill the memory"
        )
