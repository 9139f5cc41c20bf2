"""Passes for whoever looks at layers: folded where nobody can see it, nothing kept."""

import pytest
import torch
from torch import Tensor, nn

from landscape.features import capture, measure
from landscape.features.capture import micro_batches, runs
from landscape.objective import Objective
from tests.build import objective, zoo
from tests.cases import randomised
from tests.references import LiveMemory


class Straddled(nn.Module):
    """A container ends between a convolution and its BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        self.linear = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.second(self.norm(self.first(x))).mean((2, 3)))


def as_written(objective: Objective, name: str) -> Tensor:
    """The layer's output when the module is simply called."""
    seen: list[Tensor] = []
    layer = objective.network.module.get_submodule(name)
    handle = layer.register_forward_hook(lambda _m, _a, out: seen.append(out.clone()))
    with torch.no_grad():
        objective.network.module(objective.samples.inputs)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("name", ["first", "first.2", "norm", "second", "second.0", "second.1"])
def test_folding_is_never_seen(name: str):
    given = objective(randomised(Straddled()).eval(), count=5, classes=1)
    seen: dict[str, Tensor] = {}
    (run,) = runs(given)
    for start, inputs in micro_batches(given):
        with capture(given.network.module, [name], seen.__setitem__):
            run(start, inputs)
    torch.testing.assert_close(seen[name], as_written(given, name))


def test_what_can_be_folded_is_folded():
    """BatchNorm runs as part of its convolution where only the block is looked at, from the first pass on."""
    given = objective(zoo(seed=0), micro_batch=2)
    norm = given.network.module.get_submodule("layer1.0.bn1")
    together: list[bool] = []
    (run,) = runs(given)
    with capture(given.network.module, ["layer1.0"], lambda *_: together.append("forward" in vars(norm))):
        for start, inputs in micro_batches(given):
            run(start, inputs)
    assert together == [True] * 3


def test_nothing_is_folded_while_somebody_else_looks():
    given = objective(zoo(seed=0))
    given.value()
    seen: list[Tensor] = []
    handle = given.network.module.get_submodule("conv1").register_forward_hook(
        lambda _m, _a, out: seen.append(out.clone())
    )
    measure(given, "layer1.0")
    handle.remove()
    torch.testing.assert_close(seen[-1], as_written(given, "conv1"))


def test_no_inputs_are_kept():
    given = objective(zoo(seed=0), count=12, micro_batch=4)
    measure(given)
    memory = LiveMemory()
    with memory:
        result = measure(given)
    assert result.sizes["layer"] == 10
    assert memory.bytes() < 12 * 3 * 8 * 8 * 8 / 4  # of the inputs in float64
