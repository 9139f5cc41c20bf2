"""Several independent items at once on a CPU, each with a share of the threads and a copy of the network.

How many threads an item has follows from the machine's threads and from the list as a whole, so that its bits
depend neither on what runs beside it nor on where a run was stopped. See `landscape.threads`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import replace
from itertools import islice
from threading import Event, Lock, local

import torch

from landscape.objective import Objective
from landscape.threads import using, width
from landscape.work import Item, Progress

ROOM = 2**31
"""Bytes that items in work beside the first one may take, in all."""
_LOOK = 0.2
"""Seconds between two looks at whether the user has interrupted."""

Compute = Callable[[Objective, int, Progress], Item]
"""An objective of its own, the item's index, and what to run its steps through so that it can be stopped."""


class Stopped(Exception):
    """Another item has failed, or the user has interrupted: this one ends."""


class Items:
    """What computes the items of a list, called with an index; `each` computes many, several at once.

    Attributes:
        at_once: How many are in work at the same time.
    """

    def __init__(self, objective: Objective, compute: Compute, *, count: int, memory: int) -> None:
        """Decide how many items to compute at once.

        Args:
            objective: What they are computed from; each but the first in work has a copy of its network.
            compute: Computes one.
            count: Items in the list, those of earlier runs included.
            memory: Bytes that one takes while it is in work, about.
        """
        weights = sum(p.numel() * p.element_size() for p in objective.network.module.parameters())
        self._objective, self._compute = objective, compute
        self.at_once = _width(objective, count, memory + weights)
        twins = _twins(objective, self.at_once - 1) if self.at_once > 1 else []
        self._free = [objective, *twins]
        self.at_once = len(self._free)

    def __call__(self, index: int) -> Item:
        """One item."""
        with using(torch.get_num_threads() // self.at_once):
            return self._compute(self._objective, index, lambda steps, *_: steps)

    def each(self, indices: Iterable[int]) -> Iterator[tuple[int, Item]]:
        """Index and item of each, as they are finished.

        Whoever stops iterating waits for those in work to stop, too.
        """
        left = iter(indices)
        if self.at_once == 1:
            yield from ((index, self(index)) for index in left)
            return
        pool = _Pool(self._compute, self._free)
        with ExitStack() as around:
            around.enter_context(self._objective.forward.settled(self._objective.device))
            around.enter_context(using(torch.get_num_threads()))  # put back what the pool's threads set
            around.enter_context(pool)
            yield from pool.finished(left)


class _Pool:
    """Threads, each with an objective of its own while it computes an item."""

    def __init__(self, compute: Compute, objectives: list[Objective]) -> None:
        self._compute, self._objectives = compute, list(objectives)
        self._share = torch.get_num_threads() // len(objectives)
        self._stop, self._lock, self._mine = Event(), Lock(), local()
        self._executor = ThreadPoolExecutor(len(objectives), "landscape", self._begin)
        self._size = len(objectives)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._executor.shutdown(cancel_futures=True)

    def finished(self, left: Iterator[int]) -> Iterator[tuple[int, Item]]:
        """Index and item of each."""
        working: dict[Future[Item], int] = {}
        while True:
            for index in islice(left, self._size - len(working)):
                working[self._executor.submit(copy_context().run, self._one, index)] = index
            if not working:
                return
            done, _ = wait(working, _LOOK, FIRST_COMPLETED)
            for future in done:
                index = working.pop(future)
                yield index, future.result()

    def _begin(self) -> None:
        torch.set_num_threads(self._share)
        with self._lock:
            self._mine.objective = self._objectives.pop()

    def _one(self, index: int) -> Item:
        return self._compute(self._mine.objective, index, self._steps)

    def _steps(self, steps: Iterable, *_: object) -> Iterator:
        for step in steps:
            if self._stop.is_set():
                raise Stopped
            yield step


def _width(objective: Objective, count: int, memory: int) -> int:
    """How many items at once are worth it, and fit."""
    wanted = width(count, objective.device)
    shared_out = hasattr(objective, "group")  # ranks sum what they have of a pass, one after the other
    alone = shared_out or objective.modes.compiled  # the compiler has one module in view
    fit = 1 + ROOM // max(memory, 1)
    return wanted if wanted <= fit and not alone else 1


def _twins(objective: Objective, count: int) -> list[Objective]:
    """Copies with networks of their own; none where the network cannot be copied."""
    try:
        return [_twin(objective) for _ in range(count)]
    except (RuntimeError, TypeError, AttributeError, NotImplementedError):
        return []


def _twin(objective: Objective) -> Objective:
    forward = objective.forward.twin()
    other = objective.replace(forward=forward)
    other.network = replace(objective.network, module=forward.module)
    return other
