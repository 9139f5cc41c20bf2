"""Estimators of traces and of spectral densities, on operators whose spectrum is known."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.linalg import (
    Quadrature,
    Trace,
    hutchinson,
    lanczos_quadrature,
    moments,
    rademacher,
    random_unit,
    spectral_density,
    substream,
    xtrace,
)
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


MEASURES = {
    "spread": np.linspace(-3, 5, 80),
    "outliers": np.concatenate([[30, 17, 15, 5, 4], 0.1 * np.cos(np.arange(90)), [-3]]),
    "decaying": 10 * 0.9 ** np.arange(100),
    "low rank": np.concatenate([[5, 4, -3], np.zeros(60)]),
    "repeated": np.repeat([-1.0, 2, 3], 20),
}


def solve(matrix: Tensor, steps: int, **options) -> Quadrature:
    return lanczos_quadrature(lambda v: matrix @ v, len(matrix), steps, **({"like": matrix} | options))


def rules(matrix: Tensor, steps: int, probes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of several probes, shape (probe, step)."""
    found = [solve(matrix, steps, seed=substream(seed, i)) for i in range(probes)]
    return np.stack([rule.nodes for rule in found]), np.stack([rule.weights for rule in found])


def measure(matrix: Tensor, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Every eigenvalue with the square of the probe's projection on its eigenvector."""
    values, vectors = np.linalg.eigh(matrix.double().numpy())
    probe = rademacher(len(matrix), seed).numpy() / len(matrix) ** 0.5
    return values, (vectors.T @ probe) ** 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MEASURES)
def test_a_rule_is_a_probability_within_the_spectrum(name: str, dtype: torch.dtype):
    spectrum = MEASURES[name]
    matrix = symmetric(spectrum).to(dtype)
    slack = 1e-5 * np.abs(spectrum).max() if dtype == torch.float32 else 1e-12
    for seed in range(5):
        rule = solve(matrix, 12, seed=seed)
        assert rule.nodes.shape == rule.weights.shape == (12,)
        assert rule.nodes.dtype == rule.weights.dtype == np.float64
        assert (rule.weights >= 0).all()
        assert rule.weights.sum() == pytest.approx(1, abs=1e-12)
        assert (np.diff(rule.nodes) >= 0).all()
        assert spectrum.min() - slack <= rule.nodes.min()
        assert rule.nodes.max() <= spectrum.max() + slack


@pytest.mark.parametrize("name", MEASURES)
def test_polynomials_up_to_twice_the_steps_are_exact(name: str):
    matrix = symmetric(MEASURES[name] / np.abs(MEASURES[name]).max())
    values, squares = measure(matrix, seed=3)
    rule = solve(matrix, 6, seed=3)
    for order in range(12):
        assert rule.weights @ rule.nodes**order == pytest.approx(squares @ values**order, abs=1e-12)
    assert abs(rule.weights @ rule.nodes**12 - squares @ values**12) > 1e-13 or name in (
        "low rank",
        "repeated",
    )


@pytest.mark.parametrize("steps", [3, 4, 10, 100])
def test_with_as_many_steps_as_distinct_eigenvalues_the_rule_is_the_measure(steps: int):
    matrix, calls = symmetric(MEASURES["repeated"]), []
    values, squares = measure(matrix, seed=7)
    rule = lanczos_quadrature(lambda v: calls.append(1) or matrix @ v, 60, steps, seed=7)
    np.testing.assert_allclose(rule.nodes[:3], [-1, 2, 3], atol=1e-10)
    expected = [squares[np.isclose(values, value)].sum() for value in (-1, 2, 3)]
    np.testing.assert_allclose(rule.weights[:3], expected, atol=1e-10)
    np.testing.assert_array_equal(rule.weights[3:], 0)
    np.testing.assert_array_equal(rule.nodes[3:], rule.nodes[2])
    assert rule.products == len(calls) == 3


@pytest.mark.parametrize("value", [0.0, -2.5, 1e-12, 1e12])
@pytest.mark.parametrize("size", [1, 6])
def test_a_multiple_of_the_identity_is_one_node(value: float, size: int):
    rule = lanczos_quadrature(lambda v: value * v, size, 4)
    np.testing.assert_allclose(rule.nodes, value)
    np.testing.assert_allclose(rule.weights, [1, 0, 0, 0])
    assert rule.products == 1


