"""What a measurement will take on so many workers: a few of its items are measured, the rest counted."""

from __future__ import annotations

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
from landscape.work import Item

KEPT, EACH = 700, 2e-4
"""Bytes of a record beside its arrays, and seconds of keeping and claiming an item."""

TAIL = 0.7
"""Share of an item's time that the last worker is behind the mean at the end."""

_MOST, _ENOUGH = 5, 10.0  # items that are measured, after the first, and seconds after which fewer do


@dataclass(frozen=True)
class Plan:
    """What one worker takes for a measurement, and what N of them will.

    Attributes:
        items: How many there are.
        item_seconds: Of one, the median of those measured.
        spread: Half the range of those, as a share of the median; 0 if only one was measured.
        start_seconds: Before the first item, and again for what follows the last one, on every worker.
        memory_bytes: Peak of this process, on its device.
        disk_bytes: Of all finished items.
    """

    items: int
    item_seconds: float
    spread: float
    start_seconds: float
    memory_bytes: int
    disk_bytes: int

    def seconds(self, workers: int) -> float:
        """Wall-clock time on so many workers that are as fast as this one and share nothing but the disk.

        Raises:
            LandscapeError: If there is no worker.
        """
        if workers < 1:
            raise ArgumentError(f"a plan is for 1 or more workers, got {workers}")
        busy = min(workers, self.items)
        work = self.items * (self.item_seconds + EACH) / busy
        tail = TAIL * self.item_seconds if busy > 1 else 0.0
        return self.start_seconds + max(work + tail, self.item_seconds)


class _EnoughError(Exception):
    """What a plan needs has been measured."""


def scaling(kind: str, objective: Objective, **options: Any) -> Plan:
    """Measure a few items of an analysis, and count them all.

    Args:
        kind: Kind of result whose work is a list of items.
        objective: What would be measured.
        **options: Of its recipe.

    Raises:
        LandscapeError: If its work is no list of items, or fewer than two.

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
    found: list[tuple[int, list[float], int]] = []
    started = time.perf_counter()
    begun: list[float] = []

    def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
        if count == 1:
            return [compute(0)]
        begun.append(time.perf_counter() - started)
        item = compute(0)  # the first prepares kernels and inputs
        seconds: list[float] = []
        while not seconds or (len(seconds) < min(_MOST, count - 1) and sum(seconds) < _ENOUGH):
            before = time.perf_counter()
            item = compute(1 + len(seconds))
            seconds.append(time.perf_counter() - before)
        found.append((count, seconds, sum(value.nbytes for value in item.values())))
        raise _EnoughError

    with suppress(_EnoughError):
        recipe(kind)(objective, run=run, **options)
    if not found:
        raise LandscapeError(f"this {kind} is a single item, which no two workers can share")
    ((count, seconds, size),) = found
    middle = statistics.median(seconds)
    return Plan(
        items=count,
        item_seconds=middle,
        spread=(max(seconds) - min(seconds)) / 2 / middle,
        start_seconds=2 * begun[0],
        memory_bytes=_peak(objective),
        disk_bytes=count * (size + KEPT),
    )


def _peak(objective: Objective) -> int:
    if objective.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(objective.device))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
