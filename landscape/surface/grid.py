"""Grids of points along one or two directions, and the order to visit them in."""

from __future__ import annotations

import numpy as np

from landscape.errors import LandscapeError


def axis(span: float, steps: int) -> np.ndarray:
    """`steps` coordinates from −span to span with an exact zero in the middle.

    Raises:
        LandscapeError: If the grid has no centre, or the span is not positive and finite.
    """
    if steps < 3 or steps % 2 == 0:
        raise LandscapeError(f"the grid needs an odd number of points a side, at least 3, got {steps}")
    if not 0 < span < np.inf:
        raise LandscapeError(f"the span must be positive and finite, got {span}")
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
        raise LandscapeError(
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