@pytest.mark.parametrize("name", MEASURES)
def test_moments_lie_within_their_standard_errors(name: str):
    matrix = symmetric(MEASURES[name])
    nodes, weights = rules(matrix, 12, probes=100)
    for order in range(5):
        value, error = moments(nodes, weights, order)
        exact = (MEASURES[name] ** order).mean()
        assert abs(value - exact) <= 4 * error + 1e-12
    assert moments(nodes, weights, 0)[0] == pytest.approx(1)


def test_the_standard_error_of_a_moment_is_the_spread_over_seeds():
    matrix = symmetric(MEASURES["spread"])
    found = np.array([moments(*rules(matrix, 4, probes=10, seed=seed), 2) for seed in range(60)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(ddof=1), rel=0.4)
    exact = (MEASURES["spread"] ** 2).mean()
    assert abs(found[:, 0].mean() - exact) <= 4 * found[:, 0].std(ddof=1) / 60**0.5


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("probes", [1, 8])
def test_the_density_integrates_to_one(name: str, probes: int):
    spectrum = MEASURES[name]
    width = 0.02 * (spectrum.max() - spectrum.min())
    points, step = np.linspace(spectrum.min() - 8 * width, spectrum.max() + 8 * width, 4001, retstep=True)
    density, error = spectral_density(*rules(symmetric(spectrum), 15, probes), points, width)
    assert density.shape == error.shape == points.shape
    assert (density >= 0).all()
    assert density.sum() * step == pytest.approx(1, abs=1e-6)
    mean, _ = moments(*rules(symmetric(spectrum), 15, probes), 1)
    assert (points * density).sum() * step == pytest.approx(mean, abs=1e-6)
    assert np.isnan(error).all() if probes == 1 else (error >= 0).all()


@pytest.mark.parametrize("name", ["spread", "outliers", "repeated"])
def test_the_density_is_the_widened_spectrum_within_its_standard_error(name: str):
    spectrum = MEASURES[name]
    width = 0.06 * (spectrum.max() - spectrum.min())
    points = np.linspace(spectrum.min(), spectrum.max(), 60)
    density, error = spectral_density(*rules(symmetric(spectrum), 40, probes=25), points, width)
    exact = np.exp(-0.5 * ((points[:, None] - spectrum) / width) ** 2).mean(1) / (width * (2 * np.pi) ** 0.5)
    assert (np.abs(density - exact) <= 4 * error + 1e-9).all()
    assert (error < 0.5 * density.max()).all()


def test_the_density_by_hand():
    points, width = np.array([0.0, 0.5]), 0.5
    nodes = np.array([[0.0, 1.0], [2.0, 2.0]])
    weights = np.array([[0.25, 0.75], [1.0, 0.0]])
    bell = lambda x: np.exp(-2 * x**2) / (0.5 * (2 * np.pi) ** 0.5)  # noqa: E731
    curves = np.stack([0.25 * bell(points) + 0.75 * bell(points - 1), bell(points - 2)])
    density, error = spectral_density(nodes, weights, points, width)
    np.testing.assert_allclose(density, curves.mean(0))
    np.testing.assert_allclose(error, np.abs(curves[0] - curves[1]) / 2)


def test_one_seed_is_one_rule():
    matrix = symmetric(MEASURES["spread"])
    first, second, other = (solve(matrix, 5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.nodes, second.nodes)
    assert (first.nodes != other.nodes).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: lanczos_quadrature(lambda v: v, 4, 0), "0 quadrature steps asked for; choose 1 or more"),
        (lambda: lanczos_quadrature(lambda v: v * float("nan"), 4, 2), "not finite"),
        (lambda: moments(np.ones(3), np.ones(3), 1), "expected \\(probe, step\\) for both"),
        (lambda: moments(np.ones((2, 3)), np.ones((3, 2)), 1), "weights of shape \\(3, 2\\)"),
        (lambda: moments(np.ones((1, 1)), np.ones((1, 1)), -1), "order of the moment is -1"),
        (lambda: spectral_density(np.ones((1, 1)), np.ones((1, 1)), np.ones(2), 0.0), "width is 0.0"),
        (lambda: spectral_density(np.ones((1, 1)), np.ones((1, 1)), np.ones(2), np.nan), "width is nan"),
        (lambda: spectral_density(np.ones((1, 1)), np.ones((1, 1)), np.ones((2, 2)), 1.0), "points of shape"),
    ],
)
def test_impossible_rules_are_explained(call, text: str):
    with pytest.raises(LandscapeError, match=text):
        call()
