"""Progress bars with an ETA, on stderr; computations receive one as a plain callable and may ignore it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

Progress = Callable[..., Iterable]
"""``progress(items, label, total)`` yields the items and shows how far it is."""


def silent(items: Iterable[T], label: str = "", total: int | None = None) -> Iterable[T]:
    """The items, without a bar."""
    return items


def bar(items: Iterable[T], label: str = "", total: int | None = None) -> Iterable[T]:
    """The items behind a progress bar with the time left, on stderr; gone when complete."""
    from tqdm import tqdm

    # A log file gets a line now and then, a terminal a moving bar.
    pause = 0.1 if sys.stderr.isatty() else 15.0
    return tqdm(
        items, desc=label, total=total, leave=False, dynamic_ncols=True, smoothing=0.1, mininterval=pause
    )
