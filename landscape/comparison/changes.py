"""How much a mean changed from one network to another, how well that is known, and among how many changes.

A handful of comparisons that the papers' main statement is about is the primary family: Holm's procedure
(1979) keeps the chance of even one false alarm among them at 5 %. All others are secondary: within each block
the share of false alarms among those found distinguishable is kept at 5 % (Benjamini & Hochberg 1995). What
is neither, as the cells of the map of conditions, is exploratory: each by itself, at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from landscape import intervals
from landscape.intervals import Interval
from landscape.results.reading import Reading

PRIMARY, EXPLORATORY = "primary", "exploratory"

MAIN = ("largest Hessian eigenvalue", "NLL")
"""Quantities of the primary family: smoothing flattens the landscape, and predictions improve."""


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
    def needed(self) -> int | None:
        """About how many seeds or items would make a change of this size distinguishable.

        None if it is distinguishable, or zero.
        """
        return intervals.needed(self.value, (self.low, self.high), self.count)

    @property
    def effort(self) -> str:
        """A sentence on what it would take to distinguish a change of this size; empty if none is needed."""
        needed, most = self.needed, intervals.most(self.count)
        if needed is None:
            return ""
        if needed > most:
            return f"To distinguish such a change takes more than {most:,} {self.over}: treat as no effect."
        return f"To distinguish such a change would take about {needed:,} {self.over}."


def paired(baseline: np.ndarray, variant: np.ndarray, *, over: str, seed: int = 0) -> Change:
    """Of two networks measured on the same items: the interval of the mean difference over them.

    Of the kind that `landscape.intervals.of_mean` chooses by their number.

    Args:
        baseline: One value for each item, shape (item,).
        variant: The same items in the same order.
        over: What the items are.
        seed: Random seed of the resampling.
    """
    interval = intervals.of_mean(variant - baseline, seed=seed)
    return _change(float(baseline.mean()), float(variant.mean()), interval, over, len(baseline))


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
    interval = intervals.from_error(variant - baseline, math.hypot(*errors))
    return _change(baseline, variant, interval, over, count)


def over_seeds(baseline: Sequence[float], variant: Sequence[float]) -> Change:
    """Of several seeds each: Welch's interval of the difference of the means over seeds (Welch 1947).

    With three seeds a bootstrap would be far too narrow; Student's quantiles are not.

    Args:
        baseline: One mean for each seed, at least two.
        variant: Likewise; the seeds need not match.
    """
    first, second = np.asarray(baseline, float), np.asarray(variant, float)
    count = min(len(first), len(second))
    return _change(float(first.mean()), float(second.mean()), intervals.welch(first, second), "seeds", count)


def within(changes: Sequence[float]) -> Change:
    """Over seeds, of a change within each network.

    Args:
        changes: One for each seed.
    """
    values = np.asarray(changes, float)
    return paired(np.zeros_like(values), values, over="seeds")


def _change(baseline: float, variant: float, interval: Interval, over: str, count: int) -> Change:
    return Change(
        baseline, variant, interval.low, interval.high, over, count, interval.p_value, interval.reason
    )


def family_of(quantity: Reading) -> str:
    """`primary`, or the block that a comparison of this quantity belongs to."""
    return PRIMARY if quantity.name in MAIN else quantity.block


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that the chance of any false alarm in the family is at most the level (Holm 1979).

    Args:
        p_values: Of the family; NaN is none and stays so.
    """
    adjusted = np.full(len(p_values), np.nan)
    known = [place for place in np.argsort(p_values) if np.isfinite(p_values[place])]
    largest = 0.0
    for rank, place in enumerate(known):
        largest = max(largest, min((len(known) - rank) * p_values[place], 1.0))
        adjusted[place] = largest
    return adjusted.tolist()


def false_discovery(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that the share of false alarms is kept (Benjamini & Hochberg 1995).

    Args:
        p_values: Of the block; NaN is none and stays so.
    """
    adjusted = np.array(p_values, float)
    known = np.isfinite(adjusted)
    if known.any():
        adjusted[known] = stats.false_discovery_control(adjusted[known])
    return adjusted.tolist()


def corrected(families: Sequence[str], p_values: Sequence[float]) -> list[float]:
    """Each p-value adjusted for the others of its family.

    Args:
        families: `primary`, `exploratory`, or the name of a block, for each comparison.
        p_values: Of each comparison.
    """
    adjusted = np.array(p_values, float)
    for family in set(families) - {EXPLORATORY}:
        method = holm if family == PRIMARY else false_discovery
        own = np.array([each == family for each in families])
        adjusted[own] = method(adjusted[own])
    return adjusted.tolist()


def correction_in_words(family: str, count: int) -> str:
    """How a comparison of a family of so many was corrected."""
    if family == EXPLORATORY:
        return "exploratory, not corrected"
    if family == PRIMARY:
        return f"corrected for the {count} primary comparisons (Holm)"
    return f"corrected for the {count} comparisons of {family} (false discovery rate)"
