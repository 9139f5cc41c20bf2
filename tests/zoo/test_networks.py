"""Every composition builds and runs; the published ones have their published sizes, maps and keys."""

import itertools
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from landscape.checkpoint import load
from landscape.dropout import dropout_layers
from landscape.zoo import ModelConfig, Smoothing, build, parse, skeleton
from landscape.zoo.blocks import PreactivationBlock, ResidualBlock

_MLP = [("act", "drop1", "fc2"), ("fc2", "drop2", "")]


def count(spec: str) -> int:
    return sum(parameter.numel() for parameter in skeleton(parse(spec)).parameters())


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ("cifar-resnet20", 269_722),
        ("cifar-resnet32", 464_154),
        ("cifar-resnet44", 658_586),
        ("cifar-resnet56", 853_018),
        ("cifar-resnet110", 1_727_962),
        ("resnet18", 11_173_962),
        ("resnet18:stem=imagenet,classes=1000", 11_689_512),
        ("resnet34:stem=imagenet,classes=1000", 21_797_672),
        ("resnet50:stem=imagenet,classes=1000", 25_557_032),
        ("resnet101:stem=imagenet,classes=1000", 44_549_160),
        ("resnet152:stem=imagenet,classes=1000", 60_192_808),
        ("resnext50:stem=imagenet,classes=1000", 25_028_904),
        ("resnext101:stem=imagenet,classes=1000", 88_791_336),
        ("wideresnet50:stem=imagenet,classes=1000", 68_883_240),
        ("wideresnet101:stem=imagenet,classes=1000", 126_886_696),
        ("alexnet:stem=imagenet,classes=1000", 61_100_840 - 1_152),  # without the convolutions' biases
        ("vit_ti:stem=imagenet,classes=1000", 5_717_416),
        ("vit_s:stem=imagenet,classes=1000", 22_050_664),
        ("mixer_s:stem=imagenet,classes=1000", 18_528_264),
        ("resnext50", 22_992_714),
    ],
)
def test_published_parameter_counts(spec: str, parameters: int):
    assert count(spec) == parameters


def test_gates_add_two_dense_layers_a_block_and_a_convolution():
    """Hu et al. 2018, section 3: 2·C²/16 a block; Woo et al. 2018: 7×7 weights and a BatchNorm more."""
    dense = sum(2 * 2 * channels**2 // 16 for channels in (64, 128, 256, 512))
    assert count("seresnet18") == count("resnet18") + dense
    assert count("cbamresnet18") == count("resnet18") + dense + 8 * (2 * 49 + 2)


def test_an_attention_block_has_the_parameters_of_its_parts():
    """Two BatchNorms, 1×1 convolutions to and from 64·heads channels, a bias for each step in a window."""
    blocks = 0
    for channels, heads in ((128, 6), (256, 12), (512, 24)):
        attention = channels * 64 * heads * 4 + channels + 7**2
        blocks += 4 * channels + channels**2 + attention - 2 * 9 * channels**2 - 4 * channels
    assert count("alternet18") == count("preresnet18") + blocks


@pytest.mark.parametrize(
    "spec", ["vit6:width=120,heads=4,patch=4", "alternet18:width=24,heads=1,head_dim=32"]
)
def test_networks_of_about_a_million_parameters_for_cifar(spec: str):
    assert 0.8e6 < count(spec) < 1.3e6


def test_smoothing_adds_no_parameters():
    assert count("cifar-resnet20:kernel=1-2-1") == count("cifar-resnet20:blur") == count("cifar-resnet20")


def stage_sizes(spec: str, pixels: int = 32) -> list[int]:
    """Height of the map after each stage, its smoothing included."""
    module, sizes = build(parse(spec)), []
    for name, layer in module.named_children():
        if name.startswith("smooth"):
            layer.register_forward_hook(lambda layer, args, output: sizes.append(output.shape[2]))
    module(torch.zeros(1, 3, pixels, pixels))
    return sizes


@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        ("resnet18:width=2", [32, 16, 8, 4]),
        ("resnet18:width=2,blur", [33, 18, 10, 6]),
        ("resnet50:width=2,blur", [33, 18, 10, 6]),
        ("preresnet18:width=2,blur", [33, 18, 10, 5]),
        ("resnet18:width=2,kernel=1-2-1", [32, 16, 8, 4]),
        ("resnet18:width=2,stages=3", [32, 16, 9, 5]),
        ("cifar-resnet20:width=2", [32, 16, 8]),
        ("cifar-resnet20:width=2,blur", [33, 18, 10]),
        ("vgg11:width=2,hidden=4", [32, 16, 8, 4, 2]),
        ("vgg11:width=2,hidden=4,blur", [33, 17, 9, 5, 3]),
        ("resnext50:width=2,cardinality=2,blur", [33, 18, 10, 6]),
        ("seresnet18:width=2,blur", [33, 18, 10, 5]),
        ("alternet18:width=2,heads=1,head_dim=1,blur", [33, 18, 10, 5]),
        ("alexnet:width=2,hidden=4", [16, 8, 4]),
        ("alexnet:width=2,hidden=4,blur", [17, 9, 5]),
    ],
)
def test_map_sizes(spec: str, sizes: list[int]):
    assert stage_sizes(spec) == sizes


