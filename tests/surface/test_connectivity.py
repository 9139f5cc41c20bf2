"""Mode connectivity: closed forms of an analytic double well, and statistics that follow the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from landscape.errors import ArgumentError, LandscapeError
from landscape.objective import Objective
from landscape.surface.connectivity import mode_connectivity, profile, straight
from tests import build


class Well(nn.Module):
    """Logits of a loss that is a function of one weight w alone."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([at], dtype=torch.float64))

    def forward(self, x):
        return x.flatten(1) * 0 + self.w


def double_well(outputs, targets):
    """(w² − 1)² + w/4 for each sample."""
    w = outputs[:, 0]
    return (w**2 - 1) ** 2 + w / 4


def well(at: float) -> Objective:
    samples = (torch.zeros(8, 2, dtype=torch.float64), torch.arange(8) % 2)
    return Objective(Well(at), samples, loss=double_well, dtype=torch.float64)


def test_the_barrier_of_a_double_well_is_known():
    first, second = well(-1.0), well(1.0)
    way = straight(first.parameters, second.parameters)
    found = profile(first, way, 19)
    w = 2 * found.t - 1
    np.testing.assert_allclose(found.losses, ((w**2 - 1) ** 2 + w / 4)[:, None].repeat(8, 1), atol=1e-12)
    mc = mode_connectivity(found.t, found.losses)
    # ½(L(A) + L(B)) = 0 and L(γ(½)) = 1; a little before it, w < 0 lowers L by less than the well does.
    assert mc.value == pytest.approx(-max((w[1:-1] ** 2 - 1) ** 2 + w[1:-1] / 4))
    assert mc.t == pytest.approx(found.t[1:-1][np.argmax((w[1:-1] ** 2 - 1) ** 2 + w[1:-1] / 4)])


def test_a_way_below_its_ends_is_positive():
    first, second = well(-1.5), well(1.5)
    found = profile(first, straight(first.parameters, second.parameters), 5)
    w = 2 * 1.5 * found.t - 1.5
    middle = 2 * ((1.5**2 - 1) ** 2) / 2
    expected = middle - ((w**2 - 1) ** 2 + w / 4)[1:-1]
    assert mode_connectivity(found.t, found.losses).value == pytest.approx(max(expected))


def test_any_curve_may_be_the_way():
    first = well(-1.0)

    def around(t):
        return {"w": torch.full((1,), -1.0 if t < 0.5 else 1.0, dtype=torch.float64)}

    found = profile(first, around, 3)
    mc = mode_connectivity(found.t, found.losses)
    # The ends are ∓¼, their mean 0, and every point between them is one of them.
    assert (mc.value, mc.t) == (pytest.approx(0.25), 0.25)


def test_the_ends_are_the_networks_with_statistics_estimated_anew():
    first, second = (build.objective(build.zoo(seed=seed)) for seed in (0, 1))
    found = profile(first, straight(first.parameters, second.parameters), 1)
    for place, objective in ((0, first), (-1, second)):
        expected, correct = objective.replace(batch_norm="recalibrate").sample_losses()
        np.testing.assert_allclose(found.losses[place], expected.numpy(), rtol=1e-9)
        np.testing.assert_array_equal(found.wrong[place], 100.0 * ~correct.numpy())


def test_a_network_and_itself_are_connected():
    one = build.objective(build.zoo(seed=0))
    found = profile(one, straight(one.parameters, one.parameters), 2)
    mc = mode_connectivity(found.t, found.losses)
    assert abs(mc.value) < 1e-12


def test_the_interval_is_over_samples_at_the_point_of_the_value():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (5, 400)) + np.array([0, 1, 5, 1, 0])[:, None]
    found = mode_connectivity(np.linspace(0, 1, 5), values)
    below = (values[0] + values[-1]) / 2 - values[2]
    assert (found.value, found.t) == (pytest.approx(below.mean()), 0.5)
    assert found.interval.low < found.value < found.interval.high


def test_what_cannot_be_measured_is_refused():
    one, other = (
        build.objective(build.zoo(seed=0)),
        build.objective(build.zoo("cifar-resnet20:width=8", seed=0)),
    )
    with pytest.raises(LandscapeError, match="do not fit"):
        straight(one.parameters, other.parameters)
    for call in (
        lambda: profile(one, straight(one.parameters, one.parameters), 0),
        lambda: mode_connectivity(np.array([0.0, 1.0]), np.zeros((2, 3))),
    ):
        with pytest.raises(ArgumentError, match="one point between its ends or more, got 0"):
            call()

    def endless(t):
        return {name: value * float("inf") for name, value in one.parameters.items()}

    with pytest.raises(LandscapeError, match="not finite"):
        profile(one, endless, 1)
