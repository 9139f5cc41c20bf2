"""Curvature operators in raw, filter and layer coordinates against dense matrices."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.hessian import Operator, top_eigenvalues
from landscape.objective import Objective
from landscape.parameters import flatten
from tests.cases import BY_NAME, Case
from tests.references import dense_gauss_newton, dense_reference
from tests.rescaled import LAYERS, NORMALISED, twins

DENSE = {"hessian": lambda case: dense_reference(case).hessian, "ggn": dense_gauss_newton}
CASES = ("conv-bn", "weight-decay", "mlp", "tied", "bottleneck")


def matrix(operator: Operator) -> Tensor:
    """All of it, product by product."""
    return torch.stack([operator(row) for row in torch.eye(operator.size, dtype=torch.float64)])


def kept(case: Case) -> tuple[Tensor, dict[str, Tensor]]:
    """Which entries belong to weights of two dimensions and more, and those weights."""
    free = case.objective().free
    mask = torch.cat([torch.full((value.numel(),), value.dim() > 1) for value in free.values()])
    return mask, {name: value for name, value in free.items() if value.dim() > 1}


def lengths(weight: Tensor, coordinates: str) -> Tensor:
    """Norm of each entry's filter or layer, entry by entry, shape (numel,)."""
    parts = list(weight) if coordinates == "filter" else [weight]
    norms = [sum(v * v for v in part.flatten().tolist()) ** 0.5 for part in parts]
    sizes = torch.tensor([part.numel() for part in parts])
    return torch.tensor(norms, dtype=torch.float64).repeat_interleave(sizes)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", DENSE)
@pytest.mark.parametrize("coordinates", ["filter", "layer"])
def test_scaled_coordinates_are_d_h_d(name: str, kind: str, coordinates: str):
    case = BY_NAME[name]
    mask, weights = kept(case)
    scale = torch.cat([lengths(weight, coordinates) for weight in weights.values()])
    dense = DENSE[kind](case)[mask][:, mask]
    expected = scale[:, None] * dense * scale
    operator = Operator(case.objective(), kind=kind, coordinates=coordinates)
    assert operator.size == int(mask.sum())
    assert list(operator.objective.free) == list(weights)
    largest = float(expected.abs().max())
    torch.testing.assert_close(matrix(operator), expected, rtol=0, atol=1e-10 * largest)
    assert (matrix(operator) - dense).abs().max() > 1e-3


@pytest.mark.parametrize("kind", DENSE)
def test_raw_coordinates_are_the_matrix_itself(kind: str):
    case = BY_NAME["subset"]
    operator = Operator(case.objective(), kind=kind)
    torch.testing.assert_close(matrix(operator), DENSE[kind](case), rtol=0, atol=1e-10)
    vector = torch.arange(operator.size, dtype=torch.float64)
    assert torch.equal(flatten(operator.direction(vector)), vector)


