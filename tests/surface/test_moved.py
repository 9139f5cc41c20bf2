"""The paper's norm moves the stored filters of blurs, which are buffers here and no parameters."""

import copy

import numpy as np
import pytest
import torch

from landscape import surface
from landscape.analyses import surface as recipe
from landscape.errors import LandscapeError
from landscape.surface.moved import apart, origin_of
from tests import build

BLURRED = "cifar-resnet8:width=2,kernel=1-2-1"
FILTERS = [f"smooth{i}.0.blur.filter" for i in (1, 2, 3)]


@pytest.fixture(scope="module")
def objective():
    return build.objective(build.zoo(BLURRED, seed=0), count=3)


@pytest.fixture(scope="module")
def directions(objective):
    return surface.random(objective, norm="paper")


def test_filters_get_directions_by_their_own_norm_across_channels(objective, directions):
    buffers = dict(objective.network.module.named_buffers())
    assert list(directions.vectors[0]) == [*objective.free, *FILTERS]
    assert directions.describe()["moved_filters"] == FILTERS
    for vector in directions.vectors:
        for name in FILTERS:
            lengths = vector[name].square().sum(0).sqrt()
            torch.testing.assert_close(
                lengths, buffers[name].double().square().sum(0).sqrt(), rtol=1e-5, atol=0
            )


def test_the_parameters_move_as_they_do_without_filters(directions):
    plain = build.objective(build.zoo("cifar-resnet8:width=2", seed=0), count=3)
    vectors = surface.random(plain, norm="paper").vectors
    for ours, theirs in zip(directions.vectors, vectors, strict=True):
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())


@pytest.mark.parametrize("options", [{"norm": "filter"}, {"norm": "none"}])
def test_other_norms_leave_filters_alone(objective, options):
    assert list(surface.random(objective, **options).vectors[0]) == list(objective.free)


def test_some_parameters_alone_leave_filters_alone(objective):
    some = objective.replace(params="layer1.*")
    assert not set(FILTERS) & set(surface.random(some, norm="paper").vectors[0])


def by_hand(objective, directions, x: float, y: float) -> float:
    """NLL of a copy of the network whose whole state dict has moved."""
    module = copy.deepcopy(objective.network.module)
    state = module.state_dict()
    for step, vector in zip((x, y), directions.vectors, strict=True):
        for name, value in vector.items():
            state[name] = state[name] + step * value
    module.load_state_dict(state)
    logits = module(objective.samples.inputs)
    return float(torch.nn.functional.cross_entropy(logits, objective.samples.targets).detach())


def test_the_surface_is_that_of_the_moved_state_dict(objective, directions):
    found = recipe(objective, norm="paper", span=0.3, steps=3)
    for x in found.x.values:
        for y in found.y.values:
            expected = by_hand(objective, directions, x, y)
            np.testing.assert_allclose(found.nll.sel(x=x, y=y), expected, rtol=1e-9)
    assert build.report(found)["centre"].passed
    again = surface.from_arrays(found, objective.free)
    assert again.digest() == surface.Directions(again.vectors).digest()
    assert list(again.vectors[0]) == [*objective.free, *FILTERS]


def test_flatness_and_span_move_filters_too(objective, directions):
    (vector,) = surface.random(objective, norm="paper", count=1).vectors
    found = surface.flatness(objective, radii=(0.3,), repeats=1, norm="paper")
    moved, theta = apart(
        objective, {n: v + 0.3 * vector.get(n, 0) for n, v in origin_of(objective, [vector]).items()}
    )
    np.testing.assert_allclose(found.loss.values[0, 0, 0], moved.value(theta).nll, rtol=1e-12)
    span = surface.find_span(objective, directions, rise=1.5)
    ends = [by_hand(objective, directions, *at) for at in ((span, 0), (-span, 0), (0, span), (0, -span))]
    assert np.mean(ends) >= 1.5 * objective.value().nll


def test_a_network_without_the_filters_refuses_their_directions(directions):
    box = build.objective(build.zoo("cifar-resnet8:width=2,blur", seed=0), count=3)
    with pytest.raises(LandscapeError, match=r"move 'smooth1\.0\.blur\.filter', which this network does not"):
        surface.plane(box, directions, span=0.1, steps=3)
