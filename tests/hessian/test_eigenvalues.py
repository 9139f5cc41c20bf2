"""Hessian eigenvalues against dense matrices, published weights and another package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from landscape.checkpoint import load
from landscape.data import cifar10
from landscape.errors import LandscapeError
from landscape.hessian import eigenpairs, top_eigenvalues
from landscape.objective import Objective
from landscape.samples import Normalisation
from tests.cases import BY_NAME, CASES
from tests.references import dense_reference, wanted

ENDS = ("largest", "smallest", "magnitude")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_against_the_dense_hessian(case):
    exact = np.linalg.eigvalsh(dense_reference(case).hessian.numpy())
    for which in ENDS:
        result = top_eigenvalues(case.objective(), 3, which=which, tolerance=1e-9, max_products=300)
        np.testing.assert_allclose(
            result.eigenvalue, wanted(exact, 3, which), rtol=0, atol=1e-8 * np.abs(exact).max()
        )
        assert result.converged.all()


def test_vectors_are_eigenvectors_of_the_dense_hessian():
    case = BY_NAME["conv-bn"]
    pairs = eigenpairs(case.objective(), 3, tolerance=1e-8)
    matrix = dense_reference(case).hessian
    difference = pairs.vectors @ matrix - torch.from_numpy(pairs.eigenvalues)[:, None] * pairs.vectors
    np.testing.assert_allclose(difference.norm(dim=1), pairs.residuals, atol=1e-10)
    assert pairs.converged.all()


def test_float32_stays_within_its_residuals():
    case = BY_NAME["weight-decay"]
    exact = np.linalg.eigvalsh(dense_reference(case).hessian.numpy())
    result = top_eigenvalues(case.objective(dtype=torch.float32), 3, tolerance=1e-3)
    assert result.converged.all()
    errors = np.abs(result.eigenvalue.values - wanted(exact, 3, "largest"))
    assert (errors <= result.residual.values + 1e-5 * np.abs(exact).max()).all()


@pytest.mark.parametrize("name", ["conv-bn", "mc-dropout"])
def test_power_iteration_agrees_with_lanczos(name: str):
    objective = BY_NAME[name].objective()
    power = top_eigenvalues(
        objective, 2, method="power", which="magnitude", tolerance=1e-5, max_products=5000
    )
    other = top_eigenvalues(objective, 2, which="magnitude", tolerance=1e-5)
    assert power.converged.all()
    np.testing.assert_allclose(power.eigenvalue, other.eigenvalue, rtol=1e-6)


def test_a_fresh_dropout_draw_is_one_hessian():
    objective = BY_NAME["mc-dropout"].objective(dropout="fresh")
    values = [top_eigenvalues(objective, 1, draw=draw).eigenvalue.item() for draw in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_the_dataset_names_what_it_holds():
    result = top_eigenvalues(BY_NAME["conv"].objective(), 2)
    assert result.sizes == {"rank": 2}
    assert result["rank"].values.tolist() == [1, 2]
    assert set(result.data_vars) == {"eigenvalue", "residual", "error_bound", "converged", "products"}
    assert result.converged.dtype == bool
    assert result.eigenvalue.dtype == np.float64
    assert int(result.products) > 2


def test_not_converged_is_said():
    result = top_eigenvalues(BY_NAME["mlp"].objective(), 3, tolerance=1e-12, max_products=4)
    assert not result.converged.all()
    assert int(result.products) == 4


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "qr"}, "method is 'qr'; choose one of lanczos, power, pyhessian"),
        ({"method": "power"}, "method power finds the largest magnitudes, not the largest; use lanczos"),
        ({"which": "middle"}, "which is 'middle'"),
        ({"k": 0}, "0 eigenvalues asked for"),
        ({"k": 10_000}, "10000 eigenvalues asked for"),
        ({"max_products": 3}, "need at least"),
    ],
)
def test_impossible_requests_are_explained(options: dict, text: str):
    with pytest.raises(LandscapeError) as caught:
        top_eigenvalues(BY_NAME["conv"].objective(), **({"k": 3} | options))
    assert text in str(caught.value)


@pytest.mark.filterwarnings("ignore:Using backward")
def test_agrees_with_pyhessian():
    pyhessian = pytest.importorskip("pyhessian")
    case = BY_NAME["conv-bn"]
    with torch.random.fork_rng():
        torch.manual_seed(0)  # it draws its start vectors from the global state
        other = pyhessian.hessian(case.module(), nn.CrossEntropyLoss(), data=case.data(), cuda=False)
        values, _ = other.eigenvalues(maxIter=2000, tol=1e-10, top_n=2)
    ours = top_eigenvalues(case.objective(), 2, which="magnitude", tolerance=1e-8)
    np.testing.assert_allclose(ours.eigenvalue, values, rtol=1e-5)


def test_published_resnet20(shared_data: Path):
    """Reference values computed independently, ../shared/data/README.md."""
    network = load(shared_data / "pretrained" / "resnet20-12fca82f.th")
    samples = cifar10(shared_data / "cifar-10-batches-bin", split="train").take(128)
    usual = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    objective = Objective(network.normalised_for(samples, usual), samples)
    result = top_eigenvalues(objective, 5, tolerance=2e-3)
    np.testing.assert_allclose(result.eigenvalue, [31.918, 17.621, 15.780, 5.309, 4.193], rtol=1e-3)
    assert result.converged.all()
