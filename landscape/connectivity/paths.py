"""Paths between two networks: the straight line, polygons and Bézier curves over points of weight space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from landscape.errors import ArgumentError
from landscape.parameters import Parameters, dot, norm, shifted

Shape = Literal["linear", "bezier", "polygon"]
SHAPES: tuple[Shape, ...] = ("linear", "bezier", "polygon")


@dataclass(frozen=True, eq=False)
class Path:
    """γ(t) = Σ c_i(t) θ_i for t from 0 to 1, with γ(0) the first point and γ(1) the last.

    Attributes:
        shape: `linear` between two points; `bezier` and `polygon` over three (Garipov et al. 2018, section
            3.3).
        points: θ_i: the ends, and between them the bend.
    """

    shape: Shape
    points: tuple[Parameters, ...]

    def __post_init__(self) -> None:
        count = 2 if self.shape == "linear" else 3
        if self.shape not in SHAPES or len(self.points) != count:
            raise ArgumentError(
                f"a path of shape {self.shape!r} over {len(self.points)} points is not known; linear "
                "takes two, "
                "bezier and polygon take three"
            )

    def coefficients(self, t: float) -> np.ndarray:
        """c_i(t), which sum to 1."""
        return coefficients(self.shape, t)

    def at(self, t: float) -> Parameters:
        """γ(t), exactly an end at 0 and 1."""
        weights = self.coefficients(t)
        nonzero = [i for i, weight in enumerate(weights) if weight]
        first = self.points[nonzero[0]]
        if len(nonzero) == 1:
            return first
        start = {name: float(weights[nonzero[0]]) * value for name, value in first.items()}
        return shifted(start, *((float(weights[i]), self.points[i]) for i in nonzero[1:]))

    def distance(self) -> float:
        """‖γ(1) − γ(0)‖, over all parameters."""
        return float(norm(shifted(self.points[-1], (-1.0, self.points[0]))))

    def length(self, steps: int = 200) -> float:
        """∫‖γ′(t)‖ dt: of polygons the sum over the sides, of Bézier curves by that of so many chords."""
        gram = np.array([[float(dot(a, b)) for b in self.points] for a in self.points])
        t = np.linspace(0, 1, steps + 1)
        steps_of = np.diff([self.coefficients(each) for each in t], axis=0)
        squares = np.einsum("ti,ij,tj->t", steps_of, gram, steps_of)
        return float(np.sqrt(squares.clip(0)).sum())


def coefficients(shape: Shape, t: float) -> np.ndarray:
    """c_i(t) of a shape: (1 − t, t), Bernstein's polynomials of degree two, or hats."""
    if shape == "linear":
        return np.array([1 - t, t])
    if shape == "bezier":
        return np.array([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    return np.array([max(1 - 2 * t, 0.0), 1 - abs(2 * t - 1), max(2 * t - 1, 0.0)])


def spaced(points: int) -> np.ndarray:
    """So many values of t from 0 to 1.

    Raises:
        ArgumentError: If there are fewer than three, which show no barrier.
    """
    if points < 3:
        raise ArgumentError(f"a path is measured at three points or more, got {points}")
    return np.linspace(0.0, 1.0, points)


def middle(ends: Sequence[Parameters]) -> Parameters:
    """The point half-way, where a bend begins."""
    return Path("linear", tuple(ends)).at(0.5)
