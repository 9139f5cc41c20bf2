"""What short measurements choose before a surface: the micro-batch that evaluates fastest, and the span."""

from __future__ import annotations

import time

import numpy as np

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import Parameters, shifted
from landscape.surface.directions import Directions
from landscape.surface.moved import apart, origin_of
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
    if objective.modes.batch_norm != "eval" or len(objective.samples) < 3 * sizes[-1]:
        return objective
    (item,) = (run or in_memory())(1, lambda index: _fastest(objective, sizes), "micro batch")
    return objective if item is None else objective.replace(micro_batch=int(item["size"]))


def _fastest(objective: Objective, sizes: list[int]) -> Item:
    """The size, and the seconds per sample that each took at best."""
    count = 2 * sizes[-1]
    parts = {}
    for size in sizes:
        parts[size] = objective.subset(0, count).replace(micro_batch=size)
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


_DOUBLINGS = 20


def find_span(
    objective: Objective, directions: Directions, *, rise: float = 10.0, start: float = 0.5
) -> float:
    """The smallest span, up to a factor √2, at whose ends the loss is `rise` times that at the centre.

    The loss at the ends is the mean over both directions and both signs; one that is not finite counts as
    risen.

    Args:
        objective: The loss.
        directions: One or two, and where they start.
        rise: Factor, more than 1.
        start: Span to begin at, in units of the directions.

    Raises:
        LandscapeError: If the factor is not more than 1, or the loss never rises so far.
    """
    if not 1 < rise < np.inf:
        raise LandscapeError(f"the loss must rise by a finite factor of more than 1, got {rise}")
    origin = origin_of(objective, directions.vectors, directions.origin)

    def value(weights: Parameters) -> float:
        other, theta = apart(objective, weights)
        return other.value(theta).nll

    centre = value(origin)

    def risen(span: float) -> bool:
        ends = [
            value(shifted(origin, (sign * span, vector))) for vector in directions.vectors for sign in (1, -1)
        ]
        return not np.mean(ends) < rise * centre  # NaN and infinity have risen

    span, step = start, 2.0**0.5
    if risen(span):
        while risen(span / step):
            span /= step
            if span < start * 2.0**-_DOUBLINGS:
                raise LandscapeError("the loss has risen at every distance that was tried; give a --span")
        return span
    while not risen(span):
        span *= step
        if span > start * 2.0**_DOUBLINGS:
            raise LandscapeError(
                f"the loss never rises to {rise} times its centre along these directions; give a --span"
            )
    return span
