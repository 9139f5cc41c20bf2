"""Lanczos against numpy's dense solver, and what it says when it could not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.linalg import Eigenpairs, lanczos
from tests.references import symmetric, wanted

ENDS = ("largest", "smallest", "magnitude")
SPECTRA = {
    "spread": np.linspace(-3, 5, 40),
    "clustered": np.concatenate([5 + 1e-4 * np.arange(4), np.linspace(-1, 1, 36), -4 - 1e-4 * np.arange(3)]),
    "outliers": np.concatenate([[30, 17, 15, 5, 4], 0.01 * np.cos(np.arange(55)), [-3, -2]]),
    "negative": -np.linspace(1, 8, 30),
    "tiny": 1e-12 * np.linspace(-3, 5, 20),
    "huge": 1e12 * np.linspace(-3, 5, 20),
}


def solve(matrix: Tensor, k: int, **options) -> Eigenpairs:
    options = {"tolerance": 1e-10, "like": matrix} | options
    return lanczos(lambda v: matrix @ v, len(matrix), k, **options)


def residuals(matrix: Tensor, pairs: Eigenpairs) -> np.ndarray:
    return np.array(
        [
            np.linalg.norm(matrix.double().numpy() @ v - value * v)
            for value, v in zip(pairs.eigenvalues, pairs.vectors.double().numpy(), strict=True)
        ]
    )


@pytest.mark.parametrize("which", ENDS)
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_against_the_dense_solver(spectrum: np.ndarray, which: str):
    matrix = symmetric(spectrum)
    pairs = solve(matrix, 4, which=which)
    scale = np.abs(spectrum).max()
    expected = wanted(np.linalg.eigvalsh(matrix.numpy()), 4, which)
    np.testing.assert_allclose(pairs.eigenvalues, expected, rtol=0, atol=1e-8 * scale)
    assert pairs.converged.all()
    assert pairs.eigenvalues.dtype == np.float64
    assert pairs.products <= len(matrix)
    gram = pairs.vectors @ pairs.vectors.T
    torch.testing.assert_close(gram, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("which", ENDS)
@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-9])
def test_the_residual_is_what_it_says(which: str, tolerance: float):
    matrix = symmetric(SPECTRA["outliers"])
    pairs = solve(matrix, 3, which=which, tolerance=tolerance)
    np.testing.assert_allclose(pairs.residuals, residuals(matrix, pairs), atol=1e-12)
    assert (pairs.converged == (pairs.residuals <= tolerance * 30)).all()


@pytest.mark.parametrize("which", ENDS)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_all_eigenvalues_of_a_small_operator(size: int, which: str):
    matrix = symmetric(np.linspace(-1.5, 1, size))
    pairs = solve(matrix, size, which=which)
    expected = wanted(np.linspace(-1.5, 1, size), size, which)
    np.testing.assert_allclose(pairs.eigenvalues, expected, atol=1e-10)
    assert pairs.converged.all()
    assert pairs.vectors.shape == (size, size)


@pytest.mark.parametrize("which", ENDS)
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "spectrum",
    [
        [5, 5, 5, 1, 0],
        [5, 4, 3] + [0] * 17,
        [5, 1, -2] + [0] * 27,
        [5, -5, 5, -5] + [0] * 8,
        [-1] * 3 + [2] * 6,
        [2] * 9,
        [0] * 9,
        [3] + [0] * 30,
        [1] * 12 + [-1e-3] * 4,
    ],
    ids=str,
)
def test_repeated_eigenvalues_where_the_krylov_space_closes(
    spectrum: list[float], seed: int, k: int, which: str
):
    """Low rank or few distinct values: the space closes early, and the search goes on outside it."""
    matrix = symmetric(spectrum, seed=seed)
    pairs = solve(matrix, k, which=which, seed=seed, tolerance=1e-8)
    expected = wanted(np.array(spectrum), k, which)
    found = pairs.eigenvalues
    if which == "magnitude":
        found, expected = np.abs(found), np.abs(expected)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert pairs.converged.all()
    assert (pairs.residuals <= 1e-7).all()
    gram = pairs.vectors @ pairs.vectors.T
    torch.testing.assert_close(gram, torch.eye(k, dtype=torch.float64), rtol=0, atol=1e-9)


def test_a_diagonal_operator_meets_exact_zeros():
    matrix = torch.diag(torch.tensor([3.0, 3.0, 0.0, 0.0, -1.0], dtype=torch.float64))
    np.testing.assert_allclose(solve(matrix, 3).eigenvalues, [3, 3, 0], atol=1e-10)


def test_float32_finds_outliers_within_its_residuals():
    spectrum = SPECTRA["outliers"]
    matrix = symmetric(spectrum).float()
    pairs = solve(matrix, 5, tolerance=1e-4)
    assert pairs.vectors.dtype == torch.float32
    assert pairs.converged.all()
    np.testing.assert_allclose(pairs.eigenvalues, [30, 17, 15, 5, 4], atol=2e-3)


def test_float32_repeated_eigenvalues():
    matrix = symmetric([5, 5, 5, 1] + [0] * 20).float()
    np.testing.assert_allclose(solve(matrix, 4, tolerance=1e-3).eigenvalues, [5, 5, 5, 1], atol=1e-3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    spectrum=st.lists(st.floats(-10, 10, width=16), min_size=1, max_size=12),
    data=st.data(),
    which=st.sampled_from(ENDS),
    seed=st.integers(0, 1000),
)
def test_an_eigenvalue_lies_within_each_residual(spectrum: list[float], data, which: str, seed: int):
    """Whatever the block, the basis and the products allowed; the numbers of both are kept."""
    matrix, calls = symmetric(spectrum, seed=seed), []
    size = len(spectrum)
    k = data.draw(st.integers(1, size))
    products = data.draw(st.integers(k + 1, 30))
    block = data.draw(st.integers(1, 3))
    basis = data.draw(st.just(0) | st.integers(min(k + 2 * block, size), 15))
    pairs = lanczos(
        lambda v: calls.append(1) or matrix @ v,
        size,
        k,
        which=which,
        seed=seed,
        tolerance=1e-6,
        max_products=products,
        block=block,
        basis=basis,
    )
    exact = np.linalg.eigvalsh(matrix.numpy())
    rounding = 1e-12 * (1 + np.abs(exact).max())
    for value, residual in zip(pairs.eigenvalues, pairs.residuals, strict=True):
        assert np.abs(exact - value).min() <= residual + rounding
    np.testing.assert_allclose(pairs.residuals, residuals(matrix, pairs), rtol=0, atol=rounding)
    unknown, totals = pairs.gaps == 0, pairs.residuals + pairs.symmetry_defect
    np.testing.assert_array_equal(pairs.error_bounds[unknown], totals[unknown])
    assert (pairs.error_bounds <= totals).all()
    np.testing.assert_array_equal(pairs.eigenvalues, wanted(pairs.eigenvalues, k, which))
    gram = pairs.vectors @ pairs.vectors.T
    torch.testing.assert_close(gram, torch.eye(k, dtype=torch.float64), rtol=0, atol=1e-9)
    assert pairs.products == len(calls) <= products


@pytest.mark.parametrize("which", ENDS)
@pytest.mark.parametrize("options", [{}, {"basis": 7}, {"block": 2}], ids=str)
def test_the_start_moves_no_eigenvalue_by_more_than_the_bounds(which: str, options: dict):
    matrix, k = symmetric(SPECTRA["outliers"]), 2 if which == "smallest" else 3  # beyond lies the bulk
    first = solve(matrix, k, which=which, tolerance=1e-3, **options)
    for seed in range(1, 6):
        other = solve(matrix, k, which=which, tolerance=1e-3, seed=seed, **options)
        assert not torch.equal(other.vectors, first.vectors)
        assert first.converged.all()
        assert other.converged.all()
        moved = np.abs(other.eigenvalues - first.eigenvalues)
        assert (moved <= first.error_bounds + other.error_bounds).all()


def test_small_eigenvalues_beside_a_large_one_are_as_right_as_it():
    spectrum = np.concatenate([[400, 5, 4.9, -4.8], 0.3 * np.cos(np.arange(80))])
    for seed in range(5):
        pairs = solve(symmetric(spectrum), 4, which="magnitude", tolerance=1e-3, seed=seed)
        assert pairs.converged.all()
        np.testing.assert_allclose(pairs.eigenvalues, [400, 5, 4.9, -4.8], rtol=1e-3)


def test_the_same_seed_gives_the_same_numbers_and_spares_the_global_state():
    matrix, state = symmetric(SPECTRA["spread"]), torch.get_rng_state()
    first, second = solve(matrix, 3, seed=4), solve(matrix, 3, seed=4)
    np.testing.assert_array_equal(first.eigenvalues, second.eigenvalues)
    assert torch.equal(first.vectors, second.vectors)
    assert torch.equal(torch.get_rng_state(), state)


def test_not_converged_is_said():
    matrix = symmetric(np.linspace(0, 1, 200))
    pairs = solve(matrix, 3, tolerance=1e-6, max_products=6)
    assert not pairs.converged.any()
    assert (pairs.residuals > 1e-6).all()
    np.testing.assert_allclose(pairs.residuals, residuals(matrix, pairs), atol=1e-12)
    assert pairs.products == 6


def test_every_product_is_counted():
    matrix, calls = symmetric(SPECTRA["spread"]), []
    pairs = lanczos(lambda v: calls.append(1) or matrix @ v, len(matrix), 2)
    assert pairs.products == len(calls)


def test_one_more_product_than_eigenvalues_is_the_least():
    """A single vector's residual is small on any operator near the identity."""
    matrix = symmetric(1 + 1e-5 * np.arange(30))
    for k in (1, 3):
        assert solve(matrix, k, tolerance=1e-3, confirm=0).products == k + 1


