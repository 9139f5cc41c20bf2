"""Average-case sharpness: how much the loss rises under Gaussian noise on the weights."""

from __future__ import annotations

import math

import numpy as np

from landscape.errors import ArgumentError, LandscapeError
from landscape.objective import Objective
from landscape.sharpness.perturbations import Found, Noise, Scale, moved, over, scales
from landscape.work import Item, Runner, in_memory


def average(
    objective: Objective,
    *,
    radius: float,
    scale: Scale = "raw",
    probes: int = 8,
    noise: Noise | None = None,
    run: Runner | None = None,
    label: str = "average sharpness",
) -> Found:
    """The mean of L(w + δ) − L(w) over δ ~ N(0, ρ²C), C = diag(c)² (Andriushchenko et al. 2023, eq. 1).

    Probes are antithetic, ½(L(w + δ) + L(w − δ)) − L(w): the gradient's share, which is zero on the mean,
    does not add to the spread. On a quadratic the mean is ½ρ²·tr(C^½ H C^½).

    Args:
        objective: The loss.
        radius: ρ, the standard deviation in units of c.
        scale: Which c; `raw` is plain sharpness, `weight` (c = |w|) the adaptive one, see `scales`.
        probes: Pairs of perturbations.
        noise: Where they come from; of seed 0 by default.
        run: Runs them; in memory by default.
        label: What the runner calls them.

    Returns:
        In the units of the loss, with Student's interval over probes.

    Raises:
        LandscapeError: On a radius that is not positive, or fewer than two probes.
    """
    check_radius(radius)
    if probes < 2:
        raise LandscapeError(f"an interval takes at least 2 probes, got {probes}")
    units, noise = scales(objective, scale), noise or Noise(objective.seed)

    def compute(index: int) -> Item:
        vector = noise.normal(units, index)
        both = [objective.value(moved(objective, units, sign * radius, vector)).total for sign in (1, -1)]
        return {"mean": np.array(both).mean()}

    items = (run or in_memory())(probes, compute, label)
    rises = np.array([float(item["mean"]) for item in items]) - objective.value().total
    return over(rises, passes=(2 * probes + 1) * len(objective.samples))


def check_radius(radius: float) -> None:
    """Refuse a radius that is none.

    Raises:
        LandscapeError: If it is not positive and finite.
    """
    if not (radius > 0 and math.isfinite(radius)):
        raise ArgumentError(f"the radius must be positive and finite, got {radius}")
