"""The PyHessian package on the same matrix, against Lanczos and dense matrices."""

import warnings

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.hessian import Operator, eigenpairs, top_eigenvalues
from tests.cases import BY_NAME, DROPOUT, Case
from tests.hessian.test_fallback import ONCE
from tests.references import dense_reference, wanted

pyhessian = pytest.importorskip("pyhessian")

OPTIONS = {"method": "pyhessian", "which": "magnitude"}


@pytest.mark.parametrize(
    "case",
    [BY_NAME["weight-decay"], BY_NAME["subset"], DROPOUT],
    ids=lambda case: case.name,
)
def test_it_finds_the_largest_magnitudes(case: Case):
    """In several micro-batches, with weight decay, fixed dropout masks and some of the parameters free."""
    exact = np.linalg.eigvalsh(dense_reference(case).hessian.numpy())
    found = eigenpairs(case.objective(), 2, tolerance=1e-7, max_products=2000, **OPTIONS)
    ours = eigenpairs(case.objective(), 2, which="magnitude", tolerance=1e-7)
    np.testing.assert_allclose(found.eigenvalues, wanted(exact, 2, "magnitude"), rtol=1e-4)
    np.testing.assert_allclose(found.eigenvalues, ours.eigenvalues, rtol=1e-4)
    matrix = dense_reference(case).hessian
    off = found.vectors @ matrix - torch.from_numpy(found.eigenvalues)[:, None] * found.vectors
    np.testing.assert_allclose(off.norm(dim=1), found.residuals, atol=1e-9)


def test_its_own_stopping_rule_is_judged_by_our_residual():
    """It stops when a value changes little; where values cluster, the residual is still large."""
    found = eigenpairs(BY_NAME["conv"].objective(), 2, tolerance=1e-3, max_products=8, **OPTIONS)
    assert not found.converged.all()
    assert (found.residuals[~found.converged] > 1e-3 * np.abs(found.eigenvalues).max()).all()


@pytest.mark.parametrize("micro_batch", [2, 5])
def test_every_product_is_counted(monkeypatch: pytest.MonkeyPatch, micro_batch: int):
    usual, products = pyhessian.hessian.dataloader_hv_product, []

    def counting(solver, vector):
        products.append(vector)
        return usual(solver, vector)

    monkeypatch.setattr(pyhessian.hessian, "dataloader_hv_product", counting)
    objective = BY_NAME["conv"].objective(micro_batch=micro_batch)
    found = eigenpairs(objective, 2, tolerance=1e-3, **OPTIONS)
    assert found.products == len(products) + 2  # one more a pair, for its residual
    products.clear()
    limited = eigenpairs(objective, 2, tolerance=1e-12, max_products=10, **OPTIONS)
    assert len(products) == 10
    assert limited.products == 12


def test_the_world_is_left_as_it_was():
    module = BY_NAME["mc-dropout"].module().train()
    objective = BY_NAME["mc-dropout"].objective(module)
    state, before = torch.get_rng_state(), objective.value()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eigenpairs(objective, 1, max_products=5, **OPTIONS)
    assert torch.equal(torch.get_rng_state(), state)
    assert objective.value() == before
    assert module.training
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(value.requires_grad for value in objective.parameters.values())


def test_the_seed_is_that_of_the_start():
    objective = BY_NAME["conv"].objective()
    first, again, other = (
        eigenpairs(objective, 1, max_products=3, seed=seed, **OPTIONS).eigenvalues for seed in (1, 1, 2)
    )
    assert first == again != other


def test_float32():
    case = BY_NAME["weight-decay"]
    exact = np.linalg.eigvalsh(dense_reference(case).hessian.numpy())
    found = top_eigenvalues(case.objective(dtype=torch.float32), 1, tolerance=1e-4, **OPTIONS)
    np.testing.assert_allclose(found.eigenvalue, wanted(exact, 1, "magnitude"), rtol=1e-3)


@pytest.mark.parametrize(
    "operator",
    [
        lambda: Operator(BY_NAME["conv"].objective(), kind="ggn"),
        lambda: Operator(BY_NAME["conv"].objective(), coordinates="filter"),
        lambda: Operator(ONCE.objective()),
    ],
    ids=["ggn", "filter", "finite differences"],
)
def test_what_it_does_not_know_is_refused(operator):
    with pytest.raises(LandscapeError, match="PyHessian knows the exact Hessian in raw coordinates only"):
        eigenpairs(operator(), 1, **OPTIONS)


def test_it_finds_magnitudes_only():
    with pytest.raises(LandscapeError, match="pyhessian finds the largest magnitudes, not the largest"):
        eigenpairs(BY_NAME["conv"].objective(), 1, method="pyhessian")
