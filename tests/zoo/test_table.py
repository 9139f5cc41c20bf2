"""The table of layers: what each holds and gives, and where nothing can be said of outputs."""

import pytest
import torch
from torch import nn

from landscape.network import Network
from landscape.zoo.table import latex, layer_table, text


def network(**fields):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 49, 5))
    return Network(module, **fields)


def test_layers_with_weights_and_those_that_change_sizes_are_listed():
    rows, size, reason = layer_table(network(), (3, 16, 16))
    assert [(row.name, row.kind, row.weight, row.parameters, row.output) for row in rows] == [
        ("0", "Conv2d", (4, 3, 3, 3), 112, (4, 14, 14)),
        ("2", "MaxPool2d", (), 0, (4, 7, 7)),
        ("3", "Flatten", (), 0, (196,)),
        ("4", "Linear", (5, 196), 985, (5,)),
    ]
    assert (size, reason) == ((3, 16, 16), "")


def test_the_networks_own_input_size_comes_first():
    assert layer_table(network(input_size=(3, 16, 16)))[1] == (3, 16, 16)


def test_a_network_that_does_not_run_is_listed_without_outputs():
    rows, size, reason = layer_table(network())
    assert size == ()
    assert reason.startswith("the network does not run on one image of 3×32×32 (mat1 and mat2 shapes")
    assert rows[-1].output == ()


def test_shared_weights_are_counted_once_and_nothing_is_changed():
    one = nn.Linear(4, 4)
    module = nn.Sequential(one, nn.ReLU(), one, nn.Linear(4, 4, bias=False))
    module[3].weight = one.weight
    module.train()
    rows, size, _ = layer_table(Network(module))
    assert [row.parameters for row in rows] == [20, 0]
    assert size == (4,)
    assert module.training
    assert not any(part._forward_hooks for part in module.modules())


@pytest.mark.parametrize("width", [1, 12])
def test_columns_are_aligned_and_latex_is_escaped(width):
    module = nn.Sequential()
    module.add_module("a_b%" * width, nn.Linear(2, 3))
    rows, _, _ = layer_table(Network(module))
    lines = text(rows)
    assert len({line.index(word) for line, word in zip(lines, ("kind", "Linear"), strict=True)}) == 1
    assert r"a\_b\%" in "".join(latex(rows, "of a network"))
    assert latex(rows, "x")[-3] == r"total & & & 9 & \\"


def test_double_precision_is_run_in_double_precision():
    assert layer_table(Network(nn.Linear(3, 2).double()))[0][0].output == (2,)
    assert torch.get_default_dtype() == torch.float32
