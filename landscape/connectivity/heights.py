"""How much the loss rises along a path: barrier and mode connectivity, with errors over common samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from landscape.errors import ArgumentError


@dataclass(frozen=True)
class Height:
    """A rise or fall of the mean loss along a path.

    Attributes:
        value: In the unit of the losses.
        error: Its standard error over samples, of the paired difference; NaN for a single sample.
        at: t where it is taken.
        resolution: How much more it may be between the points, by a parabola through three.
    """

    value: float
    error: float
    at: float
    resolution: float = 0.0


def barrier(t: np.ndarray, losses: np.ndarray) -> Height:
    """Max over t of L(γ(t)) − (1 − t)·L(A) − t·L(B) (Frankle et al. 2020; Entezari et al. 2022).

    Not negative, as it is zero at both ends; of a path that never rises above the chord the error is that of
    its highest point inside.

    Args:
        t: From 0 to 1, shape (point,).
        losses: Of every sample at every point, shape (point, sample).

    Examples:
        >>> import numpy as np
        >>> from landscape.connectivity import barrier
        >>> t = np.linspace(0, 1, 5)
        >>> barrier(t, (1 + 4 * t * (1 - t))[:, None] * np.ones(3)).value
        1.0
    """
    rises = _checked(t, losses) - (1 - t)[:, None] * losses[0] - t[:, None] * losses[-1]
    means = rises.mean(1)
    inner = 1 + int(np.argmax(means[1:-1]))
    top = inner if means[inner] > 0 else 0
    error = _error(rises[inner])
    return Height(float(max(means[inner], 0.0)), error, float(t[top]), _between(means, inner) if top else 0.0)


def connectivity(t: np.ndarray, losses: np.ndarray) -> Height:
    """Mc = ½(L(A) + L(B)) − L(γ(t*)), t* inside where it is farthest from 0 (Yang et al. 2021, section 2.3).

    Below zero for a barrier between the ends, about zero for connected ones, and above zero where a path
    passes through lower loss than the ends have, which are then trained too little. The mean of the ends is
    no chord: where their losses differ, a path that falls straight from one to the other deviates from it by
    up to half of that, which `barrier` does not count.

    Args:
        t: From 0 to 1, shape (point,).
        losses: Of every sample at every point, shape (point, sample); errors of 0 and 1 as well.
    """
    gains = 0.5 * (losses[0] + losses[-1]) - _checked(t, losses)
    means = gains.mean(1)
    at = 1 + int(np.argmax(np.abs(means[1:-1])))
    between = _between(means * np.sign(means[at]), at)
    return Height(float(means[at]), _error(gains[at]), float(t[at]), between)


def _checked(t: np.ndarray, losses: np.ndarray) -> np.ndarray:
    if losses.ndim != 2 or len(t) != len(losses) or len(t) < 3 or t[0] != 0 or t[-1] != 1:
        raise ArgumentError(
            "a path takes losses (point, sample) at three points or more from t = 0 to 1, got shape "
            f"{losses.shape} "
            f"at {len(t)} points"
        )
    return losses


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _between(means: np.ndarray, at: int) -> float:
    """How far the vertex of the parabola through a largest value and its neighbours lies above it."""
    before, top, after = means[at - 1 : at + 2]
    bend = 2 * top - before - after
    return float((after - before) ** 2 / (8 * bend)) if bend > 0 else 0.0
