"""Where stages end, in networks of every style."""

import pytest
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.features import find_layers
from landscape.layout import watch
from landscape.network import Network
from landscape.zoo import build, operated, parse, smoothed
from landscape.zoo.places import known_layers
from landscape.zoo.stages import stage_ends
from tests.features.test_blocks import ConvNeXtStyle, TorchvisionStyle, timm_style
from tests.layout.networks import ChannelsLast, Registers, dense_style, squeeze_style, vgg_style

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))

ENDS = [
    (TorchvisionStyle(), ["layer1", "layer2"]),
    (ConvNeXtStyle(), ["stages.0", "stages.2"]),
    (timm_style(), ["blocks"]),
    (ChannelsLast(), ["stage1", "stage2"]),
    (Registers(3), ["blocks"]),
    (squeeze_style(), ["features.2", "features.4"]),
    (vgg_style(), ["features.1", "features.4", "features.7"]),
    (dense_style(), ["denseblock1", "denseblock2"]),
]


def seen(module: nn.Module, size: int = 32) -> dict:
    with torch.no_grad():
        return watch(module.eval(), lambda: module(IMAGES[:2, :, :size, :size]))


@pytest.mark.parametrize(("module", "expected"), ENDS, ids=lambda value: type(value).__name__)
def test_the_ends_are_the_last_blocks_before_each_reduction(module: nn.Module, expected: list[str]):
    blocks = [name for name, kind in known_layers(module)[0].items() if kind == "block"]
    assert stage_ends(module, seen(module), blocks) == expected
    made = operated(Network(module), "blur3", example=IMAGES)
    assert made.surgery == f"blur3@{','.join(expected)}"
    assert not torch.allclose(made.module(IMAGES), module(IMAGES))


@pytest.mark.parametrize("spec", ["cifar-resnet20:width=2", "resnet18:width=2", "vgg11:width=2,hidden=8"])
def test_a_pass_finds_the_stages_that_the_zoo_names(spec: str):
    module = build(parse(spec))
    found = find_layers(module)
    blocks = [layer.name for layer in found if layer.kind == "block"]
    ends = stage_ends(module, seen(module), blocks)
    last = {layer.stage: layer.name.partition(".")[0] for layer in found if layer.kind == "block"}
    assert ends == list(last.values())


def test_stages_by_a_pass_and_by_how_a_network_is_written_agree():
    module = TorchvisionStyle()
    assert find_layers(module, seen=seen(module)) == find_layers(module)


def test_blocks_of_one_size_under_two_parents_are_one_stage():
    module = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 4, 3, 2, padding=1), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(1024, 5),
    )
    found = find_layers(module, seen=seen(module))
    stages = {layer.name: layer.stage for layer in found if layer.name.count(".")}
    assert stages == {"0.0": 1, "0.1": 1, "1.0": 1, "1.1": 1, "2.0": 2, "2.1": 2}


def by_hand(maps: Tensor, kernel: tuple[int, ...] = (1, 2, 1)) -> Tensor:
    """(batch, channel, height, width), blurred over the last two."""
    k = torch.tensor(kernel, dtype=maps.dtype) / sum(kernel)
    filters = torch.outer(k, k).expand(maps.shape[1], 1, -1, -1)
    return nn.functional.conv2d(maps, filters, padding=len(kernel) // 2, groups=maps.shape[1])


@torch.no_grad()
@pytest.mark.parametrize("example", [None, IMAGES])
def test_channels_last_are_blurred_over_space(example: Tensor | None):
    module = ChannelsLast().eval()
    made = operated(Network(module), "blur3@stage2", example=example)
    maps: list[Tensor] = []
    handle = module.stage2.register_forward_hook(lambda _m, _a, out: maps.append(out))
    module(IMAGES)
    handle.remove()
    expected = module.head(by_hand(maps[0].permute(0, 3, 1, 2)).mean((2, 3)))
    torch.testing.assert_close(made.module(IMAGES), expected)


@torch.no_grad()
def test_a_box_grows_maps_with_the_channel_last():
    module = ChannelsLast().eval()
    made = operated(Network(module), "blur@stage2")
    shapes: list[torch.Size] = []
    made.module.stage2.register_forward_hook(lambda _m, _a, out: shapes.append(out.shape))
    made.module(IMAGES)
    assert shapes == [torch.Size([3, 9, 9, 6])]


@torch.no_grad()
def test_tokens_are_blurred_over_space_and_others_stay():
    module = Registers(3).eval()
    made = operated(Network(module), "blur3@blocks.0", example=IMAGES)
    given, smoothed_ = [], []
    module.blocks[0].register_forward_hook(lambda _m, _a, out: given.append(out))
    made.module.blocks[1].register_forward_pre_hook(lambda _m, args: smoothed_.append(args[0]))
    module(IMAGES), made.module(IMAGES)
    assert torch.equal(smoothed_[0][:, :3], given[0][:, :3])
    maps = given[0][:, 3:].transpose(1, 2).unflatten(2, (8, 8))
    torch.testing.assert_close(smoothed_[0][:, 3:], by_hand(maps).flatten(2).transpose(1, 2))


def test_a_box_does_not_fit_tokens():
    with pytest.raises(LandscapeError, match=r"'blocks' holds its map as tokens.*choose a kernel of 3 or 5"):
        operated(Network(Registers(3)), "blur")


@pytest.mark.parametrize("place", ["classifier.1", "classifier", "classifier.2"])
def test_a_convolutional_head_is_never_smoothed(place: str):
    with pytest.raises(LandscapeError, match=r"gives the network's own scores|not a map"):
        smoothed(Network(squeeze_style()), place, kernel=3)
    assert smoothed(Network(squeeze_style()), "classifier.0", kernel=3).surgery == "blur3@classifier.0"


@pytest.mark.parametrize("kind", ["scale", "blur3"])
def test_dense_blocks_are_smoothed_behind_what_they_join(kind: str):
    module = dense_style().eval()
    made = operated(Network(module), kind, example=IMAGES)
    shapes: list[torch.Size] = []
    made.module.pool.register_forward_pre_hook(lambda _m, args: shapes.append(args[0].shape))
    made.module(IMAGES)
    assert shapes == [torch.Size([3, 8, 16, 16])]
    assert list(made.module.state_dict()) == list(module.state_dict())


class Stubborn(nn.Module):
    """Takes images of one size that nobody would guess."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 9 * 9, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).flatten(1))


def test_a_network_that_cannot_be_watched_asks_for_an_example():
    with pytest.raises(LandscapeError, match="pass an example of its images"):
        smoothed(Network(Stubborn()), "conv", kernel=3)
    example = IMAGES[:, :, :11, :11]
    assert smoothed(Network(Stubborn()), "conv", kernel=3, example=example).surgery == "blur3@conv"
    with pytest.raises(LandscapeError, match="does not run: mat1"):
        smoothed(Network(Stubborn()), "conv", kernel=3, example=IMAGES)
