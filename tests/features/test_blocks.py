"""Blocks of networks that nobody registered: written here as others write them."""

import pytest
import torch
from torch import Tensor, nn

from landscape.features import capture, find_layers, measure
from landscape.objective import Objective

Found = list[tuple[str, str, int]]


def found(module: nn.Module, patterns: str | None = None) -> Found:
    return [(layer.name, layer.kind, layer.stage) for layer in find_layers(module, patterns)]


def measured(module: nn.Module, size: int = 16, **options) -> list[tuple[str, int]]:
    """Names and sizes of the maps, in the order of execution."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(4, 3, size, size, generator=generator)
    result = measure(Objective(module.eval(), (inputs, torch.zeros(4, dtype=torch.int64)), **options))
    return [
        (str(name), int(height))
        for name, height in zip(result.layer.values, result.height.values, strict=True)
    ]


class BasicBlock(nn.Module):
    """As in torchvision: one activation for both places, a shortcut run last."""

    def __init__(self, inplanes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride > 1 or inplanes != planes:
            conv = nn.Conv2d(inplanes, planes, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class TorchvisionStyle(nn.Module):
    """Stem, two stages, head; one block a stage is enough to be recognised when there are two stages."""

    def __init__(self, blocks: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(*[BasicBlock(4, 4, 1) for _ in range(blocks)])
        self.layer2 = nn.Sequential(BasicBlock(4, 8, 2), *[BasicBlock(8, 8, 1) for _ in range(blocks - 1)])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.conv1(x)))
        return self.fc(self.avgpool(self.layer2(self.layer1(x))).flatten(1))


def test_residual_blocks_of_a_torchvision_network():
    module = TorchvisionStyle()
    assert found(module) == [
        ("maxpool", "stem", 0),
        ("layer1.0", "block", 1),
        ("layer1.1", "block", 1),
        ("layer2.0", "block", 2),
        ("layer2.1", "block", 2),
    ]
    assert measured(module) == [
        ("maxpool", 8),
        ("layer1.0", 8),
        ("layer1.1", 8),
        ("layer2.0", 4),
        ("layer2.1", 4),
    ]


def test_stages_of_one_block_each():
    assert found(TorchvisionStyle(1)) == [
        ("maxpool", "stem", 0), ("layer1.0", "block", 1), ("layer2.0", "block", 2)
    ]  # fmt: skip


def test_stages_of_what_lies_within_and_around_blocks():
    names = "conv1,layer1,layer1.1.conv2,layer2,avgpool"
    assert [(name, stage) for name, _, stage in found(TorchvisionStyle(), names)] == [
        ("conv1", 0), ("layer1", 1), ("layer1.1.conv2", 1), ("layer2", 2), ("avgpool", 2)
    ]  # fmt: skip


class ConvNeXtBlock(nn.Module):
    """One convolution and two dense layers, channel last, in a branch of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.conv_dw(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class BlurPool(nn.Module):
    """A fixed blur between stages."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 2, 1, 1)


class ConvNeXtStage(nn.Module):
    """A stage is a module of its own, whose class repeats too."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.downsample = nn.Conv2d(before, width, stride, stride) if stride > 1 else nn.Identity()
        self.blocks = nn.Sequential(ConvNeXtBlock(width), ConvNeXtBlock(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class ConvNeXtStyle(nn.Module):
    """As in timm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 2, 2))
        self.stages = nn.Sequential(ConvNeXtStage(4, 4, 1), BlurPool(), ConvNeXtStage(4, 6, 2))
        self.fc = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.stages(self.stem(x)).mean((2, 3)))


def test_blocks_within_repeated_stages_and_what_lies_between():
    module = ConvNeXtStyle()
    assert found(module) == [
        ("stages.0.downsample", "stem", 0),
        ("stages.0.blocks.0", "block", 1),
        ("stages.0.blocks.1", "block", 1),
        ("stages.1", "smoothing", 1),
        ("stages.2.downsample", "subsampling", 1),
        ("stages.2.blocks.0", "block", 2),
        ("stages.2.blocks.1", "block", 2),
    ]
    assert [height for _, height in measured(module)] == [8, 8, 8, 9, 4, 4, 4]


class Attention(nn.Module):
    """As in timm: returns the tokens alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.proj((q @ k.transpose(1, 2)).softmax(-1) @ v)


class TimmBlock(nn.Module):
    """Pre-norm, with layers called after attention that are none."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn_drop = nn.Dropout(0.0)
        self.norm1, self.attn = nn.LayerNorm(width), Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn_drop(self.attn(self.norm1(x)))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches of 4×4, `extra` tokens in front."""

    def __init__(self, blocks: nn.Module, width: int = 8, extra: int = 1, first: bool = True) -> None:
        super().__init__()
        self.extra, self.first = extra, first
        self.patch_embed = nn.Conv2d(3, width, 4, 4)
        self.blocks = blocks
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([x.new_zeros(len(x), self.extra, x.shape[2]), x], 1)
        x = self.blocks(x if self.first else x.transpose(0, 1))
        return self.head(x[:, -1] if self.first else x[-1])


def timm_style(**options) -> nn.Module:
    return VisionTransformer(nn.Sequential(TimmBlock(8), TimmBlock(8)), **options)


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_attention_and_mlp_apart_and_tokens_laid_out(extra: int):
    module = timm_style(extra=extra)
    assert found(module) == [
        ("patch_embed", "stem", 0),
        ("blocks.0", "block", 1),
        ("blocks.0.attn", "attention", 1),
        ("blocks.0.mlp", "mlp", 1),
        ("blocks.1", "block", 1),
        ("blocks.1.attn", "attention", 1),
        ("blocks.1.mlp", "mlp", 1),
    ]
    parts = ("attn", "mlp", "")
    order = [f"blocks.{i}.{part}".rstrip(".") for i in (0, 1) for part in parts]
    assert measured(module) == [("patch_embed", 4), *((name, 4) for name in order)]


class Output(nn.Module):
    """As in transformers: adds what entered the block's MLP itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor, entered: Tensor) -> Tensor:
        return self.dense(x) + entered


class TransformersBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.intermediate = Attention(width), nn.Linear(width, width)
        self.output = Output(width)
        self.layernorm_before, self.layernorm_after = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(self.layernorm_before(x)) + x
        return self.output(self.intermediate(self.layernorm_after(x)).relu(), x)


def test_an_mlp_that_adds_its_input_is_no_half():
    module = VisionTransformer(nn.Sequential(TransformersBlock(8), TransformersBlock(8)))
    assert found(module) == [
        ("patch_embed", "stem", 0),
        ("blocks.0", "block", 1),
        ("blocks.0.attention", "attention", 1),
        ("blocks.1", "block", 1),
        ("blocks.1.attention", "attention", 1),
    ]


def test_tokens_stand_where_their_patches_were():
    module, inputs = timm_style(), torch.randn(2, 3, 8, 16, generator=torch.Generator().manual_seed(0))
    maps: dict[str, Tensor] = {}
    names = ["patch_embed", "blocks.0.norm1"]
    with capture(module, names, maps.__setitem__), torch.no_grad():
        module(inputs)
    expected = nn.functional.layer_norm(maps["patch_embed"].movedim(1, -1), (8,)).movedim(-1, 1)
    assert expected.shape == (2, 8, 2, 4)
    torch.testing.assert_close(maps["blocks.0.norm1"], expected)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_torchs_own_transformer_in_either_order(batch_first: bool, norm_first: bool):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first, norm_first=norm_first)
    module = VisionTransformer(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), first=batch_first)
    parts = {"": "block", ".self_attn": "attention", ".linear2": "mlp"}
    assert found(module)[1:] == [
        (f"blocks.layers.{i}{part}", kind, 1) for i in (0, 1) for part, kind in parts.items()
    ]
    assert all(height == 4 for _, height in measured(module))
    assert len(measured(module)) == 7


def test_maps_of_torchs_transformer_do_not_depend_on_the_order_of_its_dimensions():
    maps = []
    for first in (True, False):
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=first, dropout=0.0)
        module = VisionTransformer(nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), first=first)
        generator = torch.Generator().manual_seed(0)
        for parameter in module.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 4
        seen: dict[str, Tensor] = {}
        with capture(module.eval(), ["blocks.layers.0.self_attn", "blocks.layers.0"], seen.__setitem__):
            module(torch.randn(3, 3, 16, 16, generator=generator))
        maps.append(seen)
    for name, found_map in maps[0].items():
        torch.testing.assert_close(maps[1][name], found_map)
        assert found_map.shape == (3, 8, 4, 4)


class ChannelLast(nn.Module):
    """Gives maps with the channel last."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


def test_channels_last_are_turned():
    module, seen = nn.Sequential(ChannelLast(), nn.Flatten()), []
    with capture(module, ["0"], lambda _, maps: seen.append(maps)):
        module(inputs := torch.arange(2 * 3 * 16.0).view(2, 3, 4, 4))
    assert torch.equal(seen[0], inputs)


def test_what_a_layer_reads():
    module, seen = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(inplace=True)), {}
    inputs = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    with (
        torch.no_grad(),
        capture(module, ["0", "1"], lambda n, z: seen.__setitem__(n, z.clone()), inputs=True),
    ):
        module(inputs)
    assert torch.equal(seen["0"], inputs)
    assert (seen["1"] < 0).any()  # before it is overwritten
    assert not any(part._forward_pre_hooks for part in module.modules())
