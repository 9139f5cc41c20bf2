"""Relative flatness against autograd, gradient noise against the gradients of single samples."""

import math
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from landscape import sharpness
from landscape.errors import LandscapeError, NothingToMeasure
from landscape.hessian import Operator
from landscape.objective import Objective
from landscape.sharpness.gradient_noise import of_products
from tests.sharpness.nets import convolutional, dense, loss


@pytest.mark.parametrize("make", [convolutional, dense])
def test_relative_flatness_is_that_of_the_hessian(make):
    own = loss(make())
    name, layer = sharpness.last_layer(own)
    operator = Operator(own.replace(params=f"{name}.weight"))
    rows, columns = layer.weight.shape
    hessian = torch.stack([operator(row) for row in torch.eye(operator.size, dtype=torch.float64)])
    blocks = hessian.view(rows, columns, rows, columns)
    weight = layer.weight.detach()
    expected = sum(
        float(weight[s] @ weight[t]) * float(blocks[s, :, t].trace())
        for s in range(rows)
        for t in range(rows)
    )
    found = sharpness.relative_flatness(own)
    assert found.value == pytest.approx(expected, rel=1e-10)
    assert found.low < found.value < found.high
    assert len(found.values) == len(own.samples)


def test_relative_flatness_stays_across_relu():
    own = loss(dense())
    changed = sharpness.transformed("relu_rescale", own, factor=3.0).objective
    assert sharpness.relative_flatness(changed).value == pytest.approx(
        sharpness.relative_flatness(own).value, rel=1e-10
    )


def test_what_has_no_last_layer_or_another_loss_is_refused():
    headless = nn.Sequential(nn.Conv2d(2, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    with pytest.raises(NothingToMeasure, match="does not end in a linear layer"):
        sharpness.relative_flatness(loss(headless))
    squared = loss(dense(), loss=lambda out, target: (out.square().sum(1) - target) ** 2)
    with pytest.raises(NothingToMeasure, match="softmax cross-entropy"):
        sharpness.relative_flatness(squared)


def test_gradient_noise_is_that_of_single_samples():
    own = loss(dense(), count=40)
    rows = []
    for index in range(40):
        part = own.subset(index, index + 1)
        rows.append(torch.cat([each.flatten() for each in part.gradient().values()]))
    table = torch.stack(rows).numpy()
    trace = table.var(0, ddof=1).sum()
    square = (table.mean(0) ** 2).sum() - trace / 40
    assert square > 0
    found = sharpness.gradient_noise(own, batch_size=1)
    assert found.value == pytest.approx(trace / square, rel=1e-5)
    assert found.low < found.value < found.high
    assert found.gradients == 40


def test_the_interval_of_gradient_noise_holds():
    rng = np.random.default_rng(0)
    mean, hits = np.full(20, 0.5), 0
    for _ in range(200):
        rows = mean + rng.standard_normal((24, 20)) / np.sqrt(8)
        found = of_products(rows @ rows.T, 8)
        hits += found.low < 20 / 5 < found.high
    assert hits > 180


def test_noise_that_hides_the_gradient_is_no_number():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((12, 400))
    rows -= 0.999 * rows.mean(0)
    found = of_products(rows @ rows.T, 4)
    assert np.isnan(found.value)
    assert "not distinguishable from noise" in found.reason


def test_too_few_mini_batches_are_refused():
    with pytest.raises(LandscapeError, match=r"12 samples give 2 of 6.*smaller mini-batches"):
        sharpness.gradient_noise(loss(dense()), batch_size=6)


LAST = {
    "normalised": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)),
    "pruned": lambda: prune.l1_unstructured(nn.Linear(6, 3), "weight", 5),
    "plain": lambda: nn.Linear(6, 3),
}


@pytest.mark.parametrize("kind", LAST)
def test_relative_flatness_takes_the_weight_in_use(kind):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), LAST[kind]()).double()
    data = torch.randn(20, 4, dtype=torch.float64), torch.arange(20) % 3
    found = sharpness.relative_flatness(Objective(net, data, dtype="float64"))
    plain = nn.Sequential(*list(net.children())[:2], nn.Linear(6, 3)).double()
    with torch.no_grad():
        plain[2].weight.copy_(net[2].weight)
        plain[2].bias.copy_(net[2].bias)
    expected = sharpness.relative_flatness(Objective(plain, data, dtype="float64"))
    assert found.value == pytest.approx(expected.value, rel=1e-10)


def test_gradient_noise_of_large_networks_takes_few_mini_batches(monkeypatch):
    monkeypatch.setattr(sys.modules[of_products.__module__], "_BYTES", 64)
    objective = loss(dense())
    found = sharpness.gradient_noise(objective, batch_size=1)
    assert found.gradients == len(objective.samples)


def test_no_maximum_where_the_loss_is_no_number():
    class Rooted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.full((3, 4), 0.1))

        def forward(self, x):
            return x @ self.w.sqrt().T

    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    objective = Objective(Rooted(), (x, torch.arange(32) % 3))
    assert math.isnan(sharpness.worst(objective, radius=2.0, steps=3, batch_size=32).value)
