"""How much a mean changed from one network to another, and how well that is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscape import intervals
from landscape.intervals import Interval, student

__all__ = ["Change", "over_seeds", "paired", "student", "unpaired"]


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
        p_value: Two-sided, of no change; NaN if it is not known.
        reason: Why there is no interval, in words, such as `too few events`.
    """

    baseline: float
    variant: float
    low: float
    high: float
    over: str
    count: int
    p_value: float = math.nan
    reason: str = ""

    @property
    def value(self) -> float:
        """Variant − baseline."""
        return self.variant - self.baseline

    @property
    def distinguishable(self) -> bool:
        """Whether the interval, by itself, excludes no change."""
        return self.low > 0 or self.high < 0

    @property
    def in_words(self) -> str:
        """The change, its interval where there is one, and what that is over."""
        if not math.isfinite(self.low):
            why = f": {self.reason}" if self.reason else ""
            return f"{self.value:+.3g}, without an interval{why}".replace("-", "−")
        numbers = f"{self.value:+.3g} [{self.low:+.3g}, {self.high:+.3g}]".replace("-", "−")
        return f"{numbers} over {self.count} {self.over}"

    @property
    def needed(self) -> int | None:
        """About how many seeds or items would tell a change of this size; None if it is told, or zero."""
        return intervals.needed(self.value, (self.low, self.high), self.count)

    @property
    def effort(self) -> str:
        """A sentence on what a change of this size would take to tell; empty if it is told, or zero."""
        needed, most = self.needed, intervals.most(self.count)
        if needed is None:
            return ""
        if needed > most:
            return f"To tell a change of that size takes more than {most:,} {self.over}: treat as no effect."
        return f"A change of that size would take about {needed:,} {self.over} to tell."


def paired(baseline: np.ndarray, variant: np.ndarray, *, over: str, seed: int = 0) -> Change:
    """Of two networks measured on the same items: the interval of the mean difference over them.

    Of the kind that `landscape.intervals.of_mean` chooses by their number.

    Args:
        baseline: One value for each item, shape (item,).
        variant: The same items in the same order.
        over: What the items are.
        seed: Of the resampling.
    """
    found = intervals.of_mean(variant - baseline, seed=seed)
    return _change(float(baseline.mean()), float(variant.mean()), found, over, len(baseline))


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
    found = intervals.from_error(variant - baseline, math.hypot(*errors))
    return _change(baseline, variant, found, over, count)


def over_seeds(baseline: Sequence[float], variant: Sequence[float]) -> Change:
    """Of several seeds each: Welch's interval of the difference of the means over seeds (Welch 1947).

    With three seeds a bootstrap would be far too narrow; Student's quantiles are not.

    Args:
        baseline: One mean for each seed, at least two.
        variant: Likewise; the seeds need not match.
    """
    a, b = np.asarray(baseline, float), np.asarray(variant, float)
    found = intervals.welch(a, b)
    return _change(float(a.mean()), float(b.mean()), found, "seeds", min(len(a), len(b)))


def _change(baseline: float, variant: float, found: Interval, over: str, count: int) -> Change:
    return Change(baseline, variant, found.low, found.high, over, count, found.p_value, found.reason)
