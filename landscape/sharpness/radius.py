"""How far weights can move before the loss has risen: the Gaussian (PAC-Bayes) radius, and the basin's."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from landscape.errors import ArgumentError, LandscapeError
from landscape.intervals import LEVEL, of_median, quantile
from landscape.objective import Objective
from landscape.sharpness.perturbations import Found, Noise, Scale, moved, scales
from landscape.work import Item, Runner, in_memory

_CLOSE = 0.02
"""Bisection ends where the ends of the bracket are so near, as a share; what is left is interpolated."""
_FIRST, _MOST = 0.01, 24
_SMALLEST, _LARGEST = 1e-9, 1e9
_BEYOND = 8
"""Larger radii that are visited until the loss has risen along every direction."""


def gaussian_radius(
    objective: Objective,
    *,
    rise: float = 0.1,
    probes: int = 8,
    noise: Noise | None = None,
    run: Runner | None = None,
    label: str = "Gaussian radius",
) -> Found:
    """The largest σ with E L(w + σζ) ≤ L(w) + ε, ζ ~ N(0, I): a flatness of PAC-Bayes bounds.

    That of Dziugaite & Roy 2017 and Jiang et al. 2020 (section 4). The mean is over probes ζ and −ζ, the same
    at every σ, so that it is one smooth function, whose root is bracketed and bisected.

    Args:
        objective: The loss.
        rise: ε, in the units of the loss.
        probes: Pairs of perturbations.
        noise: Where they come from; of seed 0 by default.
        run: Runs the probes of each σ; in memory by default.
        label: What the runner calls them.

    Returns:
        In the units of a weight; the interval is of those σ at which Student's interval of the mean rise
        holds ε, to first order. Without a number where the loss does not rise so far.

    Raises:
        LandscapeError: On fewer than two probes, or a rise that is not positive.
    """
    check(rise, probes)
    rises = Rises(
        objective, "raw", probes, noise or Noise(objective.seed), run or in_memory(), label, both=True
    )
    ends = bracket(lambda radius: float(rises(radius).mean()), rise)
    if ends is None:
        return Found(math.nan, reason=f"the mean loss does not rise by {rise:g}", passes=rises.passes)
    low, high = ends
    below, above = rises(low), rises(high)
    sigma, steepness = crossing(low, high, float(below.mean()), float(above.mean()), rise)
    # The rise along each probe at the root, from those at the ends of the bracket.
    there = below + (sigma - low) / (high - low) * (above - below)
    values = sigma - (there - there.mean()) / steepness
    error = float(values.std(ddof=1)) / math.sqrt(probes)
    half = quantile(probes) * error
    return Found(sigma, error, low=sigma - half, high=sigma + half, values=values, passes=rises.passes)


def basin_radius(
    objective: Objective,
    *,
    rise: float = 0.1,
    probes: int = 16,
    scale: Scale = "filter",
    noise: Noise | None = None,
    run: Runner | None = None,
    label: str = "basin radius",
) -> tuple[Found, dict[float, tuple[int, float, float]]]:
    """The radius r at which P(L(w + r·δ) − L(w) > ε) passes one half, δ ~ N(0, C).

    Along each δ the radius is where the loss has first risen by ε; the median over them is the basin's, with
    the interval that follows from the binomial distribution of how many have risen (the order statistics that
    Clopper and Pearson's interval inverts).

    Args:
        objective: The loss.
        rise: ε, in the units of the loss.
        probes: Directions δ.
        scale: Which c; with `filter` the radius is in norms of each filter, see `scales`.
        noise: Where they come from; of seed 0 by default.
        run: Runs the directions of each radius; in memory by default.
        label: What the runner calls them.

    Returns:
        The radius, and by each radius visited how many of the directions have risen, with the ends of Clopper
        and Pearson's interval (1934) of the probability.

    Raises:
        LandscapeError: On fewer than two directions, or a rise that is not positive.
    """
    check(rise, probes)
    rises = Rises(objective, scale, probes, noise or Noise(objective.seed), run or in_memory(), label)
    ends = bracket(lambda radius: float(np.median(rises(radius))), rise)
    for _ in range(_BEYOND if ends else 0):  # or the slower half of the directions would have no radius
        furthest = max(rises.seen)
        if not (rises(furthest) <= rise).any():
            break
        rises(1.3 * furthest)
    table = dict(sorted(rises.seen.items()))
    shares = {radius: risen(each, rise) for radius, each in table.items()}
    if ends is None:
        reason = f"the loss does not rise by {rise:g} along half of the directions"
        return Found(math.nan, reason=reason, passes=rises.passes), shares
    radii, lines = np.array(list(table)), np.stack(list(table.values()), axis=1)
    reached = np.array([first_passage(radii, line, rise) for line in lines])
    low, high = of_median(reached)
    values = reached if np.isfinite(reached).all() else None
    found = Found(float(np.median(reached)), low=low, high=high, values=values, passes=rises.passes)
    return found, shares


def risen(rises: np.ndarray, rise: float) -> tuple[int, float, float]:
    """How many have risen by more, and the ends of Clopper and Pearson's 95 % interval of the probability."""
    count, hits = len(rises), int((~(rises <= rise)).sum())
    tail = (1 - LEVEL) / 2
    low = float(stats.beta.ppf(tail, hits, count - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, count - hits)) if hits < count else 1.0
    return hits, low, high


def first_passage(radii: np.ndarray, rises: np.ndarray, rise: float) -> float:
    """Where a rise is first passed, interpolated in logarithms; infinite where it is not.

    Args:
        radii: Increasing, shape (radius,).
        rises: There, shape (radius,).
        rise: Positive.
    """
    above = np.flatnonzero(~(rises <= rise))
    if not len(above):
        return math.inf
    at = int(above[0])
    if not at:  # below the smallest radius a rise is taken to grow with the square
        first = float(rises[0])
        return float(radii[0]) * math.sqrt(rise / first) if math.isfinite(first) else float(radii[0])
    ends = (float(radii[at - 1]), float(radii[at]), float(rises[at - 1]), float(rises[at]))
    return crossing(*ends, rise)[0]


def bracket(height: Callable[[float], float], rise: float) -> tuple[float, float] | None:
    """Two radii between which a height first passes a rise: by doubling or halving, then by bisection.

    Each next radius follows from the last as if heights grew with the square, within a factor of 4.

    Args:
        height: Of a radius; it is 0 at radius 0.
        rise: Positive.

    Returns:
        The ends, at most 2 % apart where so many bisections suffice; None where it is not reached.
    """
    low, high, at = 0.0, math.inf, _FIRST
    for _ in range(_MOST):
        found = height(at)
        low, high = (at, high) if found <= rise else (low, at)
        if low and high <= (1 + _CLOSE) * low:
            return low, high
        if low and math.isfinite(high):
            guess = at * math.sqrt(rise / found) if 0 < found < math.inf else 0.0
            # Just beyond where a parabola passes, so that the bracket closes from both sides.
            guess *= 1 + _CLOSE / 3 if found <= rise else 1 - _CLOSE / 3
            at = guess if low < guess < high else math.sqrt(low * high)
        else:
            factor = math.sqrt(rise / found) if 0 < found < math.inf else (4.0 if found <= rise else 0.25)
            factor *= 1.01 if found <= rise else 0.99
            at *= min(max(factor, 0.25), 4.0)
        if not _SMALLEST < at < _LARGEST:
            return None
    return (low, high) if low and math.isfinite(high) else None


def crossing(low: float, high: float, below: float, above: float, rise: float) -> tuple[float, float]:
    """Where a curve through two points passes a height, and its slope there; linear between the points.

    Args:
        low: A radius.
        high: A larger one.
        below: Height at the first, at most `rise`.
        above: Height at the other, larger.
        rise: The height that is passed.
    """
    steepness = (above - below) / (high - low)
    if not math.isfinite(steepness):
        return low, math.inf
    return low + (rise - below) / steepness, steepness


class Rises:
    """The rise of the loss at any radius along the same perturbations, each radius measured once.

    Attributes:
        seen: Radius → rises, shape (probe,).
    """

    def __init__(
        self,
        objective: Objective,
        scale: Scale,
        probes: int,
        noise: Noise,
        run: Runner,
        label: str,
        *,
        both: bool = False,
    ) -> None:
        """Fix the perturbations.

        Args:
            objective: The loss.
            scale: In which units they are, see `scales`.
            probes: How many.
            noise: Where they come from.
            run: Runs those of each radius.
            label: What the runner calls them.
            both: Whether each is taken with its opposite, and the mean counts.
        """
        self._objective, self._units, self._probes = objective, scales(objective, scale), probes
        self._noise, self._run, self._label = noise, run, label
        self._signs = (1.0, -1.0) if both else (1.0,)
        self._origin = objective.value().total
        self.seen: dict[float, np.ndarray] = {}

    @property
    def passes(self) -> int:
        """Forward passes of single samples so far."""
        each = self._probes * len(self._signs)
        return (each * len(self.seen) + 1) * len(self._objective.samples)

    def __call__(self, radius: float) -> np.ndarray:
        """The rises at a radius, shape (probe,)."""

        def compute(index: int) -> Item:
            vector = self._noise.normal(self._units, index)
            ends = [
                self._objective.value(moved(self._objective, self._units, sign * radius, vector)).total
                for sign in self._signs
            ]
            return {"mean": np.array(ends).mean()}

        if radius not in self.seen:
            items = self._run(self._probes, compute, f"{self._label} {radius!r}")
            self.seen[radius] = np.array([float(item["mean"]) for item in items]) - self._origin
        return self.seen[radius]


def check(rise: float, probes: int) -> None:
    """Refuse what gives no interval.

    Raises:
        LandscapeError: On fewer than two probes, or a rise that is not positive.
    """
    if not (rise > 0 and math.isfinite(rise)):
        raise ArgumentError(f"the rise must be a positive number, got {rise}")
    if probes < 2:
        raise LandscapeError(f"an interval takes at least 2 probes, got {probes}")
