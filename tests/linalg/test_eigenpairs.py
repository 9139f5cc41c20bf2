"""How eigenpairs are judged, whoever found them."""

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.linalg import certify, lanczos, power_iteration, random_unit
from tests.references import symmetric

SPECTRUM = np.array([9.0, -7, 5, 3, -2, 1, 0.5, 0.2])


def skew(size: int, seed: int = 0) -> torch.Tensor:
    """A matrix with zᵀ K z = 0 for all z."""
    gaussian = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (gaussian - gaussian.T) / 2


def test_exact_pairs_are_certified_at_one_product_each():
    matrix, calls = symmetric(SPECTRUM), []
    values, vectors = torch.linalg.eigh(matrix)
    pairs = certify(
        lambda v: calls.append(1) or matrix @ v, values.numpy(), 3 * vectors.T, 9.0, 1e-10, used=5
    )
    np.testing.assert_array_equal(pairs.eigenvalues, values)
    assert pairs.residuals.max() < 1e-13
    assert pairs.symmetry_defect < 1e-13
    assert pairs.converged.all()
    assert len(calls) == 8
    assert pairs.products == 5 + 8
    np.testing.assert_allclose(torch.linalg.vector_norm(pairs.vectors, dim=1), 1)


def test_wrong_pairs_are_told_from_right_ones():
    matrix = symmetric(SPECTRUM)
    values, vectors = torch.linalg.eigh(matrix)
    rows = vectors.T.clone()
    rows[1] = random_unit(8, 0)
    claimed = values.numpy().copy()
    claimed[2] += 0.25
    pairs = certify(lambda v: matrix @ v, claimed, rows, 9.0, 1e-3)
    assert pairs.converged.tolist() == [True, False, False, True, True, True, True, True]
    assert pairs.residuals[2] == pytest.approx(0.25)
    expected = torch.linalg.vector_norm(matrix @ rows[1] - claimed[1] * rows[1])
    assert pairs.residuals[1] == pytest.approx(float(expected))


@pytest.mark.parametrize("solve", [lanczos, power_iteration])
def test_a_pair_is_judged_alike_by_its_solver_and_by_a_product_of_its_own(solve):
    matrix = symmetric(SPECTRUM)
    found = solve(lambda v: matrix @ v, 8, 3, tolerance=1e-2)
    again = certify(lambda v: matrix @ v, found.eigenvalues, found.vectors, 9.0, 1e-2, found.products)
    np.testing.assert_allclose(found.residuals, again.residuals, atol=1e-13)
    np.testing.assert_array_equal(found.converged, again.converged)
    assert again.products == found.products + 3


@pytest.mark.parametrize("solve", [lanczos, power_iteration])
@pytest.mark.parametrize("size", [1e-2, 1e-6])
def test_the_symmetry_defect_measures_what_is_not_symmetric(solve, size: float):
    """Products as an inexact derivative would give them: the bounds still hold for the symmetric part."""
    matrix, noise = symmetric(SPECTRUM), size * skew(8)
    entries = float(torch.linalg.matrix_norm(noise, 2))
    pairs = solve(lambda v: (matrix + noise) @ v, 8, 2, tolerance=1e-2)
    assert 0.05 * size < pairs.symmetry_defect <= 2 * entries
    unknown, totals = pairs.gaps == 0, pairs.residuals + pairs.symmetry_defect
    np.testing.assert_array_equal(pairs.error_bounds[unknown], totals[unknown])
    assert (pairs.error_bounds <= totals).all()
    for value, bound in zip(pairs.eigenvalues, pairs.error_bounds, strict=True):
        assert np.abs(SPECTRUM - value).min() <= bound
    rows = torch.eye(8, dtype=torch.float64)
    judged = certify(lambda v: (matrix + noise) @ v, matrix.diagonal().numpy(), rows, 9.0, 1e-2)
    assert judged.symmetry_defect == pytest.approx(2 * float(noise.abs().max()))


def test_the_symmetry_defect_is_the_largest_met():
    """One bad product early on is not forgotten."""
    matrix, calls = symmetric(np.linspace(-3, 5, 60)), []

    def matvec(vector: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return matrix @ vector + (0.1 * random_unit(60, 5) if len(calls) == 2 else 0)

    assert lanczos(matvec, 60, 2, max_products=40, basis=12).symmetry_defect > 1e-3


def test_a_recurrence_that_rounding_has_misled_is_not_believed():
    """What is not symmetric leaves residuals inside the basis, which the recurrence does not see."""
    matrix = symmetric([30.0, 17, *np.linspace(-1, 1, 58)]) + 1e-3 * skew(60)
    pairs = lanczos(lambda v: matrix @ v, 60, 2, tolerance=1e-6, max_products=50)
    assert pairs.products == 50
    assert not pairs.converged.any()
    assert (pairs.residuals > 1e-4).all()


def test_rounding_shows_as_a_small_defect():
    matrix = symmetric(np.concatenate([[30, 17, 15, 5, 4], np.linspace(-1, 1, 195)]))
    double = lanczos(lambda v: matrix @ v, 200, 3)
    single = lanczos(lambda v: matrix.float() @ v, 200, 3, like=matrix.float())
    assert 0 < double.symmetry_defect < 1e-13
    assert 1e-9 < single.symmetry_defect < 1e-4


@pytest.mark.parametrize(
    ("values", "vectors", "text"),
    [
        ([1.0, 2.0], torch.ones(3, 4), r"shape \(2,\) with vectors of shape \(3, 4\)"),
        ([1.0], torch.ones(4), r"expected \(k,\) and \(k, n\)"),
        ([1.0, 2.0], torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]]), "zero or not finite"),
        ([1.0], torch.tensor([[1.0, float("nan"), 0, 0]]), "zero or not finite"),
    ],
)
def test_what_cannot_be_judged_is_an_error(values: list[float], vectors: torch.Tensor, text: str):
    with pytest.raises(LandscapeError, match=text):
        certify(lambda v: v, np.array(values), vectors, 1.0, 1e-3)


def test_a_product_that_is_not_finite_is_an_error():
    with pytest.raises(LandscapeError, match="not finite"):
        certify(lambda v: v / 0, np.ones(1), torch.ones(1, 4), 1.0, 1e-3)
