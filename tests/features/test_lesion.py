"""Removing blocks, against networks in which the block was replaced by hand."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.features import lesion
from landscape.features.lesion import removed
from landscape.network import Network
from landscape.objective import Objective
from landscape.zoo import smoothed
from landscape.zoo.blocks import PreactivationBlock, ResidualBlock
from tests import build
from tests.build import hooks
from tests.cases import randomised


def objective(module: nn.Module, **options) -> Objective:
    return build.objective(module, count=9, **{"micro_batch": 4} | options)


def zoo(spec: str = "cifar-resnet20:width=2") -> nn.Module:
    return build.zoo(spec, seed=0)


class Skip(nn.Module):
    """A residual block whose residual branch gives nothing."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, z: Tensor) -> Tensor:
        block = self.block
        if isinstance(block, PreactivationBlock):
            empty = len(block.shortcut) == 0
            return z if empty else block.shortcut(torch.relu(block.bn1(z)))
        return torch.relu(0 + block.shortcut(z))


def replaced(module: nn.Module, name: str, by: nn.Module) -> nn.Module:
    """A copy with one submodule replaced."""
    other = copy.deepcopy(module)
    parent, _, child = name.rpartition(".")
    setattr(other.get_submodule(parent), child, by)
    return other


SAMPLES = build.images(9)


