"""Bowls whose curvature is known, an independent least-squares formula, and requests that cannot be met."""

import numpy as np
import pytest
import torch
from torch import nn

from landscape.errors import LandscapeError
from landscape.losses import squared_error
from landscape.objective import Objective
from landscape.surface import plane, random_directions
from landscape.surface.quadratic import fit

GRADIENT = np.array([0.3, -2.0])
HESSIAN = np.array([[5.0, 1.5], [1.5, -0.25]])
AXIS = np.linspace(-1, 1, 7)
TURN = 3 * AXIS
NEARLY = 1 + 1e-12 * AXIS**3  # off the unit circle by rounding


def bowl(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    place = np.stack([x, y], -1)
    return 1.25 + place @ GRADIENT + 0.5 * ((place @ HESSIAN) * place).sum(-1)


def noisy() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (2, 40))
    errors = rng.uniform(0.01, 0.5, 40)
    return x, y, bowl(x, y) + errors * rng.standard_normal(40), errors


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e3])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_quadratic_comes_back(scale: float, weighted: bool):
    x, y = np.meshgrid(scale * AXIS, scale * AXIS[:5])
    errors = np.random.default_rng(0).uniform(0.1, 1, x.shape) if weighted else None
    found = fit(x, y, bowl(x / scale, y / scale), errors=errors)
    assert found.value == pytest.approx(1.25, rel=1e-10)
    np.testing.assert_allclose(found.gradient * scale, GRADIENT, rtol=1e-10)
    np.testing.assert_allclose(found.hessian * scale**2, HESSIAN, rtol=1e-9)
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(found.hessian)[::-1])
    assert found.eigenvalues[0] > 0 > found.eigenvalues[1]
    assert found.residual < 1e-12
    assert found.relative < 1e-20
    assert found.points == 35
    np.testing.assert_allclose(found.at(x, y), bowl(x / scale, y / scale), rtol=1e-9)


def test_the_curvature_of_a_network_that_is_a_bowl():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    module = nn.Linear(4, 3, bias=False, dtype=torch.float64)
    module.weight.data = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    objective = Objective(module, (inputs, torch.arange(6) % 3), loss=squared_error, dtype=torch.float64)
    directions = random_directions(objective, seed=1)
    surface = plane(objective, directions, span=0.5, steps=5)
    found = fit(surface.x.values, surface.y.values, surface.nll.values)

    moved = [inputs.numpy() @ d["weight"].numpy().T for d in directions]
    expected = [[2 * (a * b).mean() for b in moved] for a in moved]
    np.testing.assert_allclose(found.hessian, expected, rtol=1e-6)
    gradient = objective.gradient()["weight"]
    slope = [float((gradient * d["weight"]).sum()) for d in directions]
    np.testing.assert_allclose(found.gradient, slope, rtol=1e-6)
    assert found.value == pytest.approx(objective.value().nll, rel=1e-12)


def test_a_line():
    x = AXIS[:4]
    found = fit(x, None, 2 - x + 3 * x**2)
    assert found.value == pytest.approx(2)
    np.testing.assert_allclose(found.gradient, [-1])
    np.testing.assert_allclose(found.hessian, [[6]])
    np.testing.assert_allclose(found.eigenvalues, [6])
    np.testing.assert_allclose(found.at(np.array([0.5, 2.0])), [2.25, 12])
    assert found.points == 4


def test_axes_of_a_grid_mean_the_grid_y_first():
    x, y = np.meshgrid(AXIS, AXIS)
    grid, points = fit(AXIS, AXIS, bowl(x, y)), fit(x.ravel(), y.ravel(), bowl(x, y).ravel())
    np.testing.assert_allclose(grid.gradient, GRADIENT, rtol=1e-10)
    np.testing.assert_allclose(grid.hessian, points.hessian, rtol=1e-12)


def test_a_published_surface(shared_data):
    """Curvatures computed independently, `shared/PAPER.md` section 6."""
    table = np.genfromtxt(next((shared_data / "published-surfaces").glob("*mcdo_18*")), delimiter=",")
    found = fit(table[:, 0], table[:, 1], table[:, 2])
    np.testing.assert_allclose(found.eigenvalues, [0.85, 0.71], atol=0.005)


def test_only_points_within_the_radius_count():
    x, y = np.meshgrid(0.1 * np.arange(-5, 6), 0.1 * np.arange(-5, 6))
    far = np.round(np.hypot(x, y), 6) > 0.3
    found = fit(x, y, bowl(x, y) + 1e3 * far, radius=0.3)
    np.testing.assert_allclose(found.hessian, HESSIAN, rtol=1e-9)
    assert found.points == (~far).sum() == 29
    assert fit(x, y, bowl(x, y) + 1e3 * far).relative > 0.1


