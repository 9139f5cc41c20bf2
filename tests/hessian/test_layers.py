"""Top eigenvalue and trace of each layer's own block against dense matrices."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.derivatives.graphs import CurvatureMatrix
from landscape.hessian import layers, trace
from landscape.objective import Objective
from landscape.results.journal import Journal
from tests.cases import BY_NAME, SIX, Case, randomised
from tests.references import dense_gauss_newton, dense_reference


def blocks(case: Case, dense: Tensor) -> dict[str, Tensor]:
    """Each layer's block of a dense matrix over the free parameters, in the network's order."""
    places: dict[str, list[int]] = {}
    start = 0
    for name, value in case.objective().free.items():
        places.setdefault(name.rpartition(".")[0], []).extend(range(start, start + value.numel()))
        start += value.numel()
    return {layer: dense[rows][:, rows] for layer, rows in places.items()}


@pytest.mark.parametrize("case", SIX, ids=lambda case: case.name)
def test_blocks_against_the_dense_hessian(case: Case):
    exact = blocks(case, dense_reference(case).hessian)
    result = layers(case.objective(), probes=8, tolerance=1e-7)
    assert result["name"].values.tolist() == list(exact)
    tops = [float(torch.linalg.eigvalsh(block)[-1]) for block in exact.values()]
    np.testing.assert_allclose(result.eigenvalue, tops, rtol=0, atol=1e-6 * np.abs(tops).max())
    assert result.converged.all()
    off = np.abs(result.trace.values - [float(block.trace()) for block in exact.values()])
    assert (off <= 4 * result.trace_standard_error.values + 1e-9).all()
    assert result.parameters.values.tolist() == [len(block) for block in exact.values()]
    assert result.depth.values.tolist() == np.linspace(0, 1, len(exact)).tolist()


def test_gauss_newton_blocks():
    case = BY_NAME["box"]  # with a tanh: between piecewise linear layers both matrices have the same blocks
    exact = blocks(case, dense_gauss_newton(case))
    result = layers(case.objective(), kind="ggn", probes=4, tolerance=1e-7)
    tops = [float(torch.linalg.eigvalsh(block)[-1]) for block in exact.values()]
    np.testing.assert_allclose(result.eigenvalue, tops, rtol=1e-6)


def test_filter_coordinates_have_the_layers_with_filters():
    case = BY_NAME["conv-bn"]
    result = layers(case.objective(), coordinates="filter", probes=4, tolerance=1e-7)
    assert result["name"].values.tolist() == ["0", "4"]
    assert result.parameters.values.tolist() == [54, 9]
    weight = case.module()[0].weight.detach()
    scale = weight.flatten(1).norm(dim=1).repeat_interleave(18)
    block = blocks(case, dense_reference(case).hessian)["0"][:54, :54]
    top = float(torch.linalg.eigvalsh(scale[:, None] * block * scale)[-1])
    assert float(result.eigenvalue[0]) == pytest.approx(top, rel=1e-6)


class Mixed(nn.Module):
    """A parameter of the network's own, an embedding of a kind, and a layer with a single parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.norm = nn.LayerNorm(8)
        self.slope = nn.PReLU()
        self.dense = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.slope(self.norm(self.scale * x)))


def test_kinds_of_layers_and_parameters_without_one():
    objective = Objective(randomised(Mixed()), BY_NAME["tied"].data(), dtype=torch.float64)
    result = layers(objective, probes=2)
    assert result["name"].values.tolist() == ["scale", "norm", "slope", "dense"]
    assert result["kind"].values.tolist() == ["other", "norm", "other", "dense"]
    assert result.parameters.values.tolist() == [8, 16, 1, 27]
    assert layers(BY_NAME["conv-bn"].objective(), probes=2)["kind"].values.tolist() == [
        "conv",
        "norm",
        "dense",
    ]


def test_one_layer_alone():
    result = layers(BY_NAME["conv-bn"].objective(params="1.*"), probes=2)
    assert result["name"].values.tolist() == ["1"]
    assert result.depth.values.tolist() == [0.0]


def test_the_seed_is_that_of_the_probes():
    objective = BY_NAME["conv-bn"].objective()
    for seed in (0, 3):
        expected = trace(objective, probes=3, seed=seed)
        result = layers(objective, probes=3, seed=seed)
        np.testing.assert_array_equal(result.trace, expected.layer_trace)
        np.testing.assert_array_equal(result.trace_standard_error, expected.layer_trace_standard_error)


def test_products_are_counted(monkeypatch: pytest.MonkeyPatch):
    counted, usual = [], CurvatureMatrix.__call__

    def counting(matrix: CurvatureMatrix, vector):
        counted.append(vector)
        return usual(matrix, vector)

    monkeypatch.setattr(CurvatureMatrix, "__call__", counting)
    result = layers(BY_NAME["conv-bn"].objective(), probes=3)
    assert int(result.products) + 1 == len(counted)  # one checks that products are derivatives


def test_what_has_not_converged_is_said():
    result = layers(BY_NAME["mlp"].objective(), probes=2, tolerance=1e-12, max_products=2)
    assert not result.converged.all()
    assert (result.residual.values[~result.converged.values] > 0).all()


def test_a_run_that_was_stopped_goes_on(tmp_path):
    case = BY_NAME["conv-bn"]
    expected = layers(case.objective(), probes=3, seed=4)
    journal = Journal(tmp_path / "layers.zarr", {})

    def stopping(items, label, total):
        for count, item in enumerate(items):
            if label == "layers" and count == 1:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        layers(case.objective(), probes=3, seed=4, run=journal.runner(stopping))
    noted = []
    result = layers(
        case.objective(),
        probes=3,
        seed=4,
        run=journal.runner(lambda items, label, total: noted.append((label, total)) or items),
    )
    assert noted == [("trace", 0), ("layers", 2)]
    assert result.identical(expected)


def test_what_parametrizes_a_layer_belongs_to_it():
    torch.manual_seed(0)
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)), nn.Tanh(), nn.Linear(4, 3))
    data = torch.randn(12, 5, dtype=torch.float64), torch.arange(12) % 3
    found = layers(Objective(net.double(), data, dtype="float64"), probes=2)
    assert found["name"].values.tolist() == ["0", "2"]
    assert found.parameters.values.tolist() == [4 * 5 + 4 + 4, 15]
    assert found.kind.values.tolist() == ["dense", "dense"]
