"""A list of items that several workers share, as one of them sees it; and how far apart workers are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from landscape.leases import Board, Lease, pause
from landscape.results.shelf import Shelf
from landscape.work import Item, Progress, each

EVERY = 100
"""One item of so many is computed twice where workers differ in kind."""

_LOOK = 1.0
"""Seconds, at least, between two looks at what others have finished; where looking is slow, more."""


class Twice:
    """Items that two workers have computed, and how far these are apart.

    Attributes:
        count: How many there are.
        largest: The largest difference, as a share of the largest magnitude in its array; 0 where all are
            the same bit for bit.
        name: Of that array; empty where all are the same.
    """

    def __init__(self) -> None:
        """None so far."""
        self.count, self.largest, self.name = 0, 0.0, ""

    def note(self, shelf: Shelf, label: str, index: int, copies: list[tuple[str, str]]) -> None:
        """Compare the copies of an item, each a worker's name and a digest."""
        self.count += 1
        if len({digest for _, digest in copies}) == 1:
            return
        first, *others = (shelf.copy(label, index, worker) for worker, _ in copies)
        for other in others:
            if first is None or other is None:
                continue
            for name, value in first.items():
                difference = apart(value, other.get(name))
                if difference > self.largest:
                    self.largest, self.name = difference, name


def apart(first: np.ndarray, second: np.ndarray | None) -> float:
    """Largest difference of two arrays as a share of the largest magnitude in them.

    Values that are not finite are equal or infinitely far apart, and so are words and truth values.
    """
    if second is None or (first.shape, first.dtype) != (second.shape, second.dtype):
        return np.inf
    if first.dtype.kind not in "iufc":
        return 0.0 if np.array_equal(first, second) else np.inf
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    if same.all():
        return 0.0
    if not np.isfinite(first[~same]).all() or not np.isfinite(second[~same]).all():
        return np.inf
    scale = max(float(np.abs(each[np.isfinite(each)]).max()) for each in (first, second))
    return float(np.abs(first[~same].astype(complex) - second[~same]).max()) / scale


def kinds_of(about: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The kind of each worker as one word."""
    return {worker: json.dumps(dict(words), sort_keys=True) for worker, words in about.items()}


class SharedList:
    """A list of items on a shelf, as one worker sees it."""

    def __init__(
        self,
        shelf: Shelf,
        label: str,
        count: int,
        compute: Callable[[int], Item],
        keep: Callable[[int, Item], Item],
        twice: Twice,
    ) -> None:
        """Of a shelf.

        Args:
            shelf: What the workers share.
            label: Of the list.
            count: Items in it.
            compute: Computes an item.
            keep: Puts it on the shelf, and gives it as it is there.
            twice: Is told of items that several workers have computed.
        """
        self._shelf, self._label, self._twice = shelf, label, twice
        self._compute, self._keep = compute, keep
        self._board = Board(count, shelf.worker)
        self._own: dict[int, Item] = {}
        self._pace, self._next_look = 0.0, 0.0
        self._seen: list[int] = []

    def items(self, progress: Progress) -> list[Item]:
        """All items, once each is finished by somebody; this worker does its share."""
        count, shelf, label = len(self._board.done), self._shelf, self._label
        shelf.news()
        self._board.done[:] = [bool(shelf.copies(label, index)) for index in range(count)]
        left, steps = count - int(self._board.done.sum()), self._steps()
        for _ in progress(steps, label, left) if count > 1 else steps:
            pass
        if count > 1:
            self._verify()
        copies = [shelf.copies(label, index) for index in range(count)]
        others = [i for i, there in enumerate(copies) if len(there) != 1 or i not in self._own]
        found = self._own | dict(zip(others, shelf.read(label, others), strict=True))
        for index, there in enumerate(copies):
            if found[index] is None:  # it was damaged
                found[index] = self._keep(index, self._compute(index))
            elif len(there) > 1 and count > 1:
                self._twice.note(shelf, label, index, there)
        return [found[index] for index in range(count)]  # type: ignore[misc]

    def _steps(self) -> Iterator[int]:
        """Each item, as it becomes known to be finished."""
        board, idle = self._board, time.monotonic()
        while not board.done.all():
            lease = self._claimed()
            yield from self._news()
            if lease is None:
                time.sleep(pause(time.monotonic() - idle))
                continue
            last = time.perf_counter()
            for index, item in each(self._compute, self._left(lease)):
                self._own[index] = self._keep(index, item)
                now = time.perf_counter()
                self._pace, last = (self._pace + now - last) / 2 if self._pace else now - last, now
                board.done[index] = True
                yield index
                yield from self._news()
            idle = time.monotonic()

    def _left(self, lease: Lease) -> Iterator[int]:
        """Items of a lease that nobody has finished."""
        for index in range(lease.begin, lease.end):
            if time.monotonic() > self._next_look:
                self._look()
            if not self._board.done[index]:
                yield index

    def _claimed(self) -> Lease | None:
        """A lease of this worker, at the end of the log; None if there is nothing to claim."""
        board, shelf, label = self._board, self._shelf, self._label
        while True:
            while known := shelf.lease(label, len(board.leases)):
                board.note(known, time.monotonic())
            if not board.fresh:  # before anything is computed again
                self._look()
            lease = board.choose(time.monotonic(), self._pace, shelf.ended)
            if lease is None:
                return None
            if shelf.claim(label, len(board.leases), lease):
                board.note(lease, time.monotonic())
                return lease

    def _news(self) -> Iterator[int]:
        """Items that others were seen to have finished, each once."""
        found, self._seen = self._seen, []
        yield from found

    def _look(self) -> None:
        """See what others have finished."""
        done, started = self._board.done, time.monotonic()
        found = self._shelf.news()
        now = time.monotonic()
        self._next_look = now + max(_LOOK, 20 * (now - started))
        for label, index in found:
            if label == self._label and 0 <= index < len(done) and not done[index]:
                done[index] = True
                self._seen.append(index)

    def _verify(self) -> None:
        """Compute one item in a hundred again that another kind of worker has computed."""
        shelf, label = self._shelf, self._label
        kinds = kinds_of(shelf.about())
        if len(set(kinds.values())) < 2:
            return
        sample = range(0, len(self._board.done), EVERY)
        begun = time.monotonic()
        until = begun + 5 + 10 * self._pace * len(sample)
        while time.monotonic() < until:
            shelf.news()
            authors = {i: {kinds.get(worker) for worker, _ in shelf.copies(label, i)} for i in sample}
            left = {index: who for index, who in authors.items() if len(who) < 2}
            alive = {kinds[worker] for worker in kinds if not shelf.ended(worker)}
            if not any(alive - who for who in left.values()):
                return
            for index, who in left.items():
                lease = Lease(shelf.worker, index, index + 1)
                if kinds[shelf.worker] not in who and shelf.claim(f"{label}, twice", index, lease):
                    self._keep(index, self._compute(index))
            time.sleep(pause(time.monotonic() - begun))