def test_a_loose_tolerance_saves_products():
    matrix = symmetric(SPECTRA["outliers"])
    assert (
        solve(matrix, 2, tolerance=1e-2).products < solve(matrix, 2, tolerance=1e-10).products < len(matrix)
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"k": 0}, "0 eigenvalues asked for, but the operator has size 4; choose 1 to 4"),
        ({"k": 5}, "5 eigenvalues asked for, but the operator has size 4"),
        ({"tolerance": 0.0}, "the tolerance must lie between 0 and 1, got 0.0"),
        ({"tolerance": 1.0}, "got 1.0"),
        ({"tolerance": float("nan")}, "got nan"),
        ({"max_products": 2}, "2 eigenvalues need at least 3 products, 2 are allowed"),
        ({"which": "middle"}, "which is 'middle'; choose one of largest, smallest, magnitude"),
        ({"block": 0}, "a block of 0 directions a step; choose 1 or more"),
        ({"k": 1, "basis": 2}, "a basis of 2 vectors is too small for 1 eigenvalues"),
        ({"k": 1, "basis": 2}, "allow at least 3, or 0"),
        ({"start": torch.ones(4)}, "start directions of shape (4,); expected (b, 4)"),
        ({"start": torch.ones(1, 3)}, "start directions of shape (1, 3); expected (b, 4)"),
        ({"start": torch.full((1, 4), float("nan"))}, "finite"),
        ({"seed": -1}, "the seed is -1; choose 0 or a positive integer"),
    ],
)
def test_impossible_requests_are_explained(options: dict, text: str):
    with pytest.raises(LandscapeError) as caught:
        solve(symmetric([1, 2, 3, 4]), **({"k": 2} | options))
    assert text in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_product_that_is_not_finite_is_an_error(value: float):
    with pytest.raises(LandscapeError, match="not finite"):
        lanczos(lambda v: v * value, 4, 2)


