"""Intervals: the kind that fits, ends in closed form, and the rule that turns a p-value into a verdict."""

import math

import numpy as np
import pytest
from scipy import stats

from landscape import intervals


def test_students_quantile_counts_values():
    assert intervals.quantile(3) == pytest.approx(4.3027, rel=1e-4)
    assert math.isnan(intervals.quantile(1))


@pytest.mark.parametrize(("count", "student"), [(30, True), (100, True), (101, False), (2000, True)])
def test_the_kind_of_interval_follows_the_count(count: int, student: bool):
    values = np.random.default_rng(count).exponential(size=count)
    found = intervals.of_mean(values, seed=1)
    reference = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert ((found.low, found.high) == pytest.approx((reference.low, reference.high))) == student
    if not student:
        rng = np.random.default_rng(1)
        other = stats.bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=rng)
        scale = found.high - found.low
        assert abs(found.low - other.confidence_interval.low) < 0.03 * scale
        assert abs(found.high - other.confidence_interval.high) < 0.03 * scale


@pytest.mark.parametrize("count", [8, 100, 150, 2500])
def test_the_p_value_is_at_most_a_twentieth_exactly_where_the_interval_excludes_zero(count: int):
    rng = np.random.default_rng(0)
    for seed, shift in enumerate(np.linspace(-4, 4, 17) / count**0.5):
        found = intervals.of_mean(rng.normal(shift, 1, count), seed=seed)
        assert (found.low > 0 or found.high < 0) == intervals.distinguishable(found.p_value)


def test_only_values_that_differ_from_the_usual_one_inform():
    values = np.zeros(500)
    values[:6] = 1.0
    found = intervals.of_mean(np.concatenate([values, np.zeros(2000)]))
    # One-sided six times: by chance in one of 32; Student's with five degrees of freedom agrees.
    assert found.p_value == pytest.approx(0.058, abs=0.002)
    assert intervals.events(np.arange(5.0)) == 5
    assert intervals.events(np.array([1.0, 1.0, 1.0, 2.0])) == 1
    shifted = intervals.of_mean(np.full(12, 0.5))
    assert (shifted.low, shifted.high, shifted.p_value) == (0.5, 0.5, 0.0)


def test_shares_of_single_trials_are_wilsons():
    reference = stats.binomtest(2, 8).proportion_ci(method="wilson")
    assert intervals.of_share(np.array([1, 0, 0, 1, 0, 0, 0, 0]), 1) == pytest.approx(
        (reference.low, reference.high)
    )


def test_clusters_that_vary_more_are_worth_fewer_trials():
    even = intervals.of_share(np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), 5)
    uneven = intervals.of_share(np.array([5, 5, 0, 0, 0, 0, 0, 0, 0, 0]), 5)
    assert uneven[1] - uneven[0] > 2 * (even[1] - even[0])
    assert intervals.of_share(np.zeros(10), 5)[0] == 0
    assert intervals.of_share(np.full(10, 5), 5)[1] == 1


def test_medians_lie_between_order_statistics():
    values = np.arange(1.0, 18)
    low, high = intervals.of_median(values)
    # From the 5th to the 13th of 17: 95.1 %, from the 6th to the 12th: 85.7 %.
    assert 5 <= low < 5.2
    assert low + high == pytest.approx(18)
    assert intervals.of_median(np.array([3.0, 1.0, 2.0])) == (1.0, 3.0)
    low, high = intervals.of_median(np.array([1.0, 1, 1, 1, 1, 1, 1, math.inf]))
    assert (low, high) == (1.0, math.inf)


def test_ratios_are_longer_where_the_tail_is():
    skewed = np.random.default_rng(0).lognormal(0, 1, 12)
    low, high = intervals.of_ratio(skewed, np.ones(12))
    assert high - skewed.mean() > 1.5 * (skewed.mean() - low)
    mirrored = intervals.of_ratio(-skewed, np.ones(12))
    assert mirrored == pytest.approx((-high, -low), rel=0.05)
    assert intervals.of_ratio(np.full(4, 2.0), np.ones(4)) == (2.0, 2.0)
    assert np.isnan(intervals.of_ratio(np.array([1.0, 0.0]), np.array([1, 0]))).all()


def test_a_value_with_an_error_that_is_known():
    found = intervals.from_error(1.0, 0.5)
    assert (found.low, found.high) == pytest.approx((1 - 0.98, 1 + 0.98), abs=1e-3)
    assert found.p_value == pytest.approx(0.0455, abs=1e-4)
    assert math.isnan(intervals.from_error(math.nan, 1.0).low)


def test_rank_correlations_have_the_published_interval():
    found = intervals.of_rank_correlation(0.6, 28)
    half = stats.norm.ppf(0.975) * math.sqrt((1 + 0.18) / 25)
    assert found.low == pytest.approx(math.tanh(math.atanh(0.6) - half))
    assert found.high == pytest.approx(math.tanh(math.atanh(0.6) + half))
    assert intervals.of_rank_correlation(0.0, 28).p_value == pytest.approx(1)
    for value in np.linspace(-1, 1, 21):
        each = intervals.of_rank_correlation(float(value), 9)
        assert (each.low > 0 or each.high < 0) == intervals.distinguishable(each.p_value)
        assert -1 <= each.low <= value <= each.high <= 1


def test_a_perfect_order_of_few_is_not_certain():
    found = intervals.of_rank_correlation(1.0, 6)
    assert found.high == 1
    assert found.low < 0.97
    assert math.isnan(intervals.of_rank_correlation(0.5, 3).low)
    assert math.isnan(intervals.of_rank_correlation(math.nan, 9).low)


def test_pairs_of_two_members_have_no_interval():
    assert math.isnan(intervals.of_pairs(np.array([1.0]), [(0, 1)]).low)
    assert math.isnan(intervals.of_pairs(np.array([1.0, math.nan, 2.0]), [(0, 1), (0, 2), (1, 2)]).low)
