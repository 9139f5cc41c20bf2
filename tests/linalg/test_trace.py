"""Trace estimators against exact traces: unbiased, honest about their error, exact where they should be."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.linalg import Trace, hutchinson, random_unit, substream, xtrace
from tests.references import symmetric

RANDOM = np.random.default_rng(0)
SPECTRA = {
    "gaussian": RANDOM.standard_normal(50),
    "even": np.linspace(1, 3, 50),
    "decaying": 0.7 ** np.arange(60.0),
    "outliers": np.concatenate([[30, 17, 15, 5, 4, -2], 0.3 * RANDOM.standard_normal(40), np.zeros(20)]),
}
ESTIMATORS = (hutchinson, xtrace)


def estimate(estimator, matrix: Tensor, probes: int, **options) -> Trace:
    return estimator(lambda v: matrix @ v, len(matrix), probes=probes, **({"like": matrix} | options))


def leave_one_out(matrix: Tensor, probes: int, seed: int) -> np.ndarray:
    """XTrace by its definition: for each test vector, a new basis of the images of all the others."""
    a = matrix.numpy()
    tests = [random_unit(len(a), substream(seed, i)).numpy() for i in range(probes)]
    values = []
    for i, test in enumerate(tests):
        others = np.array([a @ other for j, other in enumerate(tests) if j != i]).T
        q = np.linalg.qr(others)[0]
        rest = test - q @ (q.T @ test)
        scaled = rest * math.sqrt(len(a) - probes + 1) / np.linalg.norm(rest)
        values.append(np.trace(q.T @ a @ q) + scaled @ a @ scaled)
    return np.array(values)


@pytest.mark.parametrize("probes", [2, 5, 20])
@pytest.mark.parametrize("name", SPECTRA)
def test_xtrace_is_the_mean_of_its_leave_one_out_estimates(name: str, probes: int):
    matrix = symmetric(SPECTRA[name])
    expected = leave_one_out(matrix, probes, seed=3)
    found = estimate(xtrace, matrix, probes, seed=3)
    scale = np.abs(SPECTRA[name]).max()
    assert found.value == pytest.approx(expected.mean(), abs=1e-9 * scale)
    assert found.error == pytest.approx(expected.std(ddof=1) / probes**0.5, abs=1e-9 * scale)


@pytest.mark.parametrize("probes", [4, 10])
@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_unbiased_and_honest_about_the_error(estimator, name: str, probes: int):
    matrix, seeds = symmetric(SPECTRA[name]), 120
    found = [estimate(estimator, matrix, probes, seed=seed) for seed in range(seeds)]
    values = np.array([one.value for one in found])
    spread = values.std(ddof=1)
    assert abs(values.mean() - SPECTRA[name].sum()) <= 4 * spread / seeds**0.5
    assert 0.5 <= np.mean([one.error for one in found]) / spread <= 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spectrum", [[5, 4, -3], [2] * 4, [1], []], ids=str)
def test_xtrace_is_exact_below_full_rank(spectrum: list[float], dtype: torch.dtype):
    matrix = symmetric(np.concatenate([spectrum, np.zeros(40 - len(spectrum))])).to(dtype)
    found = estimate(xtrace, matrix, 6)
    accuracy = 1e-4 if dtype == torch.float32 else 1e-10
    assert found.value == pytest.approx(sum(spectrum), abs=accuracy)
    assert found.error <= accuracy
    assert found.products == 6 + len(spectrum)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("probes", [4, 12])
def test_xtrace_of_a_small_operator(size: int, probes: int):
    spectrum = np.linspace(-1, 3, size)
    found = estimate(xtrace, symmetric(spectrum), probes)
    if probes >= size:
        assert found.value == pytest.approx(spectrum.sum(), abs=1e-10)
        assert found.error < 1e-10
    assert found.products == probes + min(size, probes)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-12, 1e12])
def test_a_multiple_of_the_identity_is_exact(value: float):
    for estimator in ESTIMATORS:
        found = estimator(lambda v: value * v, 50, probes=4)
        assert found.value == pytest.approx(50 * value)
        assert found.error == pytest.approx(0, abs=1e-9 * abs(value))


def test_hutchinson_is_exact_on_a_diagonal():
    diagonal = torch.linspace(-1, 4, 30, dtype=torch.float64)
    found = hutchinson(lambda v: diagonal * v, 30, probes=3)
    assert found.value == pytest.approx(float(diagonal.sum()))
    assert found.error < 1e-14


@pytest.mark.parametrize("name", ["decaying", "outliers"])
def test_xtrace_beats_hutchinson_at_equal_products(name: str):
    matrix, exact = symmetric(SPECTRA[name]), SPECTRA[name].sum()
    errors = {}
    for estimator, probes in ((hutchinson, 24), (xtrace, 12)):
        found = [estimate(estimator, matrix, probes, seed=seed) for seed in range(20)]
        assert {one.products for one in found} == {24}
        errors[estimator] = np.sqrt(np.mean([(one.value - exact) ** 2 for one in found]))
    assert errors[xtrace] < errors[hutchinson] / 5


def test_float32_over_many_entries():
    diagonal = torch.linspace(0, 1, 300_000) ** 8
    found = xtrace(lambda v: diagonal * v, len(diagonal), probes=4, like=diagonal)
    exact = float(diagonal.double().sum())
    assert abs(found.value - exact) <= 4 * found.error < 0.05 * exact


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_product_is_counted_and_the_seed_is_all_that_matters(estimator):
    matrix, calls, state = symmetric(SPECTRA["even"]), [], torch.get_rng_state()
    first = estimator(lambda v: calls.append(1) or matrix @ v, 50, probes=5, seed=1)
    assert first.products == len(calls) == (5 if estimator is hutchinson else 10)
    assert estimate(estimator, matrix, 5, seed=1) == first
    assert estimate(estimator, matrix, 5, seed=2).value != first.value
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_one_probe_has_no_standard_error(estimator):
    found = estimate(estimator, symmetric(SPECTRA["even"]), 1)
    assert math.isfinite(found.value)
    assert math.isnan(found.error)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_impossible_requests_are_explained(estimator):
    with pytest.raises(LandscapeError, match="0 probes asked for; choose 1 or more"):
        estimator(lambda v: v, 4, probes=0)
    with pytest.raises(LandscapeError, match="not finite"):
        estimator(lambda v: v * float("inf"), 4, probes=2)
    with pytest.raises(LandscapeError, match="the seed is -1"):
        estimator(lambda v: v, 4, probes=2, seed=-1)
