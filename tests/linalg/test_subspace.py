"""Rayleigh–Ritz on a stored basis against the dense matrix."""

import numpy as np
import pytest
import torch
from torch import Tensor

from landscape.linalg.subspace import Subspace
from landscape.linalg.vectors import random_directions
from tests.references import symmetric

SPECTRUM = np.concatenate([[-40.0], np.linspace(-1, 8, 59)])


def subspace(matrix: Tensor, dimensions: int = 12) -> Subspace:
    space = Subspace(lambda v: matrix @ v, len(matrix), 20, matrix)
    for drawn in range(0, dimensions, 3):
        space.extend(random_directions(space.vectors, 3, seed=0, drawn=drawn))
    return space


def consistent(space: Subspace, matrix: Tensor, atol: float) -> None:
    vectors, images = space.vectors.double().numpy(), space.images.double().numpy()
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(space.count), atol=atol)
    np.testing.assert_allclose(images, vectors @ matrix.double().numpy(), atol=40 * atol)
    np.testing.assert_allclose(space.projected, vectors @ images.T, atol=40 * atol)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_basis_images_and_projection_belong_together(dtype: torch.dtype, atol: float):
    matrix = symmetric(SPECTRUM).to(dtype)
    space = subspace(matrix)
    assert (space.count, space.products) == (12, 12)
    consistent(space, matrix, atol)
    for _ in range(5):  # turning the basis adds no product and little rounding
        space.rotate(np.linalg.qr(np.random.default_rng(0).standard_normal((space.count, 10)))[0])
        space.extend(random_directions(space.vectors, 2, seed=1, drawn=space.products))
        consistent(space, matrix, 2 * atol)
    assert space.products == 22


@pytest.mark.parametrize("start", [0, 5])
def test_ritz_pairs_and_their_residuals(start: int):
    matrix = symmetric(SPECTRUM)
    space = subspace(matrix)
    part = space.vectors[start:].numpy()
    values, coefficients = space.ritz(start)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(part @ matrix.numpy() @ part.T), atol=1e-12)
    whole = np.zeros((12, len(values)))
    whole[start:] = coefficients
    vectors = coefficients.T @ part
    expected = np.linalg.norm(vectors @ matrix.numpy() - values[:, None] * vectors, axis=1)
    np.testing.assert_allclose(space.residuals(values, whole), expected, atol=1e-12)


def test_the_scale_outlives_the_directions_that_showed_it():
    """The largest |λ| stays known, whichever end of the spectrum is kept."""
    space = subspace(symmetric(SPECTRUM), dimensions=18)
    values, coefficients = space.ritz()
    assert -values[0] > 2 * values[-1]
    space.rotate(coefficients[:, -4:])
    assert np.abs(space.ritz()[0]).max() < 0.5 * space.scale
    assert space.scale == pytest.approx(-values[0])
    defect = space.symmetry_defect
    assert space.best(2, "largest", 0.5).converged.all()
    space.truncate(0)
    assert (space.count, space.products) == (0, 18)
    assert space.symmetry_defect == defect > 0
    assert space.scale == pytest.approx(-values[0])
