"""Groups of units: those that there are are found, and what is none is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from landscape.connectivity import Copy, symmetry, verified
from landscape.connectivity.groups import Group, Symmetry
from landscape.errors import LandscapeError, NothingToMeasure
from tests import build
from tests.connectivity.networks import NETWORKS, objective, with_copy


def sizes(found: Symmetry) -> list[tuple[int, ...]]:
    return [(len(group), *(family.shape[1] for family in group.families)) for group in found.groups]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_permuted_copy_is_another_point_and_the_same_function(name):
    one, found, copy = with_copy(name)
    assert found.groups
    own = Copy.of(one)
    before, after = own.outputs(one), copy.outputs(one)
    assert float((after - before).abs().max()) < 1e-9 * float(before.abs().max())
    moved = [not torch.equal(own.parameters[k], copy.parameters[k]) for k in own.parameters]
    assert sum(moved) > 0.6 * len(moved)


def test_every_group_of_a_plain_network():
    assert sizes(symmetry(objective("sequential"))) == [(6,), (5,), (7,)]


def test_a_residual_stream_is_one_group_over_all_that_read_it():
    found = symmetry(objective("resnet20-B"))
    # Three streams of 4, 8 and 16 channels, and one hidden group in each of the nine blocks.
    assert sorted(sizes(found)) == sorted([(4,)] * 4 + [(8,)] * 4 + [(16,)] * 4)
    names = {name for name, layers in found.layers.items() for layer in layers}
    assert {"layer1.0.conv1.weight", "layer1.2.bn2.running_mean"} <= names


def test_channels_that_a_shortcut_pads_with_zeros_are_apart():
    found = sizes(symmetry(objective("resnet20")))
    # The 4 of the stem run through all stages; each later stage has as many of its own as it adds.
    assert sorted(found) == sorted([(4,)] * 4 + [(4,)] + [(8,)] * 3 + [(8,)] + [(16,)] * 3)


def test_heads_are_blocks_and_queries_move_with_keys():
    found = symmetry(objective("vit"))
    assert (3, 4, 4) in sizes(found)  # three heads; queries with keys, and values
    assert sizes(found).count((12,)) == 1  # one stream
    attention = symmetry(objective("attention"))
    assert (3, 4, 4) in sizes(attention)


def test_groups_of_a_convolution_are_blocks():
    assert sorted(sizes(symmetry(objective("grouped")))) == [(3, 4, 2), (8,)]


def test_what_a_slice_takes_stays_apart():
    # Gates follow what they gate; the four that are passed on and the four that are read again differ.
    assert sorted(sizes(symmetry(objective("split")))) == [(4,), (4,), (5,), (6,)]


def test_depthwise_weights_follow_their_channels():
    found = symmetry(objective("grouped"))
    stream = next(group for group in found.groups if len(group) == 8)
    (layer, *_) = found.layers["depthwise.weight"]
    assert set(layer.reshape(-1).tolist()) == set(stream.units.tolist())


class Sorted(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 5), nn.Linear(5, 4)

    def forward(self, x):
        return self.two(torch.linalg.qr(self.one(x.mean((2, 3))).T)[0].T[:, :1].expand(len(x), 5))


def test_an_unknown_operator_is_named():
    with pytest.raises(LandscapeError, match=r"linalg_qr.*--align"):
        symmetry(build.objective(Sorted().double(), classes=4))


def test_a_network_without_hidden_units_is_refused():
    with pytest.raises(NothingToMeasure, match="no hidden units"):
        symmetry(build.objective(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).double(), classes=4))


def test_a_group_that_is_none_is_refused():
    one = objective("sequential")
    found = symmetry(one)
    first, second = found.groups[:2]
    both = Group("0.weight", np.concatenate([first.units, second.units]))
    wrong = Symmetry((both,), found.layers, found.carriers, found.count)
    with pytest.raises(LandscapeError, match=r"0\.weight \(11 units\).*changes the outputs"):
        verified(one, wrong)