def losses(module: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """NLL of each sample and whether it is right, one at a time."""
    rows = []
    for image, target in zip(SAMPLES.inputs, SAMPLES.targets, strict=True):
        logits = module.double()(image[None])[0].detach()
        rows.append((float(logits.logsumexp(0) - logits[target]), float(logits.argmax() == target)))
    nll, correct = np.array(rows).T
    return nll, correct


SPECS = (
    "cifar-resnet20:width=2",
    "cifar-resnet20:width=2,shortcut=B",
    "cifar-preresnet20:width=2",
    "resnet50:width=1",
    "resnet18:width=2,dropout=0.3",
)


@pytest.mark.parametrize("spec", SPECS)
def test_residual_blocks_against_networks_without_the_branch(spec: str):
    module = zoo(spec)
    result = lesion(objective(module))
    blocks = [name for name, part in module.named_modules() if isinstance(part, ResidualBlock)]
    assert list(result.block.values) == blocks
    clean, right = losses(module)
    np.testing.assert_allclose(result.clean_nll, clean.mean(), rtol=1e-9)
    for name in blocks[:: max(1, len(blocks) // 4)]:
        found = result.sel(block=name)
        nll, correct = losses(replaced(module, name, Skip(module.get_submodule(name))))
        np.testing.assert_allclose(found.nll, nll.mean(), rtol=1e-8)
        np.testing.assert_allclose(found.nll_rise, (nll - clean).mean(), rtol=1e-6)
        error = (nll - clean).std(ddof=1) / 3
        np.testing.assert_allclose(found.nll_rise_standard_error, error, rtol=1e-6)
        np.testing.assert_allclose(found.accuracy_drop, (right - correct).mean(), atol=1e-12)
        error = (right - correct).std(ddof=1) / 3
        np.testing.assert_allclose(found.accuracy_drop_standard_error, error, atol=1e-12)


@pytest.mark.parametrize("spec", ["cifar-resnet20:width=2", "cifar-preresnet20:width=2"])
def test_a_branch_of_zeros_is_not_missed(spec: str):
    module = zoo(spec)
    block = module.layer2[1]
    last = block.bn2 if not block.preactivation else block.conv2
    for parameter in last.parameters():
        parameter.data.zero_()
    result = lesion(objective(module), blocks="layer2.?")
    rise = dict(zip(result.block.values, result.nll_rise.values, strict=True))
    assert rise["layer2.1"] == 0
    assert all(value != 0 for name, value in rise.items() if name != "layer2.1")


class InPlace(nn.Module):
    """Two layers that overwrite what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.conv = nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        return self.conv(self.relu(z))


def user_network() -> nn.Module:
    module = nn.Sequential()
    module.add_module("stem", nn.Sequential(nn.Conv2d(3, 4, 3)))
    module.add_module("stage", nn.Sequential(InPlace(), InPlace(), nn.Sequential(nn.Conv2d(4, 6, 3))))
    module.add_module("head", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)))
    return randomised(module).eval()


def test_other_blocks_give_back_their_input():
    module = user_network()
    result = lesion(objective(module))
    assert list(result.block.values) == ["stage.0", "stage.1"]  # the third changes the shape
    for name in result.block.values:
        nll, _ = losses(replaced(module, name, nn.Identity()))
        np.testing.assert_allclose(result.nll.sel(block=name), nll.mean(), rtol=1e-10)


class Encoder(nn.Module):
    """A transformer block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 8), nn.GELU(), nn.Linear(8, width))

    def forward(self, z: Tensor) -> Tensor:
        normed = self.norm1(z)
        z = z + self.attn(normed, normed, normed)[0]
        return z + self.mlp(self.norm2(z))


class Transformer(nn.Module):
    """Patches, two blocks, mean over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 2, stride=2)
        self.blocks = nn.Sequential(Encoder(4), Encoder(4))
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.blocks(tokens).mean(1))


class Nothing(nn.Module):
    """Zeros, as attention or MLP returns them."""

    def __init__(self, pair: bool) -> None:
        super().__init__()
        self.pair = pair

    def forward(self, z: Tensor, *_: Tensor) -> Tensor | tuple[Tensor, None]:
        return (torch.zeros_like(z), None) if self.pair else torch.zeros_like(z)


def test_transformer_blocks_and_their_halves():
    module = randomised(Transformer()).eval()
    result = lesion(objective(module))
    assert list(result.block.values) == ["blocks.0", "blocks.1"]
    halves = lesion(objective(module), blocks="blocks.0.attn,blocks.1.mlp")
    without = {
        "blocks.0": nn.Identity(),
        "blocks.1": nn.Identity(),
        "blocks.0.attn": Nothing(pair=True),
        "blocks.1.mlp": Nothing(pair=False),
    }
    for name, part in without.items():
        found = (result if name in result.block else halves).nll.sel(block=name)
        np.testing.assert_allclose(found, losses(replaced(module, name, part))[0].mean(), rtol=1e-10)


def test_vgg_loses_convolution_blocks():
    module = zoo("vgg16:width=2,head=gap")
    data = torch.zeros(2, 3, 16, 16), torch.tensor([0, 1])
    result = lesion(Objective(module, data, dtype=torch.float64))
    assert list(result.block.values) == [f"layer{s}.{i}" for s, i in ((0, 1), (1, 2), (2, 2), (2, 3))] + [
        "layer3.2", "layer3.3", "layer4.1", "layer4.2", "layer4.3"
    ]  # fmt: skip
    assert list(result.stage.values) == [1, 2, 3, 3, 4, 4, 5, 5, 5]


def test_dimensions_depth_and_attributes():
    result = lesion(objective(zoo()))
    assert result.nll.dims == ("block",)
    assert list(result.stage.values) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    np.testing.assert_allclose(result.depth, np.arange(1, 10) / 9)  # behind the stem
    assert all({"long_name", "units"} <= set(variable.attrs) for variable in result.data_vars.values())
    part = lesion(objective(zoo()), blocks=["layer3.?"])
    np.testing.assert_array_equal(part.nll, result.nll[-3:])
    np.testing.assert_array_equal(part.depth, result.depth[-3:])


@pytest.mark.parametrize("options", [{"dropout": "fixed"}, {"batch_norm": "recalibrate"}])
def test_the_intact_network_runs_in_the_protocol(options: dict):
    one = objective(zoo("cifar-resnet20:width=2,dropout=0.3"), **options)
    result = lesion(one, blocks="layer1.0")
    np.testing.assert_allclose(result.clean_nll, one.value().nll, rtol=1e-10)


def test_smoothing_put_behind_a_block_stays():
    network = Network(zoo())
    behind_stage, behind_block = (smoothed(network, place) for place in ("layer1", "layer1.2"))
    a, b = (lesion(objective(one.module), blocks="layer1.2") for one in (behind_stage, behind_block))
    np.testing.assert_allclose(a.nll, b.nll, rtol=1e-12)
    assert hooks(behind_block.module) == 1


def test_no_hook_survives():
    module = zoo()
    one = objective(module)
    before = one.value().nll
    lesion(one, blocks="layer1.0")
    assert hooks(module) == 0
    assert one.value().nll == before

    def stop(items, label, total):
        for i, item in enumerate(items):
            yield item
            if i == 1:
                raise KeyError(label)

    with pytest.raises(KeyError):
        lesion(one, progress=stop)
    assert hooks(module) == 0
    with pytest.raises(ZeroDivisionError), removed(module, None):
        raise ZeroDivisionError
    assert hooks(module) == 0


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ("stage.2", r"'stage.2' cannot be removed: it makes \(2, 6, 4, 4\) of \(2, 4, 6, 6\)"),
        ("stage.7", "no layer is named 'stage.7'"),
        ("stage.0,head", "'head' cannot be removed"),
    ],
)
def test_bad_requests(blocks: str, message: str):
    module = user_network()
    with pytest.raises(LandscapeError, match=message):
        lesion(objective(module), blocks=blocks)
    assert hooks(module) == 0


def test_a_network_without_blocks_is_refused():
    module = nn.Sequential(nn.Conv2d(3, 2, 8), nn.Flatten(), nn.Linear(2, 10))
    with pytest.raises(LandscapeError, match="Sequential offers no block"):
        lesion(objective(module))
    assert math.isfinite(lesion(objective(build.zoo("cifar-resnet20:width=2")), blocks="layer1.0").nll.item())
