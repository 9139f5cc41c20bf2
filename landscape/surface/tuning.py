"""The micro-batch that evaluates fastest, found by a short measurement that a resumed run finds again."""

from __future__ import annotations

import copy
import time

import numpy as np

from landscape.objective import Objective
from landscape.work import Item, Runner, in_memory

_CANDIDATES = {"cpu": (32, 64, 128, 256), "cuda": (500, 1000, 2000, 5000)}
_GAIN = 1.1
"""How much faster another size must be, so that noise alone seldom changes the usual one and the numbers."""
_ROUNDS = 3


def tuned(objective: Objective, run: Runner | None = None) -> Objective:
    """The objective with the micro-batch that a short measurement finds fastest for evaluations.

    Where BatchNorm depends on the micro-batch, or there are too few samples to tell, it stays as it is.

    Args:
        objective: Whose micro-batch to choose.
        run: Runs the measurement as a work item, so that a resumed run uses the same size.
    """
    sizes = sorted({objective.micro_batch, *_CANDIDATES.get(objective.device.type, ())})
    if objective.forward.batch_norm != "eval" or len(objective.samples) < 3 * sizes[-1]:
        return objective
    (item,) = (run or in_memory())(1, lambda index: _fastest(objective, sizes), "micro batch")
    chosen = copy.copy(objective)
    if item is not None:
        chosen.micro_batch = int(item["size"])
    return chosen


def _fastest(objective: Objective, sizes: list[int]) -> Item:
    """The size, and the seconds a sample that each took at best."""
    count = 2 * sizes[-1]
    parts = {}
    for size in sizes:
        parts[size] = objective.subset(0, count)
        parts[size].micro_batch = size
        parts[size].value()  # prepares the inputs, and the kernels
    best = dict.fromkeys(sizes, np.inf)
    for _ in range(_ROUNDS):  # in turns, so that a busy moment hits them all
        for size, part in parts.items():
            started = time.perf_counter()
            part.value()
            best[size] = min(best[size], (time.perf_counter() - started) / count)
    winner = min(sizes, key=lambda size: best[size])
    usual = objective.micro_batch
    size = winner if best[usual] > _GAIN * best[winner] else usual
    return {
        "size": np.array(size),
        "sizes": np.array(sizes),
        "seconds": np.array([best[size] for size in sizes]),
    }
