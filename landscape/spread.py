"""Vectors whose entries are spread over several processes: sums over entries become sums over processes.

Where parameters are too large for one device, so are vectors over them. Inner products and lengths are all
that algebra and solvers need to know of the rest of a vector; inside `spread` they ask for it here. Elsewhere
nothing changes, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from torch import Tensor


class Spreading(Protocol):
    """How vectors are spread.

    Attributes:
        rank: Of this process.
        width: Entries that it holds.
    """

    rank: int
    width: int

    def total(self, part: Tensor) -> Tensor:
        """Sum over all processes of what each has; the same bits on each."""


_current: ContextVar[Spreading | None] = ContextVar("spreading", default=None)


@contextmanager
def spread(how: Spreading) -> Iterator[None]:
    """While open, vectors hold the entries of this process alone.

    Args:
        how: How they are spread.
    """
    before = _current.set(how)
    try:
        yield
    finally:
        _current.reset(before)


def total(part: Tensor) -> Tensor:
    """A sum over entries that this process holds, as a sum over all entries."""
    how = _current.get()
    return part if how is None else how.total(part)


def root(length: Tensor) -> Tensor:
    """The length of a whole vector, from that of the entries that this process holds."""
    how = _current.get()
    return length if how is None else how.total(length.square()).sqrt()


def width(size: int) -> int:
    """How many entries of a vector of so many this process holds."""
    how = _current.get()
    return size if how is None else how.width


def stream(seed: int) -> int | tuple[int, int]:
    """The seed of this process's entries of a random vector."""
    how = _current.get()
    return seed if how is None else (seed, how.rank)
