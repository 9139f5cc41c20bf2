"""Block power iteration against numpy's dense solver."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.linalg import Eigenpairs, lanczos, power_iteration
from tests.references import symmetric, wanted


def solve(matrix: Tensor, k: int, **options) -> Eigenpairs:
    options = {"tolerance": 1e-9, "max_products": 20_000, "like": matrix} | options
    return power_iteration(lambda v: matrix @ v, len(matrix), k, **options)


@pytest.mark.parametrize(
    "spectrum",
    [
        [8, -6, 4, -2, 1, 0.5, 0.1],
        [-8, 6, 4, 2],
        [5, 5, 5, 1, 0.5],
        [5, 2] + [0] * 10,
        [2] * 5,
        [3, 2.9, 2.8, 1, 0.3],
        [0] * 4,
        [1e-12, 3e-12, -7e-12],
        [7, -7e9, 3e9],
    ],
    ids=str,
)
def test_against_the_dense_solver(spectrum: list[float]):
    matrix = symmetric(spectrum)
    pairs = solve(matrix, 3)
    expected = wanted(np.array(spectrum), 3, "magnitude")
    np.testing.assert_allclose(pairs.eigenvalues, expected, rtol=0, atol=1e-8 * max(map(abs, spectrum)))
    assert pairs.converged.all()
    gram = pairs.vectors @ pairs.vectors.T
    torch.testing.assert_close(gram, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 6])
def test_all_eigenvalues_of_a_small_operator(size: int):
    spectrum = np.array([4.0, -3, 2, -1, 0.5, 0.2])[:size]
    np.testing.assert_allclose(solve(symmetric(spectrum), size).eigenvalues, spectrum, atol=1e-8)


def test_agrees_with_lanczos():
    matrix = symmetric([9, -7, 5, 3, -2, 1, 0.5, 0.2])
    power = solve(matrix, 4, tolerance=1e-4)
    other = lanczos(lambda v: matrix @ v, 8, 4, which="magnitude", tolerance=1e-4)
    assert (np.abs(power.eigenvalues - other.eigenvalues) <= power.residuals + other.residuals).all()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    spectrum=st.lists(st.floats(-10, 10, width=16), min_size=1, max_size=8),
    data=st.data(),
    seed=st.integers(0, 1000),
)
def test_an_eigenvalue_lies_within_each_residual(spectrum: list[float], data, seed: int):
    matrix = symmetric(spectrum, seed=seed)
    k = data.draw(st.integers(1, len(spectrum)))
    products = data.draw(st.integers(k + 1, 60))
    pairs = solve(matrix, k, tolerance=1e-3, max_products=products, seed=seed)
    assert pairs.products <= products
    unknown, totals = pairs.gaps == 0, pairs.residuals + pairs.symmetry_defect
    np.testing.assert_array_equal(pairs.error_bounds[unknown], totals[unknown])
    assert (pairs.error_bounds <= totals).all()
    exact = np.linalg.eigvalsh(matrix.numpy())
    for value, residual, vector in zip(
        pairs.eigenvalues, pairs.residuals, pairs.vectors.numpy(), strict=True
    ):
        assert np.abs(exact - value).min() <= residual + 1e-12 * (1 + np.abs(exact).max())
        assert residual == pytest.approx(np.linalg.norm(matrix.numpy() @ vector - value * vector), abs=1e-12)
    magnitudes = np.abs(pairs.eigenvalues)
    assert (np.diff(magnitudes) <= 0).all()


def test_opposite_eigenvalues_converge_together():
    """One vector would swing between them for ever; the block holds both."""
    pairs = solve(symmetric([3, -3, 1, 0.5, 0.4, 0.3, 0.2]), 2)
    np.testing.assert_allclose(np.sort(pairs.eigenvalues), [-3, 3], atol=1e-8)
    assert pairs.converged.all()


def test_more_opposite_eigenvalues_than_the_block_holds_do_not_converge_and_that_is_said():
    pairs = solve(symmetric([3, -3] * 4 + [1]), 1, max_products=500, tolerance=1e-3)
    assert not pairs.converged[0]
    assert pairs.residuals[0] > 0.01


def test_a_cluster_past_the_last_wanted_costs_a_bounded_number_of_products():
    """The guard vectors: the second converges as 1/2.9, not as 2.8/2.9."""
    pairs = solve(symmetric([9, 2.9, 2.8, 2.7, 1, 0.5, 0.2, 0.1]), 2, tolerance=1e-6)
    assert pairs.converged.all()
    assert pairs.products <= 4 * 20


def test_the_budget_is_kept_and_every_product_counted():
    matrix, calls = symmetric(np.linspace(0.9, 1, 30)), []
    pairs = power_iteration(lambda v: calls.append(1) or matrix @ v, 30, 3, tolerance=1e-6, max_products=20)
    assert pairs.products == len(calls) == 20
    assert not pairs.converged.any()


def test_another_start_stays_within_the_residuals():
    matrix = symmetric([9, -7, 5, 3, -2, 1, 0.5, 0.2])
    first = solve(matrix, 3, tolerance=1e-3)
    for seed in range(1, 4):
        other = solve(matrix, 3, tolerance=1e-3, seed=10 * seed)
        moved = np.abs(other.eigenvalues - first.eigenvalues)
        assert (moved <= first.error_bounds + other.error_bounds).all()


def test_it_needs_more_products_than_lanczos():
    spectrum = np.concatenate([[30, 17, 15, 5, 4], 3 * np.linspace(0, 1, 95) ** 6 - 0.1])
    matrix = symmetric(spectrum)
    power = solve(matrix, 5, tolerance=1e-3)
    other = lanczos(lambda v: matrix @ v, 100, 5, which="magnitude", tolerance=1e-3)
    assert power.converged.all()
    assert other.converged.all()
    assert power.products > 2 * other.products


def test_the_same_seed_gives_the_same_numbers():
    matrix = symmetric([9, -7, 5, 3, -2, 1, 0.5, 0.2])
    first, second, other = (solve(matrix, 2, seed=seed, tolerance=1e-3) for seed in (3, 3, 4))
    assert torch.equal(first.vectors, second.vectors)
    assert not torch.equal(first.vectors, other.vectors)


def test_float32():
    pairs = solve(symmetric([9, -7, 5, 3]).float(), 2, tolerance=1e-4)
    assert pairs.vectors.dtype == torch.float32
    np.testing.assert_allclose(pairs.eigenvalues, [9, -7], atol=1e-3)
    assert pairs.converged.all()


@pytest.mark.parametrize("options", [{"k": 0}, {"k": 5}, {"tolerance": 2.0}, {"max_products": 2}])
def test_impossible_requests_are_explained(options: dict):
    with pytest.raises(LandscapeError, match=r"asked for|tolerance|products"):
        solve(symmetric([1, 2, 3, 4]), **({"k": 2} | options))


def test_a_product_that_is_not_finite_is_an_error():
    with pytest.raises(LandscapeError, match="not finite"):
        power_iteration(lambda v: v * float("nan"), 4, 2)
