"""What a measurement will take on so many workers: a few of its items are measured, the rest counted."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from landscape.analyses.running import recipe
from landscape.errors import ArgumentError, LandscapeError
from landscape.objective import Objective
from landscape.results import KINDS
from landscape.work import Item, at_once, each

KEPT = 300
"""Bytes of a record beside its arrays."""

TAIL = 0.7
"""Share of an item's time that the last of several workers is behind their mean, by `benchmarks.schedule`."""
EACH = 1.5e-4
"""Seconds of keeping and claiming an item, by `benchmarks.joined`."""
START = 1.6
"""Seconds of opening and saving beside those before the first item, fitted by `benchmarks.plans`."""

_FEW, _SOON, _ENOUGH = 5, 2.0, 10.0
"""Items measured at least, after the first, for so many seconds; seconds after which fewer items do. Beyond
the least, a fifth of all items is the most."""


@dataclass(frozen=True)
class Plan:
    """What one worker takes for a measurement, and what N of them will.

    Attributes:
        items: How many there are.
        item_seconds: Of one, the median of those measured, or as given.
        measured: How many were measured; 0 if the time was given.
        spread: Half the range of those, as a share of the median; 0 of fewer than two.
        start_seconds: Before the first item.
        memory_bytes: Peak of this process, on its device.
        disk_bytes: Of all finished items.
    """

    items: int
    item_seconds: float
    measured: int
    spread: float
    start_seconds: float
    memory_bytes: int
    disk_bytes: int

    def seconds(self, workers: int, start: float = START) -> float:
        """Wall-clock time on so many workers that are as fast as this one and share nothing but the disk.

        Args:
            workers: How many.
            start: Seconds of opening and saving.

        Raises:
            LandscapeError: If there is no worker.
        """
        if workers < 1:
            raise ArgumentError(f"a plan is for 1 or more workers, got {workers}")
        share = self.items / min(workers, self.items)
        tail = TAIL if workers > 1 and share > 1 else 0.0
        again = 1  # the centre of a surface, at the end
        return start + self.start_seconds + (share + tail + again) * self.item_seconds + share * EACH


class _EnoughError(Exception):
    """What a plan needs has been measured."""


def scaling(kind: str, objective: Objective, *, item_seconds: float | None = None, **options: Any) -> Plan:
    """Measure a few items of an analysis, and count them all.

    Args:
        kind: Kind of result whose work is a list of items.
        objective: What would be measured.
        item_seconds: What one item takes, where that is known, as of another machine; then a single one is
            computed, for its size.
        **options: Of its recipe.

    Raises:
        LandscapeError: If its work is no list of items, or fewer than two, or the time is none.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> from landscape.analyses.scaling import scaling
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> plan = scaling("surface", ls.Objective(network, samples), steps=51)
        >>> plan.items, plan.seconds(64) < plan.seconds(1)
        (2601, True)
    """
    if kind not in KINDS or not KINDS[kind].resumes:
        known = ", ".join(name for name, each in KINDS.items() if each.resumes)
        raise ArgumentError(f"{kind!r} is no list of items that workers could share; known are {known}")
    if item_seconds is not None and not 0 < item_seconds < math.inf:
        raise ArgumentError(f"an item takes seconds, more than 0, got {item_seconds}")
    found: list[tuple[int, float, list[float], int]] = []
    started = time.perf_counter()

    def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
        if count == 1:
            return [compute(0)]
        begun = time.perf_counter() - started
        item = compute(0)  # the first prepares kernels and inputs
        seconds = _timed(count, compute) if item_seconds is None else []
        found.append((count, begun, seconds, sum(value.nbytes for value in item.values())))
        raise _EnoughError

    with suppress(_EnoughError):
        recipe(kind)(objective, run=run, **options)
    if not found:
        raise LandscapeError(f"this {kind} is a single item, which no two workers can share")
    ((count, begun, seconds, size),) = found
    middle = statistics.median(seconds) if item_seconds is None else item_seconds
    if kind == "surface":  # several are as many lists, one after the other
        count *= options.get("repeats", 1) * options.get("masks", 1)
    return Plan(
        items=count,
        item_seconds=middle,
        measured=len(seconds),
        spread=(max(seconds) - min(seconds)) / 2 / middle if seconds else 0.0,
        start_seconds=begun,
        memory_bytes=_peak(objective),
        disk_bytes=count * (size + KEPT),
    )


def _timed(count: int, compute: Callable[[int], Item]) -> list[float]:
    """Seconds per item of some after the first, of as many at once as would be in work."""
    seconds: list[float] = []
    size = at_once(compute)
    least = max(min(_FEW, (count - 1) // size), 1)
    most, spent = max(least, count // (5 * size)), 0.0
    while len(seconds) < most and spent < (_ENOUGH if len(seconds) < least else _SOON):
        first, before = 1 + size * len(seconds), time.perf_counter()
        for _ in each(compute, range(first, min(first + size, count))):
            pass
        seconds.append((time.perf_counter() - before) / size)
        spent += size * seconds[-1]
    return seconds


def _peak(objective: Objective) -> int:
    if objective.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(objective.device))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
