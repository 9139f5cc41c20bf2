"""Random perturbations of weights, how long they are, and numbers measured over them with their cost."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from landscape.errors import ArgumentError
from landscape.filters import role_of, roles, with_filters
from landscape.intervals import student
from landscape.linalg import substream
from landscape.objective import Objective
from landscape.parameters import Parameters
from landscape.precision import differentiable, full_precision
from landscape.results.estimate import Estimate

Scale = Literal["raw", "weight", "filter"]
"""What one unit of a perturbation is to a weight: 1, its own size, or the root mean square of its filter."""

_THREE = 0.99865
"""Share of a normal distribution below three standard deviations."""

SCALES: tuple[Scale, ...] = get_args(Scale)


def scales(objective: Objective, kind: Scale) -> Parameters:
    """The unit c of each free weight, shaped like it.

    With `filter`, as in filter coordinates, biases and BatchNorm are left out: c is ‖f‖/√n for the n weights
    of a filter f, so that δ ~ N(0, ρ²C) with C = diag(c)² moves each filter by ρ times its norm, and so does
    `weight`, which leaves out nothing, on the mean.

    Raises:
        LandscapeError: On an unknown kind, or if nothing is left to move.
    """
    if kind not in SCALES:
        raise ArgumentError(f"the scale is {kind!r}; choose one of {', '.join(SCALES)}")
    free = objective.free
    if kind == "raw":
        return {name: torch.ones_like(value) for name, value in free.items()}
    if kind == "weight":
        return {name: value.abs() for name, value in free.items()}
    known = roles(objective.network.module)
    kept = with_filters(free, known)
    if not kept:
        raise ArgumentError(
            f"{objective.network.name} has no weights made of filters among {objective.params!r}; choose "
            "other --params"
        )
    found = {}
    for name, value in kept.items():
        role = role_of(name, value, known)
        root = role.lengths(role.masked(torch.ones_like(value))).clamp_min(1.0)
        found[name] = (role.scale(name, objective.parameters) / root).expand_as(value)
    return found


@dataclass(frozen=True, eq=False)
class Noise:
    """Random vectors over weights that are the same for every network with weights of these names and shapes.

    Attributes:
        seed: Of all of them.
        carry: From vectors over the weights of one network to those of another that is the same but for the
            order of its units.
        shapes: Shapes of that first network by name; empty where the two are one.
    """

    seed: int = 0
    carry: Callable[[Parameters], Parameters] = field(default=lambda vector: vector)
    shapes: Mapping[str, torch.Size] = field(default_factory=dict)

    def normal(self, like: Mapping[str, Tensor], index: int) -> Parameters:
        """The index-th vector of independent standard normal numbers."""
        return self._drawn(like, index, lambda rng, size: rng.standard_normal(size))

    def signs(self, like: Mapping[str, Tensor], index: int) -> Parameters:
        """The index-th vector of independent signs."""
        return self._drawn(like, index, lambda rng, size: 2.0 * rng.integers(0, 2, size) - 1)

    def _drawn(
        self,
        like: Mapping[str, Tensor],
        index: int,
        draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray],
    ) -> Parameters:
        stream = substream(self.seed, index)
        found = {}
        for name, value in like.items():
            # By name, so that a network without some of the weights has the same numbers for the others.
            rng = np.random.default_rng([stream & (2**64 - 1), stream >> 64, zlib.crc32(name.encode())])
            shape = tuple(self.shapes.get(name, value.shape))
            found[name] = torch.from_numpy(np.asarray(draw(rng, shape))).to(value)
        return self.carry(found)


@dataclass(frozen=True)
class Found(Estimate):
    """A measured number with what it cost.

    Attributes:
        values: One for each independent part, such as a probe, whose mean is the number to first order; from
            them follows the error of the ratio of two numbers over the same parts. None where there are none.
        passes: Forward passes of single samples.
        gradients: Gradients of single samples.
        products: Hessian–vector products of single samples.
        reason: Why there is no number; empty where there is one.
    """

    values: np.ndarray | None = field(default=None, compare=False, repr=False)
    passes: int = 0
    gradients: int = 0
    products: int = 0
    reason: str = ""


def over(values: np.ndarray, **cost: Any) -> Found:
    """The mean of independent values, with Student's interval, and what it cost."""
    value, error, low, high = map(float, student(values))
    return Found(value, error, low=low, high=high, values=values, **cost)


def absent(reason: str) -> Found:
    """No number, and why."""
    return Found(math.nan, reason=reason)


def ratio(other: Found, own: Found) -> tuple[float, float]:
    """Other / own, and its standard error: over shared parts where there are such, else of independent ones.

    Of few parts the error is widened so that three of them are as far out as with the normal distribution.

    Args:
        other: The number of another network, measured alike.
        own: The number of the network itself.

    Returns:
        Both NaN where a number is missing, or its own is zero; the error is NaN where neither has one.
    """
    if not (math.isfinite(other.value) and math.isfinite(own.value)) or not own.value:
        return math.nan, math.nan
    quotient = other.value / own.value
    if own.values is not None and other.values is not None and own.values.shape == other.values.shape:
        apart = other.values - quotient * own.values
        spread = float(apart.std(ddof=1)) if len(apart) > 1 else math.nan
        few = float(stats.t.ppf(_THREE, len(apart) - 1)) / 3 if len(apart) > 1 else math.nan
        return quotient, few * spread / math.sqrt(len(apart)) / abs(own.value)
    parts = [each for each in (other.error, quotient * own.error) if math.isfinite(each)]
    return quotient, math.hypot(*parts) / abs(own.value) if parts else math.nan


def slope(objective: Objective, theta: Mapping[str, Tensor]) -> tuple[float, Parameters]:
    """Loss and gradient from one pass, the L2 term included.

    Args:
        objective: The loss.
        theta: Every parameter of the network.
    """
    objective.checked("gradient")
    loss, total = objective.l2(theta), {}
    for name in objective.free:
        total[name] = objective.weight_decay * theta[name]
    for batch in objective.batches():
        with full_precision(objective.device), differentiable():
            share = objective.share(batch, theta)
            gradients = share.gradient()
        loss += float(share.loss.detach().double())
        for name, gradient in zip(objective.free, gradients, strict=True):
            total[name] = total[name] + gradient
    return loss, total


def moved(objective: Objective, scale: Mapping[str, Tensor], step: float, vector: Parameters) -> Parameters:
    """The objective's own parameters plus step · c ⊙ vector."""
    theta = dict(objective.parameters)
    for name, unit in scale.items():
        theta[name] = theta[name] + step * unit * vector[name]
    return theta
