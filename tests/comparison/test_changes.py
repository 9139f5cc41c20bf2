"""Intervals: right as often as they say, wide where little is known, and honest about what is needed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from landscape.comparison.changes import Change, over_seeds, paired, unpaired
from landscape.comparison.natural import change_in_words
from landscape.comparison.readings import BY_NAME


@pytest.mark.parametrize(("count", "most"), [(5, 0.08), (40, 0.08)])
def test_paired_intervals_hold_the_true_change_as_often_as_they_say(count: int, most: float):
    rng, missed = np.random.default_rng(0), 0
    for _ in range(300):
        shared = rng.normal(100, 50, count)  # what the items have in common drops out
        found = paired(shared, shared + 2 + rng.normal(0, 3, count), over="items")
        missed += not found.low <= 2 <= found.high
    assert 0.01 < missed / 300 < most


def test_pairing_sees_what_means_alone_do_not():
    rng = np.random.default_rng(1)
    first = rng.normal(100, 50, 30)
    second = first + 1 + rng.normal(0, 0.5, 30)
    assert paired(first, second, over="samples").distinguishable
    errors = tuple(float(values.std(ddof=1)) / 30**0.5 for values in (first, second))
    loose = unpaired(float(first.mean()), float(second.mean()), errors, over="samples", count=30)
    assert not loose.distinguishable


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 120))
    assert paired(first, second, over="items", seed=3) == paired(first, second, over="items", seed=3)
    assert paired(first, second, over="items", seed=3) != paired(first, second, over="items", seed=4)


def test_of_many_items_both_intervals_agree(monkeypatch):
    rng = np.random.default_rng(4)
    first, second = rng.exponential(size=(2, 2000))
    student = paired(first, second, over="samples")
    monkeypatch.setattr("landscape.intervals.MANY", 2001)
    bootstrap = paired(first, second, over="samples")
    assert bootstrap != student
    width = student.high - student.low
    assert abs(student.low - bootstrap.low) < 0.05 * width
    assert abs(student.high - bootstrap.high) < 0.05 * width


def test_one_item_or_one_that_is_not_finite_leaves_the_interval_open():
    for first, second in (([1.0], [2.0]), ([1.0, 2.0], [math.inf, 3.0])):
        found = paired(np.array(first), np.array(second), over="items")
        assert math.isnan(found.low)
        assert not found.distinguishable
        assert found.needed is None


def test_a_change_that_is_always_the_same_has_no_width():
    found = paired(np.arange(12.0), np.arange(12.0) + 0.5, over="items")
    assert (found.low, found.high) == (0.5, 0.5)
    assert found.distinguishable


def test_seeds_are_compared_with_welch():
    found = over_seeds([1.0, 2.0, 3.0], [4.0, 6.0, 8.0])
    # By hand: difference 4, variances 1/3 and 4/3, 2.941 degrees of freedom, quantile 3.2205.
    assert found.value == 4
    assert (found.high - found.low) / 2 == pytest.approx(3.2205 * math.sqrt(5 / 3), rel=1e-3)
    reference = stats.ttest_ind([4.0, 6.0, 8.0], [1.0, 2.0, 3.0], equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert found.over == "seeds"
    assert found.count == 3


def test_seeds_that_all_agree_leave_no_width():
    found = over_seeds([1.0, 1.0], [3.0, 3.0])
    assert (found.low, found.high) == (2.0, 2.0)


def test_what_nobody_would_look_for_is_called_no_effect():
    seeds = Change(0.0, 0.001, -1.0, 1.002, "seeds", 3)
    assert seeds.effort == "To distinguish such a change takes more than 1,000 seeds: treat as no effect."
    samples = Change(0.0, 0.5, -1.0, 2.0, "samples", 2000)
    assert samples.effort == "To distinguish such a change would take about 18,000 samples."
    assert "more than 20,000 samples" in Change(0.0, 0.4, -1.0, 1.8, "samples", 2000).effort
    assert Change(0.0, 1.0, 0.5, 1.5, "seeds", 3).effort == ""


def test_rare_events_have_no_interval_and_say_so():
    right = np.zeros(2000)
    fewer, more = right.copy(), right.copy()
    fewer[:5], more[:30] = 1, 1
    found = paired(right, fewer, over="samples")
    assert found.reason == "too few events (5 of 2,000 differ)"
    assert "without an interval: too few events" in change_in_words(BY_NAME["accuracy"], found)
    assert not found.distinguishable
    assert paired(right, more, over="samples").distinguishable
    assert paired(right, right, over="samples").reason == "too few events (0 of 2,000 differ)"


def test_what_is_needed_shrinks_the_interval_to_the_change():
    assert Change(0.0, 1.0, -1.0, 3.0, "samples", 100).needed == 400
    assert Change(0.0, 1.0, 0.5, 1.5, "samples", 100).needed is None
    assert Change(0.0, 0.0, -1.0, 1.0, "samples", 100).needed is None
    assert Change(0.0, 1.0, -0.001, 2.001, "samples", 4).needed == 5
