"""Mode connectivity: how the loss deviates on a way between two networks (Yang et al. 2021, eq. 3).

The way is a function from t in [0, 1] to parameters: the straight line here, or a curve that was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.intervals import Interval, of_mean
from landscape.objective import Objective
from landscape.parameters import Parameters, check_fit

Way = Callable[[float], Parameters]
"""Parameters at t, those of the first network at 0 and of the second one at 1."""


def straight(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Way:
    """The straight line (1 − t)·A + t·B.

    Args:
        first: Parameters A.
        second: Parameters B, of the same names and shapes.

    Raises:
        LandscapeError: If names or shapes differ.
    """
    check_fit(second, first)

    def at(t: float) -> Parameters:
        return {name: torch.lerp(value, second[name], t) for name, value in first.items()}

    return at


@dataclass(frozen=True)
class Profile:
    """What was measured along a way.

    Attributes:
        t: Places, the ends included, shape (point,).
        losses: Loss of each sample in nats, shape (point, sample).
        wrong: 100 where a class is wrong and 0 where it is right, shape (point, sample): a mean is a
            training error in per cent. NaN where the task has no classes.
    """

    t: np.ndarray
    losses: np.ndarray
    wrong: np.ndarray


def profile(objective: Objective, way: Way, points: int) -> Profile:
    """Losses at the ends of a way and at evenly spaced points between them.

    BatchNorm statistics are estimated anew at every point, the ends included: those of one end say nothing of
    the other, and all points are measured alike.

    Args:
        objective: Of one of the ends; its samples, modes and architecture apply.
        way: From one network to the other.
        points: Between the ends.

    Raises:
        LandscapeError: If there is no point between the ends, or a loss is not finite.
    """
    if points < 1:
        raise ArgumentError(f"a way is measured at one point between its ends or more, got {points}")
    measured = objective.replace(batch_norm="recalibrate")
    places = np.linspace(0, 1, points + 2)
    losses, wrong = [], []
    for t in places.tolist():
        loss, correct = measured.sample_losses(way(t))
        if not torch.isfinite(loss).all():
            raise LandscapeError(
                f"the loss at t = {t:.3g} between the networks is not finite; leave such networks out"
            )
        losses.append(loss.numpy())
        wrong.append(
            np.full(len(loss), np.nan) if correct is None else 100.0 * (1 - correct.double().numpy())
        )
    return Profile(places, np.stack(losses), np.stack(wrong))


@dataclass(frozen=True)
class Connectivity:
    """Mode connectivity of two networks in one quantity.

    Attributes:
        value: mc = ½(L(A) + L(B)) − L(γ(t*)), negative for a barrier and positive where the way lies lower
            than its ends.
        t: t*, the measured point between the ends at which it deviates most.
        interval: 95 % over samples, at that t*.
    """

    value: float
    t: float
    interval: Interval


def mode_connectivity(t: np.ndarray, values: np.ndarray) -> Connectivity:
    """Deviation of what was measured along a way, mc (Yang et al. 2021, eq. 3).

    Args:
        t: Places, the ends included, shape (point,).
        values: A loss or error of each sample, shape (point, sample).

    Raises:
        LandscapeError: If there is no point between the ends.
    """
    if len(values) < 3:
        raise ArgumentError(f"a way is measured at one point between its ends or more, got {len(values) - 2}")
    below = (values[0] + values[-1]) / 2 - values[1:-1]
    farthest = int(np.abs(below.mean(1)).argmax())
    return Connectivity(float(below[farthest].mean()), float(t[1 + farthest]), of_mean(below[farthest]))
