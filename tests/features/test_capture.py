"""Hooks that leave no trace, and the layers that networks offer by themselves."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.features import Layer, capture, find_layers
from tests.build import hooks, zoo

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Failing(nn.Module):
    """Two layers, the second of which raises."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.first(x)
        raise ValueError("broken on purpose")


def test_maps_arrive_in_the_order_of_execution():
    module = zoo()
    received: list[tuple[str, torch.Size]] = []
    with capture(module, ["layer2.0", "relu"], lambda name, maps: received.append((name, maps.shape))):
        module(IMAGES)
    assert received == [("relu", (2, 4, 8, 8)), ("layer2.0", (2, 8, 4, 4))]


def test_logits_are_passed_over():
    module = zoo()
    with capture(module, ["linear"], lambda name, maps: pytest.fail("not a map")):
        module(IMAGES)


def ignore(name: str, maps: Tensor) -> None:
    pass


def refuse(name: str, maps: Tensor) -> None:
    raise KeyError(name)


def test_no_hook_survives_a_normal_run():
    module = zoo()
    with capture(module, ["relu"], ignore):
        assert len(module.relu._forward_hooks) == 1
        module(IMAGES)
    assert hooks(module) == 0


@pytest.mark.parametrize(
    ("module", "layers", "callback", "error", "message"),
    [
        (zoo(), ["relu", "layer1.7"], ignore, LandscapeError, r"no layer is named 'layer1.7'.*layer1\.\d"),
        (Failing(), ["first"], ignore, ValueError, "on purpose"),
        (Failing(), ["first"], refuse, KeyError, "first"),
    ],
    ids=["a bad name", "an exception in the module", "an exception in the callback"],
)
def test_no_hook_survives(module: nn.Module, layers: list[str], callback, error: type, message: str):
    with pytest.raises(error, match=message), capture(module, layers, callback):
        module(IMAGES)
    assert hooks(module) == 0


def blocks(*counts: int) -> list[tuple[str, str, int]]:
    return [(f"layer{s}.{i}", "block", s) for s, count in enumerate(counts, 1) for i in range(count)]


LAYERS = {
    "cifar-resnet20:width=4": [("relu", "stem", 0), *blocks(3, 3, 3)],
    "cifar-preresnet20:width=4": [("conv1", "stem", 0), *blocks(3, 3, 3)],
    "resnet18:width=4": [("layer0", "stem", 0), *blocks(2, 2, 2, 2)],
    "preresnet18:width=4": [("layer0", "stem", 0), *blocks(2, 2, 2, 2)],
    "resnet50:width=4": [("layer0", "stem", 0), *blocks(3, 4, 6, 3)],
    "vgg11:width=4,hidden=8": [(f"layer{i}", "block", i + 1) for i in range(5)],
}


@pytest.mark.parametrize(("spec", "expected"), LAYERS.items())
def test_zoo_networks_offer_stem_and_blocks(spec: str, expected: list[tuple[str, str, int]]):
    assert find_layers(zoo(spec)) == [Layer(*fields) for fields in expected]


@pytest.mark.parametrize(
    ("spec", "smoothed"),
    [
        ("cifar-resnet20:width=4,blur", [("smooth1.0", 1), ("smooth2.0", 2), ("smooth3.0", 3)]),
        ("preresnet18:width=4,blur", [("smooth1.0", 1), ("smooth2.0", 2), ("smooth3.0", 3)]),
        ("resnet18:width=4,blur,stages=3", [("smooth3.0", 3)]),
        ("vgg11:width=4,hidden=8,blur", [(f"smooth{i}.0", i + 1) for i in range(5)]),
    ],
)
def test_smoothing_layers_follow_the_block_before_them(spec: str, smoothed: list[tuple[str, int]]):
    layers = find_layers(zoo(spec))
    assert [(layer.name, layer.stage) for layer in layers if layer.kind == "smoothing"] == smoothed
    for before, layer in pairwise(layers):
        if layer.kind == "smoothing":
            assert (before.kind, before.stage) == ("block", layer.stage)


def test_layers_are_found_in_the_order_of_execution():
    module = zoo("resnet18:width=4,blur")
    names = [layer.name for layer in find_layers(module)]
    received: list[str] = []
    with capture(module, names, lambda name, maps: received.append(name)):
        module(IMAGES)
    assert received == names


def test_other_networks_offer_their_children():
    module = nn.Sequential()
    module.add_module("stem", nn.Conv2d(3, 4, 3))
    module.add_module("stage1", nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()))
    module.add_module("stage2", nn.Sequential(nn.Conv2d(4, 4, 3)))
    assert find_layers(module) == [
        Layer("stem", "block", 0),
        Layer("stage1.0", "block", 1),
        Layer("stage1.1", "block", 1),
        Layer("stage2.0", "block", 2),
    ]


@pytest.mark.parametrize("patterns", ["layer2.?,conv1", ["layer2.?", "conv1"]])
def test_patterns_choose_layers_and_keep_what_is_known_of_them(patterns: str | list[str]):
    found = find_layers(zoo(), patterns)
    assert found == [Layer("conv1", "block", 0), *(Layer(f"layer2.{i}", "block", 2) for i in range(3))]


def test_a_pattern_without_a_match_is_refused():
    with pytest.raises(LandscapeError, match=r"no layer is named 'layr1\.0'.*layer1\.0"):
        find_layers(zoo(), "relu,layr1.0")


@pytest.mark.parametrize("patterns", [None, []])
def test_nothing_to_look_at_is_refused(patterns: list[str] | None):
    with pytest.raises(LandscapeError, match="no layer of Linear is chosen"):
        find_layers(nn.Linear(2, 2), patterns)
