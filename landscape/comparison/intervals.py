"""How much a mean changed from one network to another, and how well that is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 4000
FEW, MANY = 10, 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Change:
    """A change of a mean, with its interval.

    Attributes:
        baseline: Mean of the baseline.
        variant: Mean of the variant.
        low: Lower end of the 95 % interval of variant − baseline; NaN if it is not known.
        high: Upper end.
        over: What the interval is over: `seeds`, or the items that both networks share.
        count: How many of them.
    """

    baseline: float
    variant: float
    low: float
    high: float
    over: str
    count: int

    @property
    def value(self) -> float:
        """Variant − baseline."""
        return self.variant - self.baseline

    @property
    def distinguishable(self) -> bool:
        """Whether the interval excludes no change."""
        return self.low > 0 or self.high < 0

    @property
    def in_words(self) -> str:
        """The change, its interval where there is one, and what that is over."""
        if not math.isfinite(self.low):
            return f"{self.value:+.3g}, without an interval".replace("-", "−")
        numbers = f"{self.value:+.3g} [{self.low:+.3g}, {self.high:+.3g}]".replace("-", "−")
        return f"{numbers} over {self.count} {self.over}"

    @property
    def needed(self) -> int | None:
        """About how many seeds or items would tell a change of this size; None if it is told, or zero."""
        half = (self.high - self.low) / 2
        if self.distinguishable or not math.isfinite(half) or not self.value:
            return None
        return max(math.ceil(self.count * (half / abs(self.value)) ** 2), self.count + 1)


def paired(baseline: np.ndarray, variant: np.ndarray, *, over: str, seed: int = 0) -> Change:
    """Of two networks measured on the same items: the interval of the mean difference over them.

    A BCa bootstrap (Efron 1987); Student's interval under ten items, where that is far too narrow, and from
    2,000 on, where they agree and a bootstrap takes gigabytes.

    Args:
        baseline: One value for each item, shape (item,).
        variant: The same items in the same order.
        over: What the items are.
        seed: Of the resampling.
    """
    difference = variant - baseline
    low, high = _interval(difference, seed)
    return Change(float(baseline.mean()), float(variant.mean()), low, high, over, len(difference))


def _interval(difference: np.ndarray, seed: int) -> tuple[float, float]:
    """Of a mean; NaN where nothing can be said."""
    if len(difference) < 2 or not np.isfinite(difference).all():
        return math.nan, math.nan
    if not np.ptp(difference):
        return float(difference[0]), float(difference[0])
    if not FEW <= len(difference) < MANY:
        found = stats.ttest_1samp(difference, 0.0).confidence_interval(LEVEL)
        return float(found.low), float(found.high)
    rng = np.random.default_rng(seed)
    found = stats.bootstrap(
        (difference,), np.mean, n_resamples=RESAMPLES, confidence_level=LEVEL, method="BCa", rng=rng
    ).confidence_interval
    return float(found.low), float(found.high)


def unpaired(
    baseline: float, variant: float, errors: tuple[float, float], *, over: str, count: int
) -> Change:
    """Of two means with standard errors of their own: a normal interval of their difference.

    Args:
        baseline: Mean of the baseline.
        variant: Mean of the variant.
        errors: Their standard errors, taken as independent, which is too wide where items are shared.
        over: What the errors are over.
        count: How many.
    """
    half = float(stats.norm.ppf(0.5 + LEVEL / 2)) * math.hypot(*errors)
    change = variant - baseline
    return Change(baseline, variant, change - half, change + half, over, count)


def over_seeds(baseline: Sequence[float], variant: Sequence[float]) -> Change:
    """Of several seeds each: Welch's interval of the difference of the means over seeds (Welch 1947).

    With three seeds a bootstrap would be far too narrow; Student's quantiles are not.

    Args:
        baseline: One mean for each seed, at least two.
        variant: Likewise; the seeds need not match.
    """
    a, b = np.asarray(baseline, float), np.asarray(variant, float)
    first, second = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    half = 0.0
    if first + second:
        freedom = (first + second) ** 2 / (first**2 / (len(a) - 1) + second**2 / (len(b) - 1))
        half = float(stats.t.ppf(0.5 + LEVEL / 2, freedom) * math.sqrt(first + second))
    change = float(b.mean() - a.mean())
    return Change(
        float(a.mean()), float(b.mean()), change - half, change + half, "seeds", min(len(a), len(b))
    )


def student(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean over seeds, its standard error, and the ends of its 95 % interval (Student 1908).

    Args:
        values: Shape (seed, …).

    Returns:
        Each of shape (…); errors and ends are NaN for a single seed, and where a value is not finite.
    """
    count = len(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = values.mean(0)
        error = values.std(0, ddof=1) / math.sqrt(count) if count > 1 else np.full(values.shape[1:], math.nan)
        half = float(stats.t.ppf(0.5 + LEVEL / 2, max(count - 1, 1))) * error
        return np.asarray(centre), np.asarray(error), np.asarray(centre - half), np.asarray(centre + half)
