"""Paths and trained curves."""

import numpy as np
import pytest
import torch
from torch import nn

from landscape.connectivity import CurveRecipe, Path, barrier, spaced, trained
from landscape.connectivity.walk import Track, require_alike, walked
from landscape.errors import ArgumentError, LandscapeError
from tests import build


class Wells(nn.Module):
    """A ring of low loss: (‖w‖² − 1)² is zero on a circle, and 1 at its centre."""

    def __init__(self, angle: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([np.cos(angle), np.sin(angle)]))

    def forward(self, x):
        return (self.w.square().sum() - 1).square() + 0 * x[:, :1] + x[:, :1]


def first_output(outputs, targets):
    return outputs[:, 0]


def ring(angle: float):
    inputs = torch.linspace(-1, 1, 40, dtype=torch.float64).reshape(20, 2)
    samples = (inputs - inputs.mean(0), torch.zeros(20))
    return build.objective(Wells(angle), samples, loss=first_output)


@pytest.fixture
def ends():
    return ring(np.pi), ring(0.02)


def test_shapes_are_what_they_are_called(ends):
    a, b = (each.parameters for each in ends)
    bend = {"w": torch.tensor([0.0, 2.0], dtype=torch.float64)}
    curve, chain = (Path(shape, (a, bend, b)) for shape in ("bezier", "polygon"))
    for path in (curve, chain, Path("linear", (a, b))):
        assert path.at(0.0) is a
        assert path.at(1.0) is b
        assert path.coefficients(0.3).sum() == pytest.approx(1)
    expected = 0.25 * a["w"] + 0.5 * bend["w"] + 0.25 * b["w"]
    assert torch.allclose(curve.at(0.5)["w"], expected)
    assert chain.at(0.5) is bend
    sides = sum(float((bend["w"] - end["w"]).norm()) for end in (a, b))
    assert chain.length() == pytest.approx(sides, rel=1e-6)
    assert chain.distance() == pytest.approx(float((a["w"] - b["w"]).norm()))
    assert curve.distance() < curve.length() < chain.length()


def test_a_double_well_has_the_barrier_of_its_closed_form(ends):
    first, second = ring(np.pi), ring(0.0)
    path = Path("linear", (first.parameters, second.parameters))
    walk = walked(Track.of(first), path, spaced(11), "linear", label="line")
    found = barrier(walk.t, walk.losses[0])
    assert found.value == pytest.approx(1.0, abs=1e-12)
    assert found.error < 1e-12
    assert walk.passes == 11 * 20


@pytest.mark.parametrize("shape", ["bezier", "polygon"])
def test_a_curve_goes_round_the_barrier(ends, shape):
    first, second = ends
    given = first.parameters, second.parameters
    recipe = CurveRecipe(steps=400, batch_size=20, learning_rate=0.05, weight_decay=0.0)
    path, losses = trained(first, given, shape, recipe)
    assert losses.shape == (400,)
    track, t = Track.of(first), spaced(21)
    straight = walked(track, Path("linear", given), t, "linear", label="line")
    curved = walked(track, path, t, shape, label="curve")
    assert barrier(t, curved.losses[0]).value < 0.3 * barrier(t, straight.losses[0]).value


def small():
    return build.objective("cifar-resnet20:width=4", count=24)


def test_a_curve_that_was_stopped_goes_on_bit_identical():
    one, two = (build.objective(build.zoo("cifar-resnet20:width=4", seed=k), count=24) for k in (1, 2))
    given = one.parameters, two.parameters
    recipe = CurveRecipe(steps=5, batch_size=8)
    kept: dict[str, dict] = {}

    def run(count, compute, label):
        if len(kept) == 3 and label not in kept and not resumed:
            raise KeyboardInterrupt
        if label not in kept:
            computed.append(label)
            kept[label] = compute(0)
        return [kept[label]]

    resumed, computed = False, []
    with pytest.raises(KeyboardInterrupt):
        trained(one, given, "bezier", recipe, run=run)
    resumed, computed = True, []
    path, losses = trained(one, given, "bezier", recipe, run=run)
    assert len(computed) == 2
    whole, expected = trained(one, given, "bezier", recipe)
    assert np.array_equal(losses, expected)
    for name, value in whole.points[1].items():
        assert torch.equal(path.points[1][name], value)


def test_a_curve_lowers_the_loss_of_a_network_with_batch_norm():
    one, two = (build.objective(build.zoo("cifar-resnet20:width=4", seed=k), count=32) for k in (1, 2))
    _, losses = trained(
        one,
        (one.parameters, two.parameters),
        "bezier",
        CurveRecipe(steps=30, batch_size=32, learning_rate=0.05),
    )
    assert losses[-5:].mean() < 0.8 * losses[:5].mean()


def test_a_rate_that_is_too_large_is_named(ends):
    first, second = ends
    recipe = CurveRecipe(steps=50, batch_size=20, learning_rate=1e6)
    with pytest.raises(LandscapeError, match="learning rate"):
        trained(first, (first.parameters, second.parameters), "bezier", recipe)


def test_what_is_no_path_is_refused(ends):
    with pytest.raises(ArgumentError, match="bezier and polygon take three"):
        Path("bezier", (ends[0].parameters, ends[1].parameters))
    with pytest.raises(ArgumentError, match="three points or more"):
        spaced(2)
    with pytest.raises(ArgumentError, match="a step or more"):
        CurveRecipe(steps=0)


def test_networks_of_other_architectures_are_not_connected():
    with pytest.raises(LandscapeError, match="different architectures"):
        require_alike([build.objective("cifar-resnet20:width=4"), build.objective("cifar-resnet20:width=3")])
    blurred = build.objective("cifar-resnet20:width=4,kernel=1-2-1")
    blurred.forward.buffers[next(k for k in blurred.forward.buffers if k.endswith("filter"))].mul_(2)
    with pytest.raises(LandscapeError, match=r"different constants in .*filter"):
        require_alike([build.objective("cifar-resnet20:width=4,kernel=1-2-1"), blurred])