def test_a_product_of_another_shape_is_an_error():
    with pytest.raises(LandscapeError, match=r"has shape \(3,\); expected \(4,\)"):
        lanczos(lambda v: v[:3], 4, 2)


@pytest.mark.parametrize("which", ["largest", "smallest", "magnitude"])
def test_an_operator_of_zeros_ends_at_once(which):
    pairs = lanczos(torch.zeros_like, 2000, 5, which=which)
    assert pairs.products <= 8
    assert (pairs.eigenvalues == 0).all()
    assert (pairs.residuals == 0).all()
    assert pairs.certain.all()


@pytest.mark.parametrize("values", [[3.0], [3.0, 1.0], [0.1] * 3, [1e-30, 1e-31]])
def test_an_operator_of_tiny_rank_ends_early(values):
    basis = torch.linalg.qr(torch.from_numpy(np.random.default_rng(0).standard_normal((2000, len(values)))))[
        0
    ]
    scaled = basis * torch.tensor(values, dtype=torch.float64)
    pairs = lanczos(lambda vector: scaled @ (basis.T @ vector), 2000, 5)
    assert pairs.products <= 15
    assert pairs.converged.all()
    expected = np.sort(np.array([*values, *[0.0] * (5 - len(values))]))[::-1]
    np.testing.assert_allclose(pairs.eigenvalues, expected, rtol=1e-9, atol=1e-9 * max(values))
    assert (pairs.residuals <= 1e-9 * max(values)).all()