@pytest.mark.parametrize("coordinates", ["filter", "layer"])
def test_a_direction_is_the_vector_in_units_of_the_norms(coordinates: str):
    case = BY_NAME["conv-bn"]
    operator = Operator(case.objective(), coordinates=coordinates)
    _, weights = kept(case)
    vector = torch.randn(operator.size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = vector * torch.cat([lengths(weight, coordinates) for weight in weights.values()])
    direction = operator.direction(vector)
    assert {name: value.shape for name, value in direction.items()} == {
        name: value.shape for name, value in weights.items()
    }
    torch.testing.assert_close(flatten(direction), expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(operator.flat_direction(vector), flatten(direction).numpy())


def test_eigenvectors_are_saved_as_directions_in_the_weights():
    """D v, so that a surface along one shows its curvature: dᵀ H d = λ."""
    case = BY_NAME["conv-bn"]
    mask, _ = kept(case)
    dense = dense_reference(case).hessian[mask][:, mask].numpy()
    operator = Operator(case.objective(), coordinates="filter")
    result = top_eigenvalues(operator, 3, vectors=True, tolerance=1e-9)
    assert result.vector.dims == ("rank", "parameter")
    directions = result.vector.values
    np.testing.assert_allclose(
        directions @ dense @ directions.T, np.diag(result.eigenvalue.values), rtol=0, atol=1e-7
    )


class Normed(nn.Module):
    """Two convolutions with BatchNorm behind each, and eps far below the variances."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2, eps=1e-30)
        self.conv2, self.norm2 = nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3, eps=1e-30)
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.norm1(self.conv1(x)).relu()
        return self.linear(self.norm2(self.conv2(z)).tanh().mean((2, 3)))


@pytest.mark.parametrize("kind", DENSE)
def test_rescaled_filters_have_the_same_eigenvalues_in_filter_coordinates(kind: str):
    case = Case("normed", Normed)
    module, rescaled = case.module(), case.module()
    generator = torch.Generator().manual_seed(0)
    for i in (1, 2):
        conv, norm = rescaled.get_submodule(f"conv{i}"), rescaled.get_submodule(f"norm{i}")
        factors = 10 ** (3 * torch.rand(len(conv.weight), generator=generator, dtype=torch.float64) - 2)
        conv.weight.data *= factors.view(-1, 1, 1, 1)
        conv.bias.data *= factors
        norm.running_mean *= factors
        norm.running_var *= factors**2
    objectives = [case.objective(each) for each in (module, rescaled)]
    assert objectives[1].value().nll == pytest.approx(objectives[0].value().nll, rel=1e-12)
    spectra = {}
    for coordinates in ("filter", "layer", "raw"):
        spectra[coordinates] = [
            np.linalg.eigvalsh(matrix(Operator(each, kind=kind, coordinates=coordinates)).numpy())
            for each in objectives
        ]
    first, second = spectra["filter"]
    np.testing.assert_allclose(second, first, rtol=0, atol=1e-10 * np.abs(first).max())
    tops = [
        top_eigenvalues(Operator(each, kind=kind, coordinates="filter"), 2, tolerance=1e-9).eigenvalue
        for each in objectives
    ]
    np.testing.assert_allclose(tops[1], tops[0], rtol=1e-9)
    np.testing.assert_allclose(tops[0], first[::-1][:2], rtol=1e-8)
    for other in ("raw", "layer"):
        first, second = spectra[other]
        assert abs(second[-1] / first[-1] - 1) > 0.1


@pytest.mark.parametrize("layer", [*LAYERS, *NORMALISED])
def test_every_kind_of_layer_may_be_rescaled_in_filter_coordinates(layer: str):
    spectra = {}
    for coordinates in ("filter", "raw"):
        spectra[coordinates] = [
            np.linalg.eigvalsh(
                matrix(Operator(each.replace(free=own(each)), coordinates=coordinates)).numpy()
            )
            for each in twins(layer, seed=0)
        ]
    first, second = spectra["filter"]
    np.testing.assert_allclose(second, first, rtol=0, atol=1e-9 * np.abs(first).max())
    first, second = spectra["raw"]
    assert abs(second[-1] / first[-1] - 1) > 0.01


def own(objective: Objective) -> list[str]:
    return [name for name in objective.free if name.startswith("0.") and name != "0.bias"]


def test_pruned_entries_have_no_curvature_in_filter_coordinates():
    objective, _ = twins("pruned Conv2d", 0)
    objective = objective.replace(weight_decay=0.1)  # which pulls at them in raw coordinates
    mask = objective.network.module[0].weight_mask.flatten()
    part = objective.replace(free=own(objective))
    assert torch.equal(matrix(Operator(part, coordinates="filter")).abs().sum(1) > 0, mask > 0)
    assert (matrix(Operator(part)).abs().sum(1) > 0).all()


def test_assumed_filters_are_named():
    module = nn.Sequential(nn.Linear(8, 3), Affine()).double()
    objective = BY_NAME["tied"].objective(module)
    assert Operator(objective, coordinates="filter").record()["assumed_filters"] == ["1.matrix"]
    for coordinates in ("raw", "layer"):
        assert "assumed_filters" not in Operator(objective, coordinates=coordinates).record()


class Affine(nn.Module):
    """A matrix of somebody's own."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(3))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix


def test_scales_belong_to_the_parameters_that_are_given():
    case = BY_NAME["conv-bn"]
    objective = case.objective()
    there = {name: 1.5 * value for name, value in objective.parameters.items()}
    elsewhere = case.module()
    elsewhere.load_state_dict(there, strict=False)
    expected = matrix(Operator(case.objective(elsewhere), coordinates="filter"))
    found = matrix(Operator(objective, coordinates="filter", parameters=there))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    assert (found - matrix(Operator(objective, coordinates="filter"))).abs().max() > 1e-3


def test_a_dead_filter_has_no_direction():
    case = BY_NAME["conv-bn"]
    module = case.module()
    module[0].weight.data[1] = 0
    found = matrix(Operator(case.objective(module), coordinates="filter"))
    assert torch.isfinite(found).all()
    assert torch.count_nonzero(found[18:36]) == 0


def test_each_draw_of_fresh_dropout_is_an_operator_of_its_own():
    objective = BY_NAME["mc-dropout"].objective(dropout="fresh")
    vector = torch.ones(Operator(objective).size, dtype=torch.float64)
    first, again, other = (Operator(objective, draw=draw)(vector) for draw in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_record_says_what_it_is():
    operator = Operator(BY_NAME["conv"].objective(), kind="ggn", coordinates="layer")
    assert operator.record() == {"operator": "ggn", "coordinates": "layer", "products": "exact"}
    assert (operator.like.dtype, operator.like.device) == (torch.float64, torch.device("cpu"))


@pytest.mark.parametrize(
    ("options", "params", "text"),
    [
        ({"coordinates": "polar"}, "*", "coordinates are 'polar'; choose one of raw, filter, layer"),
        ({"kind": "fisher"}, "*", "kind is 'fisher'; choose one of hessian, ggn"),
        (
            {"coordinates": "filter"},
            "*.bias",
            "filter coordinates leave biases and BatchNorm out, and nothing else matches '*.bias' (0.bias, ",
        ),
        (
            {"coordinates": "layer"},
            "1.*",
            "nothing else matches '1.*' (1.weight, 1.bias); choose other --params",
        ),
    ],
)
def test_impossible_requests_are_explained(options: dict, params: str, text: str):
    with pytest.raises(LandscapeError) as caught:
        Operator(BY_NAME["conv-bn"].objective(params=params), **options)
    assert text in str(caught.value)


def test_raw_coordinates_take_biases_alone():
    operator = Operator(BY_NAME["conv-bn"].objective(params="*.bias"))
    assert operator.size == 3 + 3 + 3
