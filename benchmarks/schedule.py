"""How close many workers that share a list come to the best there can be: simulated, with the rules in use.

    python -m benchmarks.schedule [--runs 100] [--items 2601 26010]

Workers have speeds drawn uniformly from 0.5 to 2, items take one second at speed 1, and 10 % of the workers
die at moments uniform over the run, with what they are at. Nobody is told: their leases time out and are
taken again. The ideal is the moment at which the speed there is, of those who live, has done all the work.
Claims go through `landscape.leases`, as in a real run; a claim and a look at what others finished take a few
milliseconds each.
"""

from __future__ import annotations

import argparse
import heapq
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import write
from landscape.leases import Board, Lease, pause

WORKERS, DYING, SPEEDS = 64, 0.1, (0.5, 2.0)
CLAIM = 0.005
"""Seconds of a claim, and of a look that finds nothing to do."""


@dataclass
class Worker:
    """One of them: what it knows, and what it is at."""

    board: Board
    speed: float
    dies: float
    pace: float = 0.0
    idle: float = 0.0
    queue: list[int] = field(default_factory=list)
    current: int = -1


def ideal(work: float, speeds: np.ndarray, deaths: np.ndarray) -> float:
    """When the speed of those who live has done the work."""
    order = np.argsort(deaths)
    moment, speed = 0.0, float(speeds.sum())
    for index in order:
        if not np.isfinite(deaths[index]) or work <= speed * (deaths[index] - moment):
            break
        work -= speed * (deaths[index] - moment)
        moment, speed = float(deaths[index]), speed - float(speeds[index])
    return moment + work / speed


class Run:
    """One simulated run."""

    def __init__(self, items: int, workers: int, rng: np.random.Generator, dying: float = DYING) -> None:
        """Draw speeds and deaths."""
        speeds = rng.uniform(*SPEEDS, workers)
        deaths = np.full(workers, np.inf)
        condemned = rng.choice(workers, round(dying * workers), replace=False)
        deaths[condemned] = rng.uniform(0, items / speeds.sum(), len(condemned))
        self.ideal = ideal(items, speeds, deaths)
        self.done = np.zeros(items, bool)
        self.log: list[Lease] = []
        self.computed = 0
        self._workers = [
            Worker(Board(items, str(k)), speed, death)
            for k, (speed, death) in enumerate(zip(speeds, deaths, strict=True))
        ]

    def seconds(self) -> float:
        """When the last item is finished."""
        queue = [(0.0, number) for number in range(len(self._workers))]
        left = len(self.done)
        while queue:
            now, number = heapq.heappop(queue)
            worker = self._workers[number]
            if now > worker.dies:
                continue
            if worker.current >= 0:
                left -= not self.done[worker.current]
                self.computed += 1
                self.done[worker.current], worker.current = True, -1
                worker.pace, worker.idle = 1 / worker.speed, now
                if not left:
                    return now
            heapq.heappush(queue, (now + self._step(worker, now), number))
        raise RuntimeError("every worker has died")

    def _step(self, worker: Worker, now: float) -> float:
        """Seconds until the worker has something to say."""
        board = worker.board
        np.copyto(board.done, self.done)
        cost = 0.0
        while True:
            while worker.queue and board.done[worker.queue[0]]:
                worker.queue.pop(0)
            if worker.queue:
                worker.current = worker.queue.pop(0)
                return cost + 1 / worker.speed
            for lease in self.log[len(board.leases) :]:
                board.note(lease, now)
            lease = board.choose(now, worker.pace)
            if lease is None:
                return CLAIM + pause(now - worker.idle)
            self.log.append(lease)
            board.note(lease, now)
            worker.queue = list(range(lease.begin, lease.end))
            cost += CLAIM


def excess(
    items: int, runs: int, *, workers: int = WORKERS, dying: float = DYING, seed: int = 0
) -> np.ndarray:
    """Time beyond the ideal, as a share of it, of each run."""
    found = []
    for number in range(runs):
        run = Run(items, workers, np.random.default_rng([seed, number]), dying)
        found.append(run.seconds() / run.ideal - 1)
    return np.array(found)


def row(items: int, runs: int) -> dict[str, Any]:
    found = excess(items, runs)
    return {
        "case": f"{WORKERS} workers, {items} items",
        "runs": runs,
        "median_excess": float(np.median(found)),
        "excess_at_95": float(np.quantile(found, 0.95)),
        "largest_excess": float(found.max()),
    }


def main() -> None:
    """Print the rows and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--items", type=int, nargs="+", default=[2601, 26010])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    rows = [row(items, chosen.runs) for items in chosen.items]
    for each in rows:
        print(each)
    print(write(chosen.out, "schedule", rows))


if __name__ == "__main__":
    main()
