"""The points of a surface: coordinates along its axes, their order, and the weights at each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from landscape.allocation import memory_kept
from landscape.errors import ArgumentError, LandscapeError
from landscape.objective import Objective
from landscape.parameters import Parameters, shifted
from landscape.surface.directions import Directions
from landscape.surface.moved import apart, origin_of
from landscape.work import Item, Runner, in_memory


def axis(span: float, steps: int) -> np.ndarray:
    """`steps` coordinates from −span to span with an exact zero in the middle.

    Raises:
        LandscapeError: If the grid has no centre, or the span is not positive and finite.
    """
    if steps < 3 or steps % 2 == 0:
        raise ArgumentError(f"the grid needs an odd number of points per side, at least 3, got {steps}")
    if not 0 < span < np.inf:
        raise ArgumentError(f"the span must be positive and finite, got {span}")
    coordinates = np.linspace(-span, span, steps)
    coordinates[steps // 2] = 0.0  # exactly the trained weights
    return coordinates


def coarse_to_fine(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every index of a grid, ordered so that each beginning of the list covers the whole of it.

    The centre comes first, then the points of ever finer grids around it, each half as wide: work that is
    stopped has the whole picture at a lower resolution.

    Args:
        shape: Points along each dimension.
    """
    offsets = [np.abs(np.arange(size) - size // 2) for size in shape]
    reach = max(max(shape) // 2, 1)
    # An offset belongs to the finest grid it takes: the largest power of two that divides it.
    coarsest = 1 << (reach.bit_length() - 1)
    levels = [np.gcd(offset, coarsest) for offset in offsets]  # gcd(0, c) = c: the centre is on every grid
    points = list(np.ndindex(*shape))

    def rank(point: tuple[int, ...]) -> tuple[int, ...]:
        level = min(int(levels[d][i]) for d, i in enumerate(point))
        centre = all(i == shape[d] // 2 for d, i in enumerate(point))
        return (0 if centre else 1, -level, *point)

    return sorted(points, key=rank)


def covering(points: np.ndarray, steps: int, *, margin: float = 0.5) -> tuple[np.ndarray, ...]:
    """Axes of a grid around some points, as far beyond the outermost ones on each side as `margin` says.

    Args:
        points: Coordinates, shape (point, axis).
        steps: Points of the grid along each axis.
        margin: Share of the points' largest extent.

    Returns:
        One array of shape (steps,) for each axis; a coordinate of a point that rounding alone keeps off the
        grid is put on it.

    Raises:
        LandscapeError: If there are too few steps, the margin is negative, or the points are the same (along
            one axis, if there is no margin).
    """
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max())
    flat = margin == 0 and not (high > low).all()
    if steps < 3 or not 0 <= margin < np.inf or not 0 < extent < np.inf or flat:
        raise ArgumentError(
            f"a grid around points needs at least 3 steps, a margin of 0 or more and points that differ, got "
            f"{steps} steps, a margin of {margin} and an extent of {extent}"
        )
    axes = []
    for start, stop, column in zip(low - margin * extent, high + margin * extent, points.T, strict=True):
        axis = np.linspace(start, stop, steps)
        for value in column:
            axis[np.abs(axis - value) < 1e-9 * extent] = value
        axes.append(axis)
    return tuple(axes)


Place = tuple[int, ...]
"""Indices of a point along (y,) x."""


class Mesh:
    """Grid points around an objective's parameters, or around the origin of the directions.

    Attributes:
        directions: One or two, and where they start.
        axes: Coordinates along x, and along y for a plane.
        shape: Points along (y,) x.
    """

    def __init__(self, objective: Objective, directions: Directions, axes: Sequence[np.ndarray]) -> None:
        """Say where.

        Raises:
            LandscapeError: If directions and grid do not match.
        """
        if len(axes) != len(directions.vectors):
            raise LandscapeError(
                f"{len(directions.vectors)} directions need as many axes of the grid, got {len(axes)}"
            )
        self.directions = directions
        self.axes = [np.asarray(each, float) for each in axes]
        self.shape = tuple(len(each) for each in reversed(self.axes))
        self.origin = origin_of(objective, directions.vectors, directions.origin)

    @cached_property
    def order(self) -> list[Place]:
        """Every point, from coarse to fine, the centre first."""
        return coarse_to_fine(self.shape)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions: (`y`,) `x`."""
        return ("x", "y")[: len(self.axes)][::-1]

    def coordinates(self, place: Place) -> tuple[float, ...]:
        """Of a point: x, and y on a plane."""
        return tuple(float(each[i]) for each, i in zip(self.axes, reversed(place), strict=True))

    def weights(self, place: Place) -> Parameters:
        """Every parameter at origin + x·δ (+ y·η), and the buffers that directions move: see `apart`."""
        return shifted(self.origin, *zip(self.coordinates(place), self.directions.vectors, strict=True))

    def draw(self, place: Place) -> int:
        """Number of the dropout masks of a point, with `fresh` dropout: any point can be computed alone."""
        return 1 + int(np.ravel_multi_index(place, self.shape))


_CANDIDATES = {"cpu": (32, 64, 128, 256), "cuda": (500, 1000, 2000, 5000)}
_GAIN = 1.1
"""How much faster another size must be, so that noise alone seldom changes the usual one and the numbers."""
_ROUNDS = 3


@memory_kept()
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
