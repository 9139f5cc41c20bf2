"""Searches that begin with the eigenvectors of a similar matrix find what those that begin at random do."""

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.hessian import Operator, Start, eigenpairs, top_eigenvalues
from landscape.objective import Objective
from tests.cases import BY_NAME, Case
from tests.references import dense_reference

K = 3


def begun(objective: Objective, **options) -> Start:
    """A start as a saved result gives it."""
    dataset = top_eigenvalues(objective, K, vectors=True, **options)
    return Start.of_result(dataset.assign_attrs(network='{"name": "before"}'))


@pytest.mark.parametrize("name", ["conv-bn", "mlp", "preactivation", "tied"])
def test_the_values_are_those_of_the_dense_matrix(name: str):
    case: Case = BY_NAME[name]
    found = top_eigenvalues(case.objective(), K, start=begun(case.objective()), tolerance=1e-6, confirm=20)
    exact = np.linalg.eigvalsh(dense_reference(case).hessian.numpy())[::-1][:K]
    assert found.rank_certain.all()
    np.testing.assert_allclose(found.eigenvalue, exact, atol=1e-6 * abs(exact).max())


def test_of_weights_that_have_moved_a_little_it_takes_fewer_products():
    objective = BY_NAME["resnet20"].objective()
    start, cold = begun(objective), top_eigenvalues(objective, K)
    moved = {name: value * (1 + 1e-4) for name, value in objective.parameters.items()}
    warm = top_eigenvalues(Operator(objective, parameters=moved), K, start=start)
    assert int(warm.products) < int(cold.products)
    np.testing.assert_allclose(warm.eigenvalue, cold.eigenvalue, rtol=0.05)


def test_a_start_that_misleads_costs_products_and_no_rank():
    objective = BY_NAME["conv-bn"].objective()
    dense = dense_reference(BY_NAME["conv-bn"]).hessian
    values, vectors = torch.linalg.eigh(dense)
    for wrong in (vectors[:, 0], vectors[:, len(values) // 2], vectors[:, -2]):
        start = Start(wrong.numpy(), "elsewhere", 0)
        found = top_eigenvalues(objective, K, start=start, tolerance=1e-6, confirm=20)
        assert found.rank_certain.all()
        expected = values.numpy()[::-1][:K]
        np.testing.assert_allclose(found.eigenvalue, expected, atol=1e-6 * abs(expected).max())


@pytest.mark.parametrize("coordinates", ["raw", "filter", "layer"])
def test_directions_come_back_into_their_coordinates(coordinates: str):
    operator = Operator(BY_NAME["conv-bn"].objective(), coordinates=coordinates)
    vector = torch.linspace(-1, 1, operator.size, dtype=torch.float64)
    back = operator.coefficients(torch.from_numpy(operator.flat_direction(vector)))
    torch.testing.assert_close(back, vector)
    found = top_eigenvalues(operator, K, start=begun(operator), tolerance=1e-6)
    cold = top_eigenvalues(operator, K, tolerance=1e-6)
    np.testing.assert_allclose(found.eigenvalue, cold.eigenvalue, rtol=1e-6)


def test_what_is_no_start_is_refused():
    objective = BY_NAME["conv-bn"].objective()
    dataset = top_eigenvalues(objective, K)
    with pytest.raises(LandscapeError, match="holds no eigenvectors to begin with"):
        Start.of_result(dataset)
    broken = top_eigenvalues(objective, K, vectors=True)
    broken["vector"][0, 0] = np.nan
    with pytest.raises(LandscapeError, match="are damaged"):
        Start.of_result(broken)
    start = begun(BY_NAME["mlp"].objective())
    with pytest.raises(LandscapeError, match="the eigenvectors of before have"):
        top_eigenvalues(objective, K, start=start)
    with pytest.raises(LandscapeError, match="leave out --warm-from"):
        eigenpairs(objective, K, start=begun(objective), method="power", which="magnitude")
