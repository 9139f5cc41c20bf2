"""Samples that are far too large for their network are refused before anything is computed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from landscape import budget
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.samples import Samples
from landscape.soundness.footprint import largest_output
from tests import build


def samples(size: int, channels: int = 3) -> Samples:
    inputs = torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(4, channels, size, size)  # takes no memory
    return Samples(inputs, torch.zeros(4, dtype=torch.long))


def test_the_largest_tensor_is_told_without_computing_it():
    module = build.zoo("cifar-resnet20:width=4")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    objective = Objective(module, samples(4096))
    assert largest_output(objective) == 4 * 4 * 4096**2
    assert largest_output(Objective(module, samples(32))) == 4 * 4 * 32**2
    after = module.state_dict()
    assert all(after[name].device.type == "cpu" and torch.equal(after[name], before[name]) for name in before)


def test_samples_far_too_large_are_refused_at_once():
    objective = Objective(build.zoo("cifar-resnet20:width=16"), samples(4096))
    with pytest.raises(
        LandscapeError,
        match=r"takes 1,073,741,824 bytes in one layer .* up to 268,435,456 .*--max-input 64GiB",
    ):
        objective.value()


def test_more_can_be_allowed():
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return self.layer((x + 1).mean((2, 3)))

    objective = Objective(Mean(), samples(600))
    with budget.max_input(64 * 4 * 3 * 600**2 - 64), pytest.raises(LandscapeError, match="in one layer"):
        objective.value()
    with budget.max_input(64 * 4 * 3 * 600**2):
        assert objective.value().nll > 0


def test_networks_that_need_values_are_judged_by_what_was_seen():
    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 2)

        def forward(self, x):
            return self.layer(x.flatten(1)[:, :1]) if bool((x * 2).sum() > -1) else x

    objective = Objective(Looking(), samples(8))
    assert largest_output(objective) == 4 * 3 * 64
    assert objective.value().nll > 0
