"""Filter normalisation against a loop, and directions that depend on seed and index alone."""

from __future__ import annotations

import pytest
import torch

from landscape.errors import LandscapeError
from landscape.parameters import dot, norm
from landscape.surface import filter_normalised, random_directions
from tests import references
from tests.cases import BY_NAME, CASES, random_like


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_filter_normalisation_against_a_loop(case):
    weights = case.objective().free
    direction = random_like(weights)
    scaled = filter_normalised(direction, weights)
    expected = references.filter_normalised(direction, weights)
    assert list(scaled) == list(weights)
    for name in weights:
        torch.testing.assert_close(scaled[name], expected[name], rtol=1e-12, atol=1e-12)
        assert scaled[name].dtype == weights[name].dtype


def test_biases_and_batchnorm_get_no_direction():
    weights = BY_NAME["conv-bn"].objective().free
    scaled = filter_normalised(random_like(weights), weights)
    flat = [name for name, value in weights.items() if value.dim() < 2]
    assert flat == ["0.bias", "1.weight", "1.bias", "4.bias"]
    assert all(torch.count_nonzero(scaled[name]) == 0 for name in flat)


def test_zero_filters_stay_zero():
    weights = {"w": torch.randn(3, 4, generator=torch.Generator().manual_seed(0))}
    direction = random_like(weights)
    weights["w"][1] = 0
    direction["w"][2] = 0
    scaled = filter_normalised(direction, weights)["w"]
    assert torch.count_nonzero(scaled[1]) == torch.count_nonzero(scaled[2]) == 0
    assert scaled[0].norm() == pytest.approx(float(weights["w"][0].norm()))
    assert torch.isfinite(scaled).all()


def test_the_scale_of_the_gaussian_does_not_matter_and_nothing_is_changed():
    weights = BY_NAME["conv"].objective().free
    direction = random_like(weights)
    copies = {name: value.clone() for name, value in direction.items()}
    once = filter_normalised(direction, weights)
    twice = filter_normalised({name: 1e6 * value for name, value in direction.items()}, weights)
    for name in weights:
        torch.testing.assert_close(once[name], twice[name], rtol=1e-12, atol=0)
        assert torch.equal(direction[name], copies[name])


def test_the_same_seed_gives_the_same_directions():
    objective = BY_NAME["resnet20"].objective(params="*")
    state = torch.get_rng_state()
    first, second = (random_directions(objective, seed=3) for _ in range(2))
    other = random_directions(objective, seed=4)
    for i in range(2):
        assert all(torch.equal(first[i][name], second[i][name]) for name in first[i])
        assert not torch.equal(first[i]["conv1.weight"], other[i]["conv1.weight"])
    assert torch.equal(torch.get_rng_state(), state)


def test_both_precisions_share_the_directions():
    case = BY_NAME["resnet20"]
    double, single = (random_directions(case.objective(dtype=d)) for d in (torch.float64, torch.float32))
    for i in range(2):
        for name in double[i]:
            assert single[i][name].dtype == torch.float32
            torch.testing.assert_close(single[i][name].double(), double[i][name], rtol=1e-5, atol=1e-6)


def test_a_direction_does_not_depend_on_the_count():
    objective = BY_NAME["conv"].objective()
    few, many = (random_directions(objective, count=count) for count in (1, 4))
    assert len(many) == 4
    assert all(torch.equal(few[0][name], many[0][name]) for name in few[0])


def test_directions_are_independent_of_each_other():
    objective = BY_NAME["resnet20"].objective(params="*")
    first, second = random_directions(objective)
    assert abs(float(dot(first, second) / (norm(first) * norm(second)))) < 0.1


def test_only_free_parameters_get_a_direction():
    objective = BY_NAME["subset"].objective()
    assert list(random_directions(objective)[0]) == ["0.weight", "1.weight", "1.bias"]


def test_a_negative_seed_is_an_error():
    with pytest.raises(LandscapeError, match="seed of the directions is -1"):
        random_directions(BY_NAME["conv"].objective(), seed=-1)
