"""95 % intervals, each of a kind that holds the truth as often as it says; torch-free, below everything.

Coverage of each on simulated data is printed by `python -m benchmarks.coverage`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
RESAMPLES = 4000
MODERATE, MANY = 100, 2000
"""Student's interval of a mean up to the first and from the second number of values on, BCa between them."""
EVENTS = 6
"""Fewer values that differ from the usual one say nothing of how rare and how large such values are."""
WORTHWHILE = 1000
"""An effect that would take more than so many repetitions to be seen is none to speak of."""

_Z = float(stats.norm.ppf(0.5 + LEVEL / 2))
_LONGEST = 3.0  # times Student's half-width: resamples of few values may have next to no spread


@dataclass(frozen=True)
class Interval:
    """An interval of a mean or of a difference.

    Attributes:
        low: Lower end; NaN if it is not known.
        high: Upper end.
        p_value: Two-sided, of zero: at most 0.05 exactly if the interval excludes zero.
        reason: Why there is no interval, in words; empty where there is one, or nothing is to be said.
    """

    low: float
    high: float
    p_value: float
    reason: str = ""


UNKNOWN = Interval(math.nan, math.nan, math.nan)


def distinguishable(p_value: float) -> bool:
    """The one rule: whether a p-value, corrected where there are other comparisons, tells from zero."""
    return p_value <= 1 - LEVEL


def quantile(count: int) -> float:
    """Standard errors in half an interval of the mean of so many values (Student 1908); NaN for one."""
    return float(stats.t.ppf(0.5 + LEVEL / 2, count - 1)) if count > 1 else math.nan


