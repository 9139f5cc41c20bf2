"""Who computes which items of a list that any number of workers share, and which are computed again.

Claims form one log, the same for everybody: a worker adds an entry only after it has read all others, so that
no two claim the same items unawares. It takes a few items at a time, the fewer the less is left (guided
self-scheduling; Polychronopoulos & Kuck 1987), and never more than a few seconds' worth. When everything is
claimed, an idle worker computes again what a dead, late or slower one still holds: whoever is first counts,
and the others lose nothing but what they would have waited for. Nothing here reads a clock, a file or a
network; `landscape.results.joined` and the simulation in `benchmarks/schedule.py` do, with the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SECONDS = 2.0
"""Work, at most, that a lease holds; a kill loses the item in flight, and others wait for the rest."""

PARTS = 4
"""A lease is at most one part of so many that each worker could take of what is left."""

OVERDUE = 1.5
"""A lease is late after so many times as long as its worker takes for it."""

GRACE = 0.2
"""Seconds that are no delay."""

UNKNOWN = 180.0
"""Seconds after which a lease is late of which nobody can say how long it takes."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim of items.

    Attributes:
        worker: Whose it is.
        begin: The first item.
        end: One after the last.
        pace: Seconds that the worker takes for an item; 0 if it has not computed one.
    """

    worker: str
    begin: int
    end: int
    pace: float = 0.0


class Board:
    """What one worker knows of a list: what is finished, and who holds the rest.

    Attributes:
        done: Whether each item is finished.
        leases: All claims so far, in order.
    """

    def __init__(self, count: int, worker: str) -> None:
        """Of a list of so many items, as this worker sees it."""
        self.worker, self.done = worker, np.zeros(count, bool)
        self.leases: list[Lease] = []
        self._seen: list[float] = []
        self._workers = {worker}
        self._front = 0
        self._held = np.full(count, -1, np.int64)

    def note(self, lease: Lease, now: float) -> None:
        """The next entry of the log, seen at this moment of the worker's own clock."""
        self._held[lease.begin : lease.end] = len(self.leases)
        self.leases.append(lease)
        self._seen.append(now)
        self._workers.add(lease.worker)
        self._front = max(self._front, lease.end)

    @property
    def fresh(self) -> bool:
        """Whether anything is left that nobody has claimed."""
        return not self.done[self._front :].all()

    def choose(
        self, now: float, pace: float, ended: Callable[[str], bool] = lambda worker: False
    ) -> Lease | None:
        """What to claim; None if there is nothing, for now or at all.

        Args:
            now: By the clock that `note` was given.
            pace: Seconds that this worker takes for an item; 0 if it does not know.
            ended: Whether a worker is known to have ended.
        """
        fresh = np.flatnonzero(~self.done[self._front :]) + self._front
        if not len(fresh):
            return self._again(now, pace, ended)
        size = 1
        if pace:
            fair = len(fresh) // (PARTS * len(self._workers))
            size = max(1, min(fair, int(min(SECONDS / pace, len(fresh)))))
        return Lease(self.worker, int(fresh[0]), int(fresh[size - 1]) + 1, pace)

    def _again(self, now: float, pace: float, ended: Callable[[str], bool]) -> Lease | None:
        """One item that somebody else holds: of who has ended or is late, or is behind this worker."""
        missing = np.flatnonzero(~self.done)
        holders = self._held[missing]
        best, chosen = -math.inf, -1
        if len(holders) and holders.min() < 0:  # nobody has claimed it, as it was taken to be finished
            index = int(missing[holders.argmin()])
            return Lease(self.worker, index, index + 1, pace)
        for number in np.unique(holders):
            lease = self.leases[number]
            # From the back: a slower worker is at the front.
            index = int(missing[holders == number][-1])
            urgency = self._urgency(lease, now - self._seen[number], pace, ended)
            if urgency > best:
                best, chosen = urgency, index
        return Lease(self.worker, chosen, chosen + 1, pace) if chosen >= 0 else None

    def _urgency(self, lease: Lease, age: float, pace: float, ended: Callable[[str], bool]) -> float:
        """Seconds by which it would be sooner; infinite where nobody is at work, −infinite if it is not."""
        if lease.worker == self.worker or ended(lease.worker):
            return math.inf
        size = lease.end - lease.begin
        known = lease.pace or 4 * pace
        if not known:
            return -math.inf if age < UNKNOWN else 0.0
        if age > OVERDUE * known * size + GRACE:
            return age
        sooner = known * size - age - pace
        return sooner if pace and lease.pace and sooner > GRACE else -math.inf


def pause(waited: float) -> float:
    """Seconds until looking again, if there has been nothing to claim for so long."""
    return min(max(waited / 10, 0.002), 0.25)
