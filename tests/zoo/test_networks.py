"""Every composition builds and runs; the published ones have their published sizes, maps and keys."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from landscape.dropout import dropout_layers
from landscape.zoo import ModelConfig, Smoothing, build, parse
from landscape.zoo.blocks import PreactivationBlock, ResidualBlock


def count(spec: str) -> int:
    return sum(parameter.numel() for parameter in build(parse(spec)).parameters())


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
    ],
)
def test_published_parameter_counts(spec: str, parameters: int):
    assert count(spec) == parameters


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
