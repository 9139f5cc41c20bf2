"""The simulations of benchmarks/coverage.py with few repetitions: coverage stays within a stated band."""

import pytest

from benchmarks import coverage
from landscape import intervals

LOW, HIGH = 0.90, 0.995
"""Of 200 repetitions at a coverage of 93 to 97 %, four standard errors beyond are left out."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 400)


@pytest.mark.parametrize("count", [10, 20, 30])
def test_equal_networks_are_told_apart_in_one_of_twenty(count: int):
    (rate,) = coverage.of_pairs("normal", (count,), 600).values()
    assert 0.925 < rate < 0.975  # 91.4 to 93 % when BCa was used for so few


def test_seeds_are_told_apart_in_one_of_twenty():
    assert 0.925 < coverage.of_welch(1, (5,), 600)[5] < 0.985


@pytest.mark.parametrize("name", list(coverage.SPECTRA))
def test_spectra_and_flatness_are_covered(name: str):
    for what, rates in coverage.of_spectra(name, (8, 30), 200).items():
        sure = what == "NEP" and name == "lognormal, σ = 0.3"  # no value is ever negative
        assert all(LOW < rate <= (1 if sure else HIGH) for rate in rates.values()), (what, rates)


def test_traces_are_covered_with_few_probes():
    assert coverage.of_traces((5,), 60)["hutchinson"][5] > 0.85


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_rank_correlations_are_covered(rho: float):
    rates = coverage.of_ranks(rho, (9, 30, 180), 600)
    assert all(0.92 < rate < 0.985 for rate in rates.values()), rates


def test_means_over_pairs_of_seeds_are_covered():
    rates = coverage.of_members((3, 5), 500)
    assert all(0.92 < rate < 0.985 for rate in rates.values()), rates
