"""The share of power that subsampling folds back, against counts of frequencies."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape import data, family
from landscape.errors import LandscapeError
from landscape.features import aliasing
from landscape.features.aliasing import aliased_share
from landscape.objective import Objective
from tests import build
from tests.build import hooks, maps
from tests.features.test_blocks import TorchvisionStyle
from tests.layout.networks import Permute

objective = partial(build.objective, size=16, classes=1)


def paper_share(z: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """By masks over the whole spectrum, one share a sample."""
    height, width = z.shape[2:]
    power = (np.abs(np.fft.fft2(z)) ** 2).sum(1)
    power[:, 0, 0] = 0
    high = np.abs(np.fft.fftfreq(height))[:, None] > 0.5 / rows
    high = high | (np.abs(np.fft.fftfreq(width)) > 0.5 / columns)
    return power[:, high].sum(1) / power.sum((1, 2))


@pytest.mark.parametrize("factors", [(2, 2), (3, 3), (4, 4), (2, 1), (1, 3)])
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (3, 1, 9, 9), (2, 2, 12, 7)])
def test_shares_against_masks_over_the_whole_spectrum(shape: tuple[int, ...], factors: tuple[int, int]):
    z = np.random.default_rng(0).standard_normal(shape) + 5
    found = aliased_share(torch.from_numpy(z), *factors)
    np.testing.assert_allclose(found, paper_share(z, *factors), rtol=1e-12)


@pytest.mark.parametrize(("k", "share"), [(3, 0), (4, 0), (5, 1), (7, 1)])
def test_a_sine_wave_is_folded_from_the_new_nyquist_frequency_on(k: int, share: int):
    wave = torch.sin(2 * math.pi * k * torch.arange(16, dtype=torch.float64) / 16 + 0.3).expand(1, 1, 16, 16)
    assert aliased_share(wave, 2, 2).item() == pytest.approx(share, abs=1e-12)


def test_white_noise_has_the_share_of_frequencies():
    z = torch.from_numpy(np.random.default_rng(1).standard_normal((4000, 1, 8, 8)))
    found = aliased_share(z, 2, 2)
    # Of eight wave numbers a side, −2 … 2 stay: 25 of 64, of which the zero frequency does not count.
    assert abs(float(found.mean()) - 39 / 63) < 5 * float(found.std()) / 4000**0.5


def test_a_constant_map_has_no_share():
    assert aliased_share(torch.ones(1, 2, 8, 8), 2, 2).isnan().all()


def test_smoothing_in_front_of_each_subsampling_layer():
    result = aliasing(objective("cifar-resnet20:width=4,blur"))
    assert list(result.layer.values) == ["layer2.0.conv1", "layer3.0.conv1"]
    assert list(result.smoothing.values) == ["smooth1.0", "smooth2.0"]
    assert list(result.factor.values) == [2, 2]
    assert list(result.height.values) == [17, 10]


def test_shares_are_those_of_the_maps_before_and_after():
    given = objective("cifar-resnet20:width=4,blur", micro_batch=4)
    row = aliasing(given).sel(layer="layer2.0.conv1")
    around = maps(given, ["layer1.2", "smooth1.0"])
    for name, z in zip(("before", "after"), around.values(), strict=True):
        shares = paper_share(z, 2, 2)
        assert float(row[name]) == pytest.approx(shares.mean(), rel=1e-10)
        error = shares.std(ddof=1) / len(shares) ** 0.5
        assert float(row[f"{name}_standard_error"]) == pytest.approx(error, rel=1e-10)


PLACES = {
    "cifar-resnet20:width=4": [("layer2.0.conv1", ""), ("layer3.0.conv1", "")],
    "cifar-preresnet20:width=4,blur": [("layer2.0.conv1", "smooth1.0"), ("layer3.0.conv1", "smooth2.0")],
    "resnet18:width=4,stem=imagenet": [
        ("layer0.0", ""), ("layer0.3", ""), ("layer2.0.conv1", ""), ("layer3.0.conv1", "")
    ],
    "vgg11:width=4,blur,hidden=8": [(f"layer{i}.0", f"smooth{i - 1}.0") for i in (1, 2, 3, 4)],
}  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), PLACES.items())
def test_places_in_networks_of_the_zoo(spec: str, expected: list[tuple[str, str]]):
    result = aliasing(objective(spec, size=32))
    found = list(zip(result.layer.values, result.smoothing.values, strict=True))
    assert found[: len(expected)] == expected
    smoothed = result.smoothing.values != ""
    assert np.isfinite(result.before.values).tolist() == smoothed.tolist()


def test_a_shortcut_that_runs_last_is_the_same_place():
    assert list(aliasing(objective(TorchvisionStyle().eval())).layer.values) == [
        "maxpool",
        "layer2.0.conv1",
    ]


class Slicing(nn.Module):
    """Subsamples without a stride to tell."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, ::2, ::2]


