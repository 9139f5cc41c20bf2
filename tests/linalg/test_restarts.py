"""Lanczos that may not keep its whole basis, takes several directions a step, or starts where it is told."""

import importlib

import numpy as np
import pytest
import torch
from torch import Tensor

from landscape.linalg import Eigenpairs, lanczos, random_unit
from landscape.linalg.subspace import Subspace
from tests.references import symmetric, wanted

ENDS = ("largest", "smallest", "magnitude")
SPECTRA = {
    "even": np.linspace(-3, 5, 120),
    "clustered": np.concatenate([5 + 1e-3 * np.arange(4), np.linspace(-1, 1, 100)]),
    "decaying": 8 * 0.9 ** np.arange(150) * np.where(np.arange(150) % 3, 1, -1),
    "negative": -(np.linspace(1, 8, 90) ** 2),
}
HESSIAN = {
    "narrow bulk": np.concatenate([[30, 17, 15, 5, 4], 0.02 * np.cos(np.arange(1995))]),
    "wide bulk": np.concatenate([[30, 17, 15, 5, 4], 3 * np.linspace(0, 1, 1995) ** 6 - 0.1]),
}


def solve(matrix: Tensor, k: int, **options) -> Eigenpairs:
    options = {"tolerance": 1e-9, "max_products": 3000, "like": matrix} | options
    return lanczos(lambda v: matrix @ v, len(matrix), k, **options)


@pytest.fixture
def rows(monkeypatch) -> list[tuple[int, int]]:
    """(rows in use, rows in memory) after each step of every solver that the test runs."""
    seen = []

    class Watched(Subspace):
        def extend(self, directions: Tensor) -> None:
            super().extend(directions)
            for stored in (self.vectors, self.images):
                held = stored.untyped_storage().nbytes() // (self.size * stored.element_size())
                seen.append((self.count, held))

    # The package's attribute of this name is the function.
    monkeypatch.setattr(importlib.import_module("landscape.linalg.lanczos"), "Subspace", Watched)
    return seen


@pytest.mark.parametrize("which", ENDS)
@pytest.mark.parametrize(("basis", "block"), [(9, 1), (20, 1), (14, 3)])
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_a_small_basis_finds_the_same(spectrum, basis: int, block: int, which: str, rows):
    matrix = symmetric(spectrum)
    whole = solve(matrix, 3, which=which)
    assert max(count for count, _ in rows) == whole.products  # nothing was compressed
    rows.clear()
    pairs = solve(matrix, 3, which=which, basis=basis, block=block)
    counts, held = np.array(rows).T
    assert counts.max() <= basis
    assert held.max() <= basis
    assert (np.diff(counts) < 0).any(), "it never restarted"
    assert pairs.converged.all()
    scale = np.abs(spectrum).max()
    expected = wanted(np.linalg.eigvalsh(matrix.numpy()), 3, which)
    np.testing.assert_allclose(pairs.eigenvalues, expected, rtol=0, atol=1e-8 * scale)
    np.testing.assert_allclose(pairs.eigenvalues, whole.eigenvalues, rtol=0, atol=1e-8 * scale)
    assert pairs.products >= whole.products


def test_memory_grows_with_the_search_and_not_with_what_is_allowed(rows):
    diagonal = torch.from_numpy(HESSIAN["narrow bulk"])
    lanczos(lambda v: diagonal * v, 2000, 5, max_products=2000)
    assert max(held for _, held in rows) <= 16


