"""Prob, Blur, pooling and heads against their formulas."""

import math

import pytest
import torch
from torch import Tensor, nn

from landscape.zoo import Smoothing, parse
from landscape.zoo.layers import Blur, BoxBlur, MLPHead, Pool, Prob, Smooth, head, smooth_stage


def maps(*shape: int, scale: float = 5.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def explicit_blur(z: Tensor, kernel: tuple[int, ...]) -> Tensor:
    """Pixel by pixel: Σ K[a, b] · z[y + a − before, x + b − before], zeros outside."""
    size, before = len(kernel), len(kernel) // 2
    grow = 1 if size % 2 == 0 else 0
    height, width = z.shape[2] + grow, z.shape[3] + grow
    total = sum(kernel) ** 2
    blurred = torch.zeros(*z.shape[:2], height, width, dtype=z.dtype)
    for y in range(height):
        for x in range(width):
            for a in range(size):
                for b in range(size):
                    row, column = y + a - before, x + b - before
                    if 0 <= row < z.shape[2] and 0 <= column < z.shape[3]:
                        blurred[:, :, y, x] += kernel[a] * kernel[b] / total * z[:, :, row, column]
    return blurred


@pytest.mark.parametrize("kernel", [(1, 2, 1), (1, 4, 6, 4, 1)])
def test_odd_blurs_against_an_explicit_convolution(kernel: tuple[int, ...]):
    z = maps(2, 3, 5, 6)
    blurred = Blur(3, kernel).double()(z)
    torch.testing.assert_close(blurred, explicit_blur(z, kernel), rtol=0, atol=1e-12)


def test_the_box_is_average_pooling_that_grows_the_map():
    z = maps(2, 3, 5, 6)
    blurred = BoxBlur()(z)
    assert blurred.shape == (2, 3, 6, 7)
    torch.testing.assert_close(blurred, nn.AvgPool2d(2, stride=1, padding=1)(z))
    torch.testing.assert_close(blurred, explicit_blur(z, (1, 1)))


@pytest.mark.parametrize("kernel", [(1, 2, 1), (1, 4, 6, 4, 1)])
def test_the_blur_kernel_is_a_buffer_of_unit_sum(kernel: tuple[int, ...]):
    blur = Blur(4, kernel)
    assert list(blur.state_dict()) == ["filter"]
    assert not list(blur.parameters())
    torch.testing.assert_close(blur.filter.sum((1, 2, 3)), torch.ones(4))
    inside = blur(torch.ones(1, 4, 9, 9))[:, :, 2:-2, 2:-2]
    torch.testing.assert_close(inside, torch.ones_like(inside))
    blur.filter.zero_()
    blur.reset_parameters()
    torch.testing.assert_close(blur.filter[0, 0, 0, 0], torch.tensor(1 / sum(kernel) ** 2))


@pytest.mark.parametrize(
    ("kind", "temperature", "formula"),
    [
        ("tanh", 10.0, lambda v: max(0.0, 10 * math.tanh(v / 10))),
        ("tanh", 2.0, lambda v: max(0.0, 2 * math.tanh(v / 2))),
        ("relu6", 0.0, lambda v: min(max(v, 0.0), 6.0)),
        ("scale", 5.0, lambda v: v / 5),
        ("none", 0.0, lambda v: v),
    ],
)
def test_prob_formulas(kind: str, temperature: float, formula):
    z = torch.linspace(-30, 30, 121, dtype=torch.float64)
    expected = torch.tensor([formula(v) for v in z.tolist()], dtype=torch.float64)
    torch.testing.assert_close(Prob(kind, temperature)(z), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", [(1,), (1, 1), (1, 2, 1)])
@pytest.mark.parametrize("prob", ["tanh", "relu6", "scale", "none"])
def test_smoothing_blurs_what_prob_bounds(kernel: tuple[int, ...], prob: str):
    smoothing = Smoothing(kernel=kernel, prob=prob)
    z = maps(2, 3, 4, 4)
    bounded = Prob(prob, smoothing.temperature)(z)
    expected = bounded if kernel == (1,) else explicit_blur(bounded, kernel)
    torch.testing.assert_close(Smooth(3, smoothing).double()(z), expected, rtol=0, atol=1e-12)


def test_a_stage_without_smoothing_is_the_identity():
    config = parse("resnet18:stages=2")
    assert len(smooth_stage(config, 1, 4)) == 0
    assert isinstance(smooth_stage(config, 2, 4)[0], Smooth)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 3), (4, 4), (4, 5)])
def test_global_pooling(size: tuple[int, int]):
    z = maps(2, 3, *size)
    values = z.flatten(2)
    count = values.shape[2]
    descending = values.sort(dim=2, descending=True).values
    torch.testing.assert_close(Pool("gap")(z), values.mean(2))
    torch.testing.assert_close(Pool("max")(z), descending[:, :, 0])
    # The authors' median: the last of the n/2 largest values.
    torch.testing.assert_close(Pool("median")(z), descending[:, :, max(1, count // 2) - 1])
    torch.testing.assert_close(Pool("median")(z), values.topk(max(1, count // 2), dim=2).values.amin(2))


def test_the_mlp_heads_dropout_is_for_training_only():
    dense = MLPHead(8, parse("vgg11:hidden=5"))
    layers = [layer for layer in dense.modules() if isinstance(layer, nn.Dropout)]
    assert [layer.p for layer in layers] == [0.5, 0.5]
    assert not any(layer.mc_dropout for layer in layers)
    assert [(m.in_features, m.out_features) for m in dense.modules() if isinstance(m, nn.Linear)] == [
        (8, 5),
        (5, 5),
        (5, 10),
    ]


@pytest.mark.parametrize("kind", ["gap", "max", "median", "mlp"])
@pytest.mark.parametrize("norm", [False, True])
def test_heads_map_to_classes(kind: str, norm: bool):
    module = head(
        4, parse(f"resnet18:head={kind},hidden=6,classes=7"), norm=norm, pool=2 * (kind == "mlp")
    ).eval()
    assert module(torch.ones(2, 4, 6, 6)).shape == (2, 7)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules()) is norm