def student(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the first dimension, its standard error, and the ends of its interval (Student 1908).

    Args:
        values: Shape (value, …).

    Returns:
        Each of shape (…); errors and ends are NaN for a single value, and where one is not finite.
    """
    count = len(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = values.mean(0)
        error = values.std(0, ddof=1) / math.sqrt(count) if count > 1 else np.full(values.shape[1:], math.nan)
        half = quantile(count) * error
        return np.asarray(centre), np.asarray(error), np.asarray(centre - half), np.asarray(centre + half)


def of_mean(values: np.ndarray, *, seed: int = 0) -> Interval:
    """Of the mean of differences, which are as often above as below it when nothing changed.

    Student's up to 100 values and from 2,000 on; BCa (Efron 1987) between them, where it follows a skew and
    does not yet take gigabytes. Where more than half of the values are one and the same, as where two
    networks are right on the same images, only the others inform: with fewer than six there is no interval,
    and Student's degrees of freedom are counted from them.

    Args:
        values: Shape (value,).
        seed: Random seed of the resampling.
    """
    count = len(values)
    if count < 2 or not np.isfinite(values).all():
        return UNKNOWN
    if not np.ptp(values) and values[0]:
        return Interval(float(values[0]), float(values[0]), 0.0)
    informative = events(values)
    if informative < min(EVENTS, count):
        return Interval(math.nan, math.nan, math.nan, f"too few events ({informative} of {count:,} differ)")
    if MODERATE < count < MANY:
        return _bca(values, seed)
    return from_error(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(count), informative - 1)


def events(values: np.ndarray) -> int:
    """How many values differ from the usual one; all of them, if none is more usual than all others."""
    usual = int(np.unique(values, return_counts=True)[1].max())
    return len(values) - usual if 2 * usual > len(values) and usual > 1 else len(values)


def from_error(value: float, error: float, freedom: float = math.inf) -> Interval:
    """Of a value whose standard error is known with so many degrees of freedom; normal by default."""
    if not (math.isfinite(value) and math.isfinite(error)):
        return UNKNOWN
    if not error:
        return Interval(value, value, float(not value))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * error
    return Interval(value - half, value + half, float(2 * stats.t.sf(abs(value) / error, freedom)))


def welch(first: np.ndarray, second: np.ndarray) -> Interval:
    """Of the difference of two means, second − first, of at least two values each (Welch 1947)."""
    if not (np.ptp(first) or np.ptp(second)):
        return from_error(float(second.mean() - first.mean()), 0.0)
    found = stats.ttest_ind(second, first, equal_var=False)
    low, high = found.confidence_interval(LEVEL)
    return Interval(float(low), float(high), float(found.pvalue))


def of_ratio(sums: np.ndarray, counts: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """Of Σ sums / Σ counts over units drawn independently, such as mini-batches; of a mean with counts of 1.

    For quantities that may be skewed, as curvatures are. The longer side is that of the bootstrap-t (Efron &
    Tibshirani 1993, section 12.5) with the ratio's own standard error, the other Student's: by itself the
    one is too short for the normal distribution and few units, the other for a skewed one.

    Args:
        sums: Of each unit, shape (unit,).
        counts: What each sum is over, not negative; units without anything take no part.
        seed: Random seed of the resampling.

    Returns:
        Both ends; NaN with fewer than two units that have something, or a sum that is not finite.
    """
    sums, counts = sums[counts > 0].astype(float), counts[counts > 0].astype(float)
    if len(sums) < 2 or not np.isfinite(sums).all():
        return math.nan, math.nan
    ratio, error = map(float, _ratio(sums, counts))
    if not error:
        return ratio, ratio
    usual = quantile(len(sums))
    down = up = usual
    if len(sums) > 2:
        drawn = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLES, len(sums)))
        ratios, errors = _ratio(sums[drawn], counts[drawn])
        with np.errstate(divide="ignore", invalid="ignore"):
            pivots = np.nan_to_num((ratios - ratio) / errors, nan=0.0)
        ends = np.quantile(pivots, [0.5 + LEVEL / 2, 0.5 - LEVEL / 2], method="nearest")
        # Resamples of few units are short of the extremes; this makes up for it where that was measured.
        tails = np.abs(ends.clip(-1e9, 1e9)) * len(sums) / (len(sums) - 1)
        longer = float(np.clip(tails.max(), usual, _LONGEST * usual))
        down, up = (longer, usual) if tails[0] > tails[1] else (usual, longer)
    return ratio - down * error, ratio + up * error


def of_share(hits: np.ndarray, size: int) -> tuple[float, float]:
    """Of the share of hits among clusters of equal size, such as mini-batches with their eigenvalues.

    Wilson's score interval (1927) of as many independent trials as the clusters are worth: trials over the
    design effect (Kish 1965), how much more the clusters' shares vary than those of independent trials. As
    that is estimated from the clusters, the quantile is Student's over them. For clusters of one it is
    Wilson's interval itself.

    Args:
        hits: Of each cluster, shape (cluster,).
        size: Trials in each cluster.

    Returns:
        Both ends, within 0 to 1; NaN with fewer than two clusters.
    """
    count = len(hits)
    if count < 2:
        return math.nan, math.nan
    share, trials, z = float(hits.sum()) / (count * size), float(count * size), _Z
    if size > 1:
        z = quantile(count)
        spread = share * (1 - share) / size
        effect = float((hits / size).var(ddof=1)) / spread if spread else 1.0
        trials /= min(max(effect, 0.25), size)
    wide = z**2 / trials
    centre = (share + wide / 2) / (1 + wide)
    half = math.sqrt(share * (1 - share) * wide + wide**2 / 4) / (1 + wide)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def of_median(values: np.ndarray) -> tuple[float, float]:
    """Of the median, whatever the distribution (Hettmansperger & Sheather 1986).

    Order statistics, interpolated to 95 %. The extremes of n values hold the median with probability
    1 − 2¹⁻ⁿ: under six values they are the interval, and cover less.

    Args:
        values: Shape (value,); infinite ones are allowed where the order alone counts.

    Returns:
        Both ends; NaN for a single value or with a NaN.
    """
    count = len(values)
    if count < 2 or np.isnan(values).any():
        return math.nan, math.nan
    ordered = np.sort(values)
    # From the k-th smallest to the k-th largest covers 1 − 2·P(X < k), X binomial.
    covered = 1 - 2 * stats.binom.cdf(np.arange(count // 2), count, 0.5)
    inner = int(np.searchsorted(-covered, -LEVEL, side="right"))
    if not inner:
        return float(ordered[0]), float(ordered[-1])
    if inner == len(covered):
        return float(ordered[inner - 1]), float(ordered[count - inner])
    excess = float((covered[inner - 1] - LEVEL) / (covered[inner - 1] - covered[inner]))
    share = (count - inner) * excess / (inner + (count - 2 * inner) * excess)
    ends = ((ordered[at], ordered[to]) for at, to in ((inner - 1, inner), (count - inner, count - inner - 1)))
    low, high = (
        float(outer if outer == near else (1 - share) * outer + share * near) for outer, near in ends
    )
    return low, high


def of_rank_correlation(value: float, count: int) -> Interval:
    """Of Spearman's rank correlation of so many independent pairs (Bonett & Wright 2000, eq. 4).

    Normal in atanh ρ, with variance (1 + ρ²/2) / (n − 3). A correlation of ±1, which has no such error, is
    moved half a step of what so many ranks can give towards zero for the end on that side.

    Args:
        value: The correlation.
        count: Pairs that gave it.
    """
    if count < 4 or not math.isfinite(value):
        return UNKNOWN
    most = 1 - 6 / (count * (count**2 - 1))
    place = math.atanh(min(max(value, -most), most))
    error = math.sqrt((1 + value**2 / 2) / (count - 3))
    low, high = (math.tanh(place + side * _Z * error) for side in (-1, 1))
    return Interval(min(low, value), max(high, value), float(2 * stats.norm.sf(abs(place) / error)))


def of_pairs(values: np.ndarray, members: Sequence[tuple[int, int]]) -> Interval:
    """Of the mean over all pairs of some members, such as seeds, by the jackknife over members.

    Pairs that share a member are not independent: each member is left out in turn with all its pairs, and
    Student's degrees of freedom are counted from the members (Arvesen 1969, on U-statistics).

    Args:
        values: One of each pair, shape (pair,).
        members: The two members of each pair; every pair of them once.

    Returns:
        Unknown for fewer than three members, or where a value is not finite.
    """
    pairs = np.array(members, dtype=int).reshape(-1, 2)
    names = np.unique(pairs)
    if len(names) < 3 or not np.isfinite(values).all():
        return UNKNOWN
    without = np.array([values[(pairs != name).all(1)].mean() for name in names])
    mean, count = float(values.mean()), len(names)
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return from_error(mean, error, count - 1)


def needed(value: float, interval: tuple[float, float], count: int) -> int | None:
    """About how many repetitions would tell a value of this size from zero; None if these do, or it is zero.

    Args:
        value: What was measured.
        interval: Its ends.
        count: How many repetitions gave it.
    """
    half = (interval[1] - interval[0]) / 2
    if not math.isfinite(half) or not value or interval[0] > 0 or interval[1] < 0:
        return None
    return max(math.ceil(count * (half / abs(value)) ** 2), count + 1)


def most(count: int) -> int:
    """Repetitions beyond which nobody would look for an effect: 1,000, or ten times what was measured."""
    return max(WORTHWHILE, 10 * count)


def _ratio(sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ratio of the sums along the last dimension, and its standard error by linearisation."""
    units = sums.shape[-1]
    ratio = sums.sum(-1) / counts.sum(-1)
    apart = sums - ratio[..., None] * counts
    return ratio, np.sqrt((apart**2).sum(-1) / (units - 1) * units) / counts.sum(-1)


def _bca(values: np.ndarray, seed: int) -> Interval:
    """Bias-corrected and accelerated bootstrap of a mean; the p-value is where its interval ends at zero."""
    rng, centred = np.random.default_rng(seed), values - values.mean()
    means = np.array([values[rng.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)])
    below = (np.count_nonzero(means < values.mean()) + np.count_nonzero(means <= values.mean())) / 2
    bias = float(stats.norm.ppf(np.clip(below / RESAMPLES, 0.5 / RESAMPLES, 1 - 0.5 / RESAMPLES)))
    skew = float((centred**3).sum() / (6 * (centred**2).sum() ** 1.5))
    at = [bias + (bias + z) / (1 - skew * (bias + z)) for z in (-_Z, _Z)]
    low, high = np.quantile(means, stats.norm.cdf(at))
    under = np.clip(np.mean(means < 0), 0.5 / RESAMPLES, 1 - 0.5 / RESAMPLES)
    off = float(stats.norm.ppf(under)) - bias
    p_value = float(2 * stats.norm.sf(abs(off / (1 + skew * off) - bias)))
    if not means.min() <= 0 <= means.max():  # beyond what so many resamples can resolve
        p_value = min(p_value, float(stats.ttest_1samp(values, 0.0).pvalue))
    return Interval(float(low), float(high), p_value)