def grid() -> list[ModelConfig]:
    smoothings = (None, Smoothing(), Smoothing((1, 2, 1), "relu6"))
    variants = itertools.product(
        [("cifar-resnet", 20), ("resnet", 18), ("resnet", 50), ("vgg", 11)],
        ["gap", "mlp", "max", "median"],
        smoothings,
        ["relu", "relu6"],
        [False, True],
    )
    return [
        ModelConfig(
            architecture=architecture,
            depth=depth,
            width=2,
            hidden=3,
            head=kind,
            smoothing=smoothing,
            activation=activation,
            preactivation=preactivation,
            dropout=0.2 if activation == "relu6" else 0.0,
            classes=5,
        )
        for (architecture, depth), kind, smoothing, activation, preactivation in variants
    ]


def image(pixels: int, samples: int = 2) -> Tensor:
    return torch.rand(samples, 3, pixels, pixels, generator=torch.Generator().manual_seed(0))


def test_every_composition_builds_and_runs():
    for config in grid():
        module = build(config)
        logits = module(image(32 if config.architecture == "vgg" else 16))
        assert logits.shape == (2, 5), config
        assert torch.isfinite(logits).all(), config
        assert not any(layer.training for layer in module.modules())
        assert ModelConfig.from_dict(config.to_dict()) == config
        assert bool(dropout_layers(module)) is (config.dropout > 0), config


@pytest.mark.parametrize("shortcut", ["A", "B", "conv"])
@pytest.mark.parametrize("spec", ["resnet18", "resnet50", "preresnet18", "preresnet50", "cifar-resnet20"])
def test_every_shortcut_runs(spec: str, shortcut: str):
    assert build(parse(f"{spec}:width=2,shortcut={shortcut}"))(image(8)).shape == (2, 10)


def test_option_a_subsamples_and_pads_with_zeros():
    block = ResidualBlock("basic", 4, 10, 2, parse("cifar-resnet20"))
    z = image(7)[:, :1].expand(2, 4, 7, 7)
    skip = block.shortcut(z)
    assert skip.shape == (2, 10, 4, 4)
    torch.testing.assert_close(skip[:, 3:7], z[:, :, ::2, ::2])
    assert torch.count_nonzero(skip[:, :3]) == torch.count_nonzero(skip[:, 7:]) == 0


def test_residual_block_by_hand():
    block = randomly(ResidualBlock("basic", 3, 3, 1, parse("cifar-resnet20:dropout=0.3")))
    z = image(5)
    inner = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(z)))))
    torch.testing.assert_close(block(z), torch.relu(inner + z))


@pytest.mark.parametrize("out", [3, 6])
def test_preactivation_block_by_hand(out: int):
    block = randomly(PreactivationBlock("basic", 3, out, 1, parse("preresnet18:dropout=0.3")))
    z = image(5)
    activated = torch.relu(block.bn1(z))
    inner = block.conv2(torch.relu(block.bn2(block.conv1(activated))))
    skip = z if out == 3 else block.shortcut(activated)
    torch.testing.assert_close(block(z), inner + skip)


def test_bottleneck_strides_in_its_middle_convolution():
    block = ResidualBlock("bottleneck", 4, 2, 2, parse("resnet50"))
    assert [block.get_submodule(f"conv{i}").stride[0] for i in (1, 2, 3)] == [1, 2, 1]
    assert [block.get_submodule(f"conv{i}").kernel_size[0] for i in (1, 2, 3)] == [1, 3, 1]


