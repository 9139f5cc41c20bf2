"""The points of a grid along directions: where each lies in weight space, and the order of the visits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import Parameters, shifted
from landscape.surface.directions import Directions
from landscape.surface.grid import coarse_to_fine

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
        self.origin = {**objective.parameters, **(directions.origin or {})}

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
        """Every parameter at origin + x·δ (+ y·η)."""
        return shifted(self.origin, *zip(self.coordinates(place), self.directions.vectors, strict=True))

    def draw(self, place: Place) -> int:
        """Number of the dropout masks of a point, with `fresh` dropout: any point can be computed alone."""
        return 1 + int(np.ravel_multi_index(place, self.shape))
