"""Runs that go on: with code that was edited in between they begin anew."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from landscape import Objective, analyses

X = torch.randn(24, 5, generator=torch.Generator().manual_seed(0))
OPTIONS = {"repeats": 4, "radii": [0.1]}


class Net(nn.Module):
    """As a file of the user's would define it, before and after an edit."""

    activation = staticmethod(torch.relu)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Linear(5, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.activation(self.one(x)))


def objective() -> Objective:
    return Objective(Net(), (X, torch.arange(24) % 3))


def stopping(items, *_rest):
    yield from itertools.islice(items, 2)
    raise KeyboardInterrupt


def stopped(path) -> None:
    with pytest.raises(KeyboardInterrupt):
        analyses.resumable("flatness", objective(), path, progress=stopping, **OPTIONS)


@pytest.mark.parametrize("edited", [False, True])
def test_another_function_of_the_same_weights_is_another_run(edited: bool, monkeypatch, tmp_path):
    stopped(tmp_path / "flat.zarr")
    if edited:
        monkeypatch.setattr(Net, "activation", staticmethod(torch.tanh))
    fresh = analyses.resumable("flatness", objective(), tmp_path / "fresh.zarr", **OPTIONS)
    counted = []

    def counting(items, *_rest):
        for item in items:
            counted.append(item)
            yield item

    found = analyses.resumable("flatness", objective(), tmp_path / "flat.zarr", progress=counting, **OPTIONS)
    assert found.center.equals(fresh.center)
    assert found.rise.equals(fresh.rise)
    assert len(counted) == OPTIONS["repeats"] if edited else len(counted) < OPTIONS["repeats"]
