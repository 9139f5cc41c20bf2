"""Error bounds that hold with the rounding of float32 included, against dense float64 matrices."""

import numpy as np
import pytest
import torch

from benchmarks.ranks import bound_ratios
from landscape.hessian import Operator, eigenpairs
from landscape.hessian.eigenvalues import finer, rounding_measured
from tests.cases import BY_NAME


@pytest.mark.parametrize("name", ["conv-bn", "mlp"])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-7])
def test_no_error_is_beyond_its_bound(name: str, tolerance: float):
    """The symmetry defect alone falls short of the errors here, which are those of rounded weights."""
    ratios = bound_ratios(BY_NAME[name], range(3), tolerance=tolerance)
    assert (ratios >= 1).all()
    assert np.median(ratios[:, 0]) <= 3  # the first pair is converged down to its rounding, the last is not


def test_the_defect_alone_would_not_do():
    operator = Operator(BY_NAME["mlp"].objective(dtype=torch.float32))
    blind = eigenpairs(operator, 3, tolerance=1e-3, rounding=0)
    measured = rounding_measured(operator, blind)
    assert measured.error_bounds[0] > 1.5 * blind.error_bounds[0]
    np.testing.assert_array_equal(measured.eigenvalues, blind.eigenvalues)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.3}, {"params": "0.*"}], ids=str)
def test_the_finer_objective_is_the_one_in_float64(options: dict):
    case = BY_NAME["conv-bn"]
    rounded, exact = (case.objective(dtype=dtype, **options) for dtype in (torch.float32, torch.float64))
    vector = {name: torch.ones_like(value) for name, value in exact.free.items()}
    for name, product in finer(rounded).hvp(vector).items():
        torch.testing.assert_close(product, exact.hvp(vector)[name], rtol=1e-9, atol=1e-9)
    assert rounded.dtype is torch.float32
    assert next(iter(rounded.free.values())).dtype is torch.float32


def test_a_network_trained_since_is_not_taken_for_the_one_measured():
    case = BY_NAME["conv-bn"]
    module = case.module()
    objective = case.objective(module, dtype=torch.float32)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
    for name, value in finer(objective).parameters.items():
        torch.testing.assert_close(value, objective.parameters[name].double(), rtol=0, atol=0)


def test_of_many_samples_a_few_are_measured():
    case = BY_NAME["conv-bn"]
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(20, *case.shape, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 3, (20,), generator=generator)
    objective = type(case.objective())(case.module(), (inputs, targets), dtype=torch.float32)
    operator = Operator(objective)
    blind = eigenpairs(operator, 3, rounding=0)
    first, every = (rounding_measured(operator, blind, vectors=vectors) for vectors in (1, None))
    assert (every.error_bounds > blind.residuals).all()
    assert (first.error_bounds > blind.residuals).all()
    assert (every.error_bounds < blind.residuals + 1e-5 * np.abs(blind.eigenvalues).max()).all()


def test_float64_has_nothing_finer_to_compare_with():
    operator = Operator(BY_NAME["conv-bn"].objective())
    pairs = eigenpairs(operator, 2, rounding=0)
    assert rounding_measured(operator, pairs) is pairs