def test_values_that_are_not_finite_are_left_out():
    x, y = np.meshgrid(AXIS, AXIS)
    values = bowl(x, y)
    values[0, 0], values[3, 3], values[6, 1] = np.nan, np.inf, -np.inf
    copy = values.copy()
    found = fit(AXIS, AXIS, values)
    assert found.points == 46
    np.testing.assert_allclose(found.hessian, HESSIAN, rtol=1e-9)
    np.testing.assert_array_equal(values, copy)


def test_weights_and_standard_errors_against_the_normal_equations():
    x, y, values, errors = noisy()
    design = np.stack([np.ones(40), x, y, x**2 / 2, x * y, y**2 / 2], 1)
    for weights, given in ((1 / errors**2, errors), (np.ones(40), None)):
        normal = np.linalg.inv(design.T @ (weights[:, None] * design))
        expected = normal @ (design.T @ (weights * values))
        left = values - design @ expected
        if given is None:
            normal *= (left**2).sum() / 34
        deviations = np.sqrt(np.diag(normal))
        found = fit(x, y, values, errors=given)
        upper = found.hessian[np.triu_indices(2)], found.hessian_error[np.triu_indices(2)]
        np.testing.assert_allclose([found.value, *found.gradient, *upper[0]], expected, rtol=1e-9)
        np.testing.assert_allclose(
            [found.value_error, *found.gradient_error, *upper[1]], deviations, rtol=1e-9
        )
        mean = np.average(values, weights=weights)
        share = (weights * left**2).sum() / (weights * (values - mean) ** 2).sum()
        assert found.relative == pytest.approx(share, rel=1e-9)
        assert found.residual == pytest.approx(np.average(left**2, weights=weights) ** 0.5, rel=1e-9)
        assert found.hessian_error[0, 1] == found.hessian_error[1, 0] > 0


def test_a_constant_and_something_without_a_quadratic_part():
    x, y = np.meshgrid(AXIS, AXIS)
    assert fit(x, y, np.full(x.shape, 0.1)).relative == 0
    assert fit(x, y, np.zeros(x.shape)).relative == 0
    wave = np.sign(np.sin(50 * x) * np.cos(70 * y))
    assert fit(x, y, wave).relative > 0.8


def test_with_as_many_points_as_coefficients_the_scatter_is_not_known():
    found = fit(AXIS[:3], None, AXIS[:3] ** 2)
    assert found.hessian[0, 0] == pytest.approx(2)
    assert np.isnan(found.value_error)
    assert np.isnan(found.hessian_error).all()
    assert np.isfinite(fit(AXIS[:3], None, AXIS[:3] ** 2, errors=np.ones(3)).hessian_error).all()


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((AXIS[:5], AXIS[:1], np.ones((1, 5))), {}, "6 coefficients, but only 5 finite point"),
        ((AXIS, None, np.full(7, np.nan)), {}, "3 coefficients, but only 0 finite point"),
        ((AXIS, None, AXIS), {"radius": 0.1}, "only 1 finite point"),
        ((AXIS, AXIS, AXIS), {}, "do not determine a quadratic"),
        ((AXIS, AXIS / 3 + 1e-12 * AXIS**3, AXIS), {}, "do not determine a quadratic"),
        ((NEARLY * np.cos(TURN), NEARLY * np.sin(TURN), AXIS), {}, "do not determine a quadratic"),
        ((AXIS, None, AXIS), {"errors": np.where(AXIS < 0.9, 1e20, 1.0)}, "errors of comparable size"),
        ((AXIS, AXIS[:1], np.ones((1, 7))), {}, "do not determine a quadratic"),
        ((AXIS, AXIS[:2], np.ones((2, 7))), {}, "do not determine a quadratic"),
        ((AXIS, None, AXIS[:3]), {}, "shape [(7,)] do not fit values of shape (3,)"),
        ((AXIS, AXIS[:2], np.ones((7, 2))), {}, "do not fit values of shape (7, 2)"),
        ((AXIS, None, AXIS), {"radius": 0.0}, "radius of the fit must be positive, got 0.0"),
        ((AXIS, None, AXIS), {"radius": np.nan}, "got nan"),
        ((AXIS, None, AXIS), {"errors": np.zeros(7)}, "positive and finite at every point"),
        ((AXIS, None, AXIS), {"errors": np.full(7, np.nan)}, "positive and finite"),
        ((AXIS, None, AXIS), {"errors": np.ones(3)}, "errors of shape (3,) do not fit"),
    ],
)
def test_impossible_fits_are_explained(arguments: tuple, options: dict, text: str):
    with pytest.raises(LandscapeError) as caught:
        fit(*arguments, **options)
    assert text in str(caught.value)