@pytest.mark.parametrize(
    ("block", "after"),
    [
        (ResidualBlock("basic", 3, 3, 1, parse("cifar-resnet20:dropout=0.3")), ["relu1", "dropout", "conv2"]),
        (ResidualBlock("bottleneck", 4, 1, 1, parse("resnet50:dropout=0.3")), ["relu2", "dropout", "conv3"]),
        (
            PreactivationBlock("basic", 3, 3, 1, parse("preresnet18:dropout=0.3")),
            ["relu2", "dropout", "conv2"],
        ),
    ],
)
def test_mc_dropout_sits_before_the_last_convolution(block: nn.Module, after: list[str]):
    order: list[str] = []
    for name, layer in block.named_children():
        layer.register_forward_hook(lambda layer, args, output, name=name: order.append(name))
    block.eval()(torch.rand(1, block.conv1.in_channels, 4, 4, generator=torch.Generator().manual_seed(0)))
    place = order.index("dropout")
    assert order[place - 1 : place + 2] == after


def randomly(module: nn.Module) -> nn.Module:
    """Weights and BatchNorm statistics from a seed, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for value in [*module.parameters(), *module.buffers()]:
        if value.is_floating_point():
            value.data = torch.rand(value.shape, generator=generator) + 0.1
    return module.eval()


def test_the_seed_decides_the_weights_and_the_global_state_is_spared():
    config = parse("resnet18:width=2,kernel=1-2-1,head=mlp,hidden=3")
    state = torch.get_rng_state()
    first, second, other = build(config, seed=1), build(config, seed=1), build(config, seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name
    assert not torch.equal(first.layer0[0].weight, other.layer0[0].weight)


def test_fresh_weights_are_he_normal_and_batchnorm_is_neutral():
    module = build(parse("cifar-resnet20:width=32,kernel=1-2-1"))
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            fan_in = layer.weight[0].numel()
            assert float(layer.weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.1), name
        if isinstance(layer, nn.BatchNorm2d):
            assert all((value == 1).all() for value in (layer.weight, layer.running_var)), name
            assert all((value == 0).all() for value in (layer.bias, layer.running_mean)), name
            assert layer.num_batches_tracked == 0
    torch.testing.assert_close(module.smooth1[0].blur.filter.sum((1, 2, 3)), torch.ones(32))
    assert all(value.device.type == "cpu" for value in module.state_dict().values())


@pytest.mark.parametrize("depth", [20, 32, 44])
def test_published_keys_load_strictly(shared_data: Path, depth: int):
    (path,) = (shared_data / "pretrained").glob(f"resnet{depth}-*.th")
    stored = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    state = {name.removeprefix("module."): value for name, value in stored.items()}
    module = build(parse(f"cifar-resnet{depth}"))
    module.load_state_dict(state, strict=True)
    assert torch.equal(module.linear.weight, state["linear.weight"])


@pytest.mark.parametrize(
    ("spec", "places"),
    [
        ("resnext50:width=2,cardinality=2", [("relu2", "dropout", "conv3")] * 16),
        ("seresnet18:width=2", [("relu1", "dropout", "conv2")] * 8),
        ("cbamresnet18:width=2", [("relu1", "dropout", "conv2")] * 8),
        ("alexnet:width=2,hidden=4", [("relu", "dropout", "")] * 5),
        ("vit2:width=4,heads=1,image=32,patch=16", [("proj", "proj_drop", "norm2"), *_MLP] * 2),
    ],
)
def test_mc_dropout_of_the_new_networks(spec: str, places: list[tuple[str, str, str]]):
    module = build(parse(f"{spec},dropout=0.3"))
    order: list[tuple[str, nn.Module]] = []
    for name, layer in module.named_modules():
        if next(layer.children(), None) is None:
            layer.register_forward_hook(lambda m, _a, _o, name=name: order.append((name.split(".")[-1], m)))
    module(image(32))
    found = [i for i, (_, layer) in enumerate(order) if isinstance(layer, nn.Dropout) and layer.p == 0.3]
    around = [(order[i - 1][0], order[i][0], order[i + 1][0]) for i in found]
    assert [
        (a, b, c if wanted[2] else "") for (a, b, c), wanted in zip(around, places, strict=True)
    ] == places


def test_an_old_checkpoint_of_the_second_paper_loads(tmp_path: Path):
    """Each convolution in a Sequential with its BatchNorm, as its ResNets are stored."""
    module = build(parse("resnet18:width=4"), seed=3)
    named = {
        re.sub(r"bn(\d)\.", r"conv\1.1.", re.sub(r"(conv\d)\.weight", r"\1.0.weight", name)): value
        for name, value in module.state_dict().items()
    }
    assert {"layer1.0.conv1.0.weight", "layer1.0.conv1.1.running_mean"} <= named.keys()
    torch.save({"name": "resnet_dnn_18", "state_dict": named}, tmp_path / "p2.pth.tar")
    for model in (None, "resnet18:width=4"):
        found = load(tmp_path / "p2.pth.tar", model).module.state_dict()
        assert all(torch.equal(found[name], value) for name, value in module.state_dict().items())
