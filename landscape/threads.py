"""Work shared out among the threads of a CPU: several pieces at once, each with its share of the threads.

The threads of one small pass wait for one another after each layer; two passes with a thread each are done a
fifth sooner than one after the other with two (docs/benchmarks.md). How many threads a piece has follows
from the machine's threads and the work as a whole, so that its bits do not depend on what runs beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")

SWITCH = "LANDSCAPE_CONCURRENCY"
"""Set to ``off`` in the environment, pieces are computed one after the other, each with all threads."""
AT_ONCE = 4
"""Python runs one thread at a time; more would wait for it."""
_GAIN = 1.25
"""What several at once gain at least, while all of them are at work."""


def width(count: int, device: torch.device) -> int:
    """How many of so many pieces to compute at once; 1 where that would not be faster."""
    if device.type != "cpu" or os.environ.get(SWITCH) == "off":
        return 1
    wanted = min(torch.get_num_threads(), AT_ONCE)
    rounds = -(-count // wanted)
    return wanted if 0 < rounds * wanted <= _GAIN * count else 1


@contextmanager
def using(threads: int) -> Iterator[None]:
    """This thread computes with so many threads while open; the setting of the process is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(threads, 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def mapped(work: Callable[[Piece], Result], pieces: Sequence[Piece], at_once: int) -> Iterator[Result]:
    """Results in the order of the pieces, so many of which are in work at once."""
    if at_once == 1:
        yield from map(work, pieces)
        return
    threads = torch.get_num_threads()
    begin = partial(torch.set_num_threads, threads // at_once)
    with using(threads), ThreadPoolExecutor(at_once, initializer=begin) as pool:
        yield from pool.map(work, pieces)