def test_what_counts_as_subsampling():
    module = nn.Sequential(
        nn.Conv2d(3, 2, 5),  # crops
        nn.AvgPool2d(2, 1),
        nn.ReLU(),
        Slicing(),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.LPPool2d(2, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    result = aliasing(objective(module))
    assert list(result.layer.values) == ["3", "5"]
    assert list(result.factor.values) == [2, 3]
    assert list(result.smoothing.values) == ["1", ""]


def test_smoothing_lessens_aliasing_in_the_shipped_family():
    result = aliasing(Objective(family.load("gap-blur"), data.demo("test").take(50)))
    error = np.hypot(result.before_standard_error, result.after_standard_error)
    assert (result.before - result.after > 5 * error).all()


def test_a_network_that_never_subsamples_is_refused():
    with pytest.raises(LandscapeError, match="no layer of this network subsamples"):
        aliasing(objective(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())))


def test_no_hook_survives_an_error():
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("on purpose")

    module = nn.Sequential(nn.Conv2d(3, 2, 3, 2), Broken())
    with pytest.raises(LandscapeError, match="on purpose"):
        aliasing(objective(module))
    assert hooks(module) == 0


class BlurPool(nn.Module):
    """As timm (padding as a function), antialiased-cnns (as a layer) and kornia (samples first) do it."""

    def __init__(self, style: str, channels: int = 2) -> None:
        super().__init__()
        k = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4
        self.register_buffer("filt", torch.outer(k, k)[None, None].repeat(channels, 1, 1, 1))
        self.style = style
        if style == "layer":
            self.pad = nn.ReflectionPad2d(1)

    def blurred(self, x: Tensor, stride: int = 1) -> Tensor:
        if self.style == "samples":
            flat = nn.functional.pad(x.flatten(0, 1)[:, None], (1, 1, 1, 1), "reflect")
            return nn.functional.conv2d(flat, self.filt[:1], stride=stride).view(
                *x.shape[:2], x.shape[2] // stride, x.shape[3] // stride
            )
        padded = self.pad(x) if self.style == "layer" else nn.functional.pad(x, (1, 1, 1, 1), "reflect")
        return nn.functional.conv2d(padded, self.filt, stride=stride, groups=x.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        if self.style == "sliced":
            return self.blurred(x)[:, :, ::2, ::2]
        return self.blurred(x, 2)


class Downsample(BlurPool):
    """The same by a name that does not say what it does."""


@pytest.mark.parametrize("kind", [BlurPool, Downsample])
@pytest.mark.parametrize("style", ["function", "layer", "samples", "sliced"])
def test_blur_pooling_is_judged_by_what_its_stride_drops(style: str, kind: type):
    pool = kind(style)
    module = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.ReLU(), pool, nn.Conv2d(2, 2, 3), nn.Flatten())
    module.double()
    given = objective(module)
    result = aliasing(given)
    assert list(result.layer.values) == ["2"]
    with torch.no_grad():
        entering = module[1](module[0](given.samples.inputs))
        expected = paper_share(entering.numpy(), 2, 2), paper_share(pool.blurred(entering).numpy(), 2, 2)
    for name, shares in zip(("before", "after"), expected, strict=True):
        assert result[name].item() == pytest.approx(shares.mean(), rel=1e-9)
    assert result.after.item() < result.before.item() / 2
    assert result.factor.item() == 2


def test_average_pooling_is_a_fixed_filter_and_a_learned_depthwise_convolution_is_none():
    pool = nn.AvgPool2d(2)
    depthwise = nn.Conv2d(2, 2, 3, 2, 1, groups=2)
    module = nn.Sequential(nn.Conv2d(3, 2, 1), pool, depthwise, nn.Flatten()).double()
    given = objective(module)
    result = aliasing(given)
    with torch.no_grad():
        first = module[0](given.samples.inputs)
        averaged = nn.functional.avg_pool2d(first, 2, 1)
    expected = [paper_share(z.numpy(), 2, 2).mean() for z in (averaged, pool(first).detach())]
    np.testing.assert_allclose(result.after, expected, rtol=1e-9)
    assert list(result.smoothing.values) == ["1", ""]


def test_nothing_subsamples_within_blocks_with_the_channel_last():
    module = nn.Sequential(
        nn.Conv2d(3, 12, 4, 4),
        nn.Conv2d(12, 12, 3, padding=1, groups=12),
        Permute(0, 2, 3, 1),
        nn.LayerNorm(12),
        nn.Linear(12, 48),
        nn.GELU(),
        nn.Linear(48, 12),
        Permute(0, 3, 1, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    result = aliasing(objective(module, size=64))
    assert list(result.layer.values) == ["0"]
    assert list(result.factor.values) == [4]
    assert (result.height.item(), result.width.item()) == (64, 64)


def test_a_subsampling_layer_that_runs_twice_is_listed():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.pool = nn.Conv2d(3, 3, 2, 2), nn.MaxPool2d(2)

        def forward(self, x: Tensor) -> Tensor:
            return self.pool(self.pool(self.first(x))).flatten(1)

    result = aliasing(objective(Twice()))
    assert list(result.layer.values) == ["first"]
    assert result.attrs["warnings"] == [
        "pool, which subsamples, is not measured: it runs 2 times in a forward pass"
    ]


@pytest.mark.parametrize(
    ("layer", "factors"),
    [
        (nn.Conv2d(4, 4, 3, stride=(2, 1), padding=1), (2, 1)),
        (nn.Conv2d(4, 4, 3, stride=(1, 2), padding=1), (1, 2)),
        (nn.MaxPool2d((2, 1)), (2, 1)),
        (nn.MaxPool2d((1, 2)), (1, 2)),
    ],
)
def test_each_direction_folds_by_its_own_stride(layer: nn.Module, factors: tuple[int, int]):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    given = objective(network.double(), classes=4)
    found = aliasing(given)
    assert list(found.layer.values) == ["1"]
    assert (int(found.factor_height[0]), int(found.factor_width[0])) == factors
    (z,) = maps(given, ["0"]).values()
    assert float(found.after[0]) == pytest.approx(paper_share(z, *factors).mean(), rel=1e-10)


def test_average_pooling_of_columns_alone_is_its_own_filter():
    pool = nn.AvgPool2d((1, 2))
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), pool, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    given = objective(network.double(), classes=4)
    found = aliasing(given)
    (z,) = maps(given, ["0"]).values()
    finer = nn.functional.avg_pool2d(torch.from_numpy(z), (1, 2), (1, 1)).numpy()
    assert float(found.before[0]) == pytest.approx(paper_share(z, 1, 2).mean(), rel=1e-10)
    assert float(found.after[0]) == pytest.approx(paper_share(finer, 1, 2).mean(), rel=1e-10)
