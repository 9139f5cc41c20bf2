"""How many bytes of an input are taken into memory, judged by what it declares, before any is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from landscape.errors import LandscapeError

MAX_INPUT = 2**34
"""Bytes of one checkpoint or data set that are read unless more is allowed: 16 GiB."""

_allowed = ContextVar("max_input", default=MAX_INPUT)


@contextmanager
def max_input(size: int) -> Iterator[None]:
    """Let what is read in the block have up to so many bytes, instead of 16 GiB; ``--max-input`` does.

    Args:
        size: Bytes that the tensors of one checkpoint, or the images of one data set, may take.
    """
    token = _allowed.set(size)
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed() -> int:
    """Bytes that one input may take now."""
    return _allowed.get()


def require(size: int, what: str, error: type[LandscapeError]) -> None:
    """Refuse an input that would take more than is allowed.

    Args:
        size: Bytes that it declares.
        what: The input and a verb, such as ``net.pt declares``.
        error: What to raise.

    Raises:
        LandscapeError: The given kind, if it is too much.
    """
    if size > allowed():
        raise error(
            f"{what} {size:,} bytes, and up to {allowed():,} are read; allow more with --max-input "
            "(in Python: landscape.budget.max_input), if it is what you expect it to be"
        )
