"""Statistics of units along a line, put right."""

import pytest
import torch
from torch import nn

from landscape.connectivity import Copy, Path, aligned_ends, repaired, statistics_at
from landscape.connectivity.repair import repairable, spreads
from tests import build
from tests.cases import randomised


def plain(seed: int):
    layers = (nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4))
    return build.objective(
        randomised(nn.Sequential(*layers), seed), count=40, size=8, classes=4, micro_batch=40
    )


def test_repair_gives_units_the_means_and_spreads_between_those_of_the_ends():
    first, second = plain(1), plain(2)
    ends = aligned_ends(first, Copy.of(first), Copy.of(second))
    path = Path("linear", (first.parameters, second.parameters))
    theta = repaired(first, path.at(0.4), ends, 0.4)
    found = spreads(first, theta)
    assert list(found) == ["0", "2"]
    for name, own in found.items():
        for field in ("mean", "deviation"):
            a, b = (getattr(end[name], field) for end in ends)
            assert torch.allclose(getattr(own, field), 0.6 * a + 0.4 * b, atol=1e-10)
    before = spreads(first, path.at(0.4))["2"].deviation
    assert float((before < 0.95 * found["2"].deviation).double().mean()) > 0.5  # averaged units vary less


def test_ends_need_no_repair():
    first, second = plain(1), plain(2)
    ends = aligned_ends(first, Copy.of(first), Copy.of(second))
    for name, value in repaired(first, first.parameters, ends, 0.0).items():
        assert torch.allclose(value, first.parameters[name], atol=1e-10)


def test_networks_with_batch_norm_have_their_statistics():
    one = build.objective(build.zoo("cifar-resnet20:width=4", seed=1), count=20, micro_batch=20)
    assert repairable(one.network.module) == {}
    assert aligned_ends(one, Copy.of(one), Copy.of(one)) == ()
    found = statistics_at(one, one.parameters)
    # Of the first BatchNorm: the mean of what the stem gives.
    stem = build.maps(one, ["conv1"])["conv1"]
    assert found["bn1.running_mean"].numpy() == pytest.approx(stem.mean((0, 2, 3)))
    assert found["bn1.running_var"].numpy() == pytest.approx(stem.var((0, 2, 3)), rel=1e-3)
    assert statistics_at(plain(1), plain(1).parameters) == {}