def test_restarts_lose_few_products():
    """Measured: 46, 33 and 27 products with 9, 15 and all vectors."""
    matrix = symmetric(SPECTRA["decaying"])
    tight, roomy, whole = (solve(matrix, 3, basis=basis).products for basis in (9, 15, 0))
    assert whole <= roomy <= tight <= 2 * whole


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("which", ENDS)
def test_repeated_eigenvalues_across_restarts(k: int, which: str, seed: int):
    """Closed spaces keep their share of the best, and the search outside them goes on in what is left."""
    spectrum = np.repeat([7.0, 4, 1, 0, -2, -3], 4)
    pairs = solve(symmetric(spectrum, seed=seed), k, which=which, seed=seed, basis=k + 4)
    np.testing.assert_allclose(pairs.eigenvalues, wanted(spectrum, k, which), atol=1e-7)
    assert pairs.converged.all()
    assert pairs.products < 200  # it knows when to stop
    gram = pairs.vectors @ pairs.vectors.T
    torch.testing.assert_close(gram, torch.eye(k, dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("basis", [0, 14])
def test_a_block_finds_repeated_eigenvalues_in_a_space_that_does_not_close(basis: int):
    matrix = symmetric(np.concatenate([[5, 5, 5, 3, 2], np.linspace(-1, 1, 150)]))
    single = solve(matrix, 3, basis=basis, tolerance=1e-4)
    np.testing.assert_allclose(single.eigenvalues, [5, 3, 2], atol=1e-3)
    pairs = solve(matrix, 3, block=3, basis=basis, tolerance=1e-4)
    np.testing.assert_allclose(pairs.eigenvalues, [5, 5, 5], atol=1e-3)
    assert single.converged.all()
    assert pairs.converged.all()


@pytest.mark.parametrize(("block", "allowed"), [(1, 10), (3, 10), (7, 8), (50, 10)])
def test_a_block_does_not_overdraw_what_is_allowed(block: int, allowed: int):
    matrix, calls = symmetric(SPECTRA["even"]), []
    pairs = lanczos(
        lambda v: calls.append(1) or matrix @ v, 120, 2, block=block, max_products=allowed, basis=110
    )
    assert pairs.products == len(calls) == allowed
    assert not pairs.converged.any()


@pytest.mark.parametrize("block", [1, 2, 5, 50])
@pytest.mark.parametrize("spectrum", [[0] * 6, [2] * 6, [4, 4, 1, 1, 0, 0, 0, 0], [3, 2, 1]], ids=str)
def test_blocks_of_any_size_close(spectrum: list[float], block: int):
    pairs = solve(symmetric(spectrum), 3, block=block)
    np.testing.assert_allclose(pairs.eigenvalues, spectrum[:3], atol=1e-10)
    assert pairs.converged.all()


def test_a_start_near_the_answer_saves_products():
    matrix = symmetric(SPECTRA["even"])
    vectors = torch.linalg.eigh(matrix).eigenvectors.T
    cold = solve(matrix, 2, tolerance=1e-4)
    noise = random_unit(120, 1)
    near = solve(matrix, 2, tolerance=1e-4, start=(vectors[-2:].sum(0) + 0.05 * noise)[None])
    np.testing.assert_allclose(near.eigenvalues, cold.eigenvalues, atol=2e-3)
    assert near.products < 0.7 * cold.products
    warm = solve(matrix, 2, tolerance=1e-4, start=vectors[-2:] + 1e-5 * noise)
    assert warm.converged.all()
    assert warm.products <= 6


@pytest.mark.parametrize(
    "rows_given", [slice(0, 1), slice(50, 52), slice(-1, None), slice(-3, None)], ids=str
)
def test_a_start_that_is_invariant_does_not_hide_the_rest(rows_given: slice):
    matrix = symmetric(SPECTRA["even"])
    vectors = torch.linalg.eigh(matrix).eigenvectors.T
    pairs = solve(matrix, 2, start=vectors[rows_given], max_products=119)
    np.testing.assert_allclose(pairs.eigenvalues, wanted(SPECTRA["even"], 2, "largest"), atol=1e-8)
    assert pairs.converged.all()
    assert pairs.products < 119


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e20])
def test_the_length_of_the_start_does_not_matter(scale: float):
    matrix = symmetric(SPECTRA["even"])
    near = torch.linalg.eigh(matrix).eigenvectors[:, -2:].sum(1) + 0.01 * random_unit(120, 1)
    start = torch.stack([scale * near, torch.zeros(120, dtype=torch.float64)])
    pairs = solve(matrix, 2, start=start)
    np.testing.assert_allclose(pairs.eigenvalues, wanted(SPECTRA["even"], 2, "largest"), atol=1e-8)
    known, unknown = (solve(matrix, 2, start=other).products for other in (near[None], None))
    assert pairs.products == (known if scale else unknown)


# Products of the Lanczos before this one, for seeds 0 to 9, without the five that certified its result. Its
# residuals were relative to the largest eigenvalue, 30, ours to each one's own, the smallest of which is 4.
BEFORE = {
    ("narrow bulk", 1e-3): [8, 8, 8, 8, 7, 8, 8, 8, 8, 8],
    ("narrow bulk", 1e-6): [9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
    ("wide bulk", 1e-3): [14, 15, 13, 14, 13, 15, 14, 14, 15, 15],
    ("wide bulk", 1e-6): [20, 21, 20, 20, 19, 21, 20, 20, 21, 21],
}


@pytest.mark.parametrize(("name", "tolerance"), BEFORE)
def test_no_more_products_than_before(name: str, tolerance: float):
    """On the spectrum of a trained network, from the same start vectors."""
    diagonal = torch.from_numpy(HESSIAN[name])
    for seed, before in enumerate(BEFORE[name, tolerance]):
        generator = torch.Generator().manual_seed(seed)
        start = torch.randn(1, 2000, generator=generator, dtype=torch.float64)
        pairs = lanczos(lambda v: diagonal * v, 2000, 5, tolerance=30 / 4 * tolerance, start=start, confirm=0)
        assert pairs.products <= before
        assert pairs.converged.all()
        np.testing.assert_allclose(pairs.eigenvalues, [30, 17, 15, 5, 4], atol=30 * tolerance)


@pytest.mark.parametrize("basis", [0, 12])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-4), (torch.float64, 1e-8)])
def test_precision(dtype: torch.dtype, error: float, basis: int):
    matrix = symmetric(SPECTRA["decaying"]).to(dtype)
    pairs = solve(matrix, 4, tolerance=error / 10, which="magnitude", basis=basis)
    expected = wanted(SPECTRA["decaying"], 4, "magnitude")
    assert pairs.vectors.dtype == dtype
    assert pairs.converged.all()
    np.testing.assert_allclose(pairs.eigenvalues, expected, rtol=error)


def test_float32_sums_over_many_entries():
    """Inner products summed in float32 lose orthogonality here, and with it three digits."""
    diagonal = torch.linspace(0, 0.5, 400_000)
    diagonal[:5] = torch.tensor([30.0, 17, 15, 5, 4])
    pairs = lanczos(lambda v: diagonal * v, len(diagonal), 3, tolerance=1e-6, like=diagonal)
    assert pairs.converged.all()
    np.testing.assert_allclose(pairs.eigenvalues, [30, 17, 15], rtol=1e-6)
    lengths = torch.linalg.vector_norm(pairs.vectors.double(), dim=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_an_operator_may_hand_back_its_argument():
    """Images must not share memory with the basis, which restarts overwrite."""
    pairs = lanczos(lambda v: v, 30, 3, basis=5)
    np.testing.assert_allclose(pairs.eigenvalues, 1)
    buffer = torch.empty(120, dtype=torch.float64)
    matrix = symmetric(SPECTRA["even"])
    pairs = lanczos(
        lambda v: torch.mv(matrix, v, out=buffer), 120, 2, basis=8, tolerance=1e-8, max_products=2000
    )
    np.testing.assert_allclose(pairs.eigenvalues, wanted(SPECTRA["even"], 2, "largest"), atol=1e-7)
