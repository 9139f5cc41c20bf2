"""Work as a list of independent items, who runs them, and how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

Progress = Callable[..., Iterable]
"""``progress(items, label, total)`` yields the items and shows how far it is."""


def silent(items: Iterable[T], label: str = "", total: int | None = None) -> Iterable[T]:
    """The items, without a bar."""
    return items


def bar(items: Iterable[T], label: str = "", total: int | None = None) -> Iterable[T]:
    """The items behind a progress bar with the time left, on stderr; gone when complete.

    In a log file each 15 s give a line.
    """
    from tqdm import tqdm

    shown = (
        {"mininterval": 0.1}
        if sys.stderr.isatty()
        else {"mininterval": 15.0, "delay": 15.0, "file": _Lines()}
    )
    return tqdm(items, desc=label, total=total, leave=False, dynamic_ncols=True, smoothing=0.1, **shown)


class _Lines:
    """Writes each state of a bar as a line of its own to stderr."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(f"{text.strip()}\n")

    def flush(self) -> None:
        sys.stderr.flush()


Item = dict[str, "np.ndarray"]
"""What one item yields: arrays by name."""

Runner = Callable[[int, Callable[[int], Item], str], list[Item]]
"""``run(count, compute, label)`` gives the results of ``compute(0) … compute(count − 1)``, in order."""


def each(compute: Callable[[int], Item], indices: Iterable[int]) -> Iterable[tuple[int, Item]]:
    """Index and item of each, as they are finished: several at once where `compute` can do that."""
    several = getattr(compute, "each", None)
    return several(indices) if several else ((index, compute(index)) for index in indices)


def at_once(compute: Callable[[int], Item]) -> int:
    """How many items are in work at the same time."""
    return getattr(compute, "at_once", 1)


def in_memory(progress: Progress = silent) -> Runner:
    """All items, behind a progress bar; nothing is kept if it is stopped."""

    def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
        found = dict(progress(each(compute, range(count)), label, count))
        return [found[index] for index in range(count)]

    return run
