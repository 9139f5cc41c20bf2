"""The simulated schedule: close to the best there can be, whoever is slow or dies."""

import numpy as np
import pytest

from benchmarks.schedule import Run, excess, ideal
from landscape import leases


def test_the_ideal_by_hand():
    assert ideal(10, np.array([1.0, 1.0]), np.array([np.inf, np.inf])) == 5
    assert ideal(10, np.array([1.0, 1.0]), np.array([2.0, np.inf])) == 8
    assert ideal(2, np.array([1.0, 1.0]), np.array([2.0, np.inf])) == 1


def test_one_worker_loses_nothing_but_its_claims():
    run = Run(100, 1, np.random.default_rng(0), dying=0.0)
    assert 1 <= run.seconds() / run.ideal < 1.01
    assert run.computed == 100


@pytest.mark.parametrize("runs", [10, pytest.param(100, marks=pytest.mark.full)])
def test_a_small_surface_on_64_workers_is_within_8_percent(runs: int):
    found = excess(2601, runs)
    assert found.min() > 0
    assert np.median(found) <= 0.08
    assert np.quantile(found, 0.95) <= 0.15


@pytest.mark.parametrize("runs", [1, pytest.param(20, marks=pytest.mark.full)])
def test_a_large_one_is_within_2_percent(runs: int):
    assert excess(26010, runs).max() <= 0.02


def test_waiting_for_the_dead_would_miss_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases, "OVERDUE", 20.0)
    assert np.median(excess(2601, 3)) > 0.08
