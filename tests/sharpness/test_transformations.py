"""Changes of weights that leave the function as it is, and what they do to curvature."""

import math

import pytest
import torch
from torch import nn

from landscape import sharpness
from landscape.hessian import Operator
from landscape.parameters import flatten
from landscape.sharpness.transformations import TRANSFORMATIONS
from tests.build import objective as of_zoo
from tests.build import zoo
from tests.sharpness.nets import convolutional, dense, loss

ALPHA = 3.0


def matrix(objective, pattern):
    """The Hessian's block of these parameters."""
    operator = Operator(objective.replace(params=pattern))
    rows = torch.eye(operator.size, dtype=torch.float64)
    return torch.stack([operator(row) for row in rows])


@pytest.mark.parametrize("name", TRANSFORMATIONS)
@pytest.mark.parametrize("make", [convolutional, dense])
def test_outputs_and_loss_stay(name, make):
    own = loss(make())
    changed = sharpness.transformed(name, own, factor=ALPHA)
    if make is dense and name in ("filter_scale", "fold_batchnorm"):
        assert changed.objective is None
        assert "no BatchNorm" in changed.reason
        return
    assert changed.difference < 1e-12 < sharpness.TOLERANCE
    assert changed.objective.value().nll == pytest.approx(own.value().nll, rel=1e-12)
    moved = [
        key
        for key, value in changed.objective.parameters.items()
        if key not in own.parameters
        or value.shape != own.parameters[key].shape
        or not torch.allclose(value, own.parameters[key])
    ]
    assert moved
    assert changed.where
    weights = [value.clone() for value in own.network.module.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(weights, own.network.module.parameters(), strict=True))


@pytest.mark.parametrize(
    "spec",
    [
        "cifar-resnet20:width=4",
        "cifar-preresnet20:width=4",
        pytest.param("vgg11:width=4", marks=pytest.mark.full),
    ],
)
def test_networks_of_the_zoo_have_places(spec):
    own = of_zoo(zoo(spec, seed=3), size=32, count=4)
    for name in TRANSFORMATIONS:
        changed = sharpness.transformed(name, own)
        assert changed.objective is not None, (name, changed.reason)
        assert changed.objective.value().nll == pytest.approx(own.value().nll, rel=1e-9)


def test_curvature_of_scaled_filters_is_divided_by_the_square():
    own = loss(convolutional())
    changed = sharpness.transformed("filter_scale", own, factor=ALPHA).objective
    first, other = (matrix(each, "0.weight") for each in (own, changed))
    torch.testing.assert_close(other, first / ALPHA**2, rtol=1e-9, atol=1e-12)
    for pattern in ("1.*", "7.*"):
        torch.testing.assert_close(matrix(changed, pattern), matrix(own, pattern), rtol=1e-9, atol=1e-12)


def test_curvature_across_relu_moves_both_ways():
    own = loss(dense())
    changed = sharpness.transformed("relu_rescale", own, factor=ALPHA)
    assert changed.where == ("0 → 2", "2 → 4")
    first, other = (matrix(each, "0.*") for each in (own, changed.objective))
    torch.testing.assert_close(other, first / ALPHA**2, rtol=1e-9, atol=1e-12)
    first, other = (matrix(each, "4.weight") for each in (own, changed.objective))
    torch.testing.assert_close(other, first * ALPHA**2, rtol=1e-9, atol=1e-12)


def test_permuted_vectors_give_permuted_products():
    own = loss(convolutional())
    changed = sharpness.transformed("permute", own)
    noise = sharpness.Noise(5)
    carried = changed.noise(noise, own)
    vector = noise.normal(own.free, 0)
    image = own.hvp(vector)
    found = changed.objective.hvp(carried.normal(changed.objective.free, 0))
    expected = carried.carry(image)
    assert not torch.allclose(flatten(found), flatten(image))
    torch.testing.assert_close(flatten(found), flatten(expected))


def test_places_where_something_else_reads_are_left_alone():
    class Skipping(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.third = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, x):
            x = torch.relu(self.first(x))
            return self.third(torch.relu(self.second(x)) + x)

    own = loss(Skipping().double())
    for name in TRANSFORMATIONS:
        changed = sharpness.transformed(name, own)
        assert changed.objective is None
        assert changed.reason.startswith("no ")


def test_what_runs_twice_or_is_no_relu_is_left_alone():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, x):
            return self.last(torch.relu(self.first(torch.relu(self.first(x)))))

    assert sharpness.transformed("permute", loss(Twice().double())).objective is None
    own = loss(dense(nn.Tanh))
    assert sharpness.transformed("relu_rescale", own).objective is None
    assert sharpness.transformed("permute", own).objective is not None


def test_a_place_whose_outputs_move_is_dropped():
    class Odd(nn.Module):
        """Scales by the size of the weight, which no operator on the data shows."""

        def __init__(self):
            super().__init__()
            self.body, self.last = dense(), nn.Linear(3, 3)

        def forward(self, x):
            return self.last(torch.relu(self.body(x))) * self.body[0].weight.norm()

    own = loss(Odd().double())
    changed = sharpness.transformed("relu_rescale", own)
    assert changed.objective is not None
    assert "body.0 → body.2" not in changed.where
    assert len(changed.where) == 2


@pytest.mark.parametrize(
    ("scale", "names"),
    [
        ("weight", ("filter_scale", "relu_rescale", "permute")),
        ("filter", ("filter_scale", "relu_rescale", "permute")),
    ],
)
def test_adaptive_measures_stay_under_what_they_claim(scale, names):
    own = loss(convolutional())
    for name in names:
        changed = sharpness.transformed(name, own, factor=ALPHA)
        noise = sharpness.Noise(3)
        carried = changed.noise(noise, own)
        for measure, options in (
            (sharpness.average, {"radius": 0.1, "probes": 3}),
            (sharpness.worst, {"radius": 0.5, "steps": 4, "batch_size": 6}),
        ):
            first = measure(own, scale=scale, noise=noise, **options)
            other = measure(changed.objective, scale=scale, noise=carried, **options)
            assert other.value == pytest.approx(first.value, rel=1e-5)


def test_plain_measures_move():
    own = loss(convolutional())
    changed = sharpness.transformed("filter_scale", own, factor=ALPHA).objective
    first, other = (sharpness.average(each, radius=0.05, probes=3).value for each in (own, changed))
    assert abs(math.log(other / first)) > 0.05


def test_frozen_parameters_stay_frozen():
    net = dense()
    for layer in list(net.children())[:-1]:
        layer.requires_grad_(False)
    frozen = loss(net).replace(params="trainable")
    found = sharpness.transformed("permute", frozen).objective
    assert list(found.free) == list(frozen.free) == ["4.weight", "4.bias"]
    own, other = (torch.linalg.eigvalsh(matrix(each, "trainable")) for each in (frozen, found))
    assert other.tolist() == pytest.approx(own.tolist(), rel=1e-6, abs=1e-9)
