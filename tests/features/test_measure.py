"""The dataset of feature statistics: a plain two-pass formula, published weights, and the protocol."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from landscape.checkpoint import load
from landscape.errors import LandscapeError
from landscape.features import measure
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import load as load_result
from landscape.results import provenance, save, stamp
from landscape.samples import Normalisation, Samples
from tests.build import Counting, hooks, maps, objective, zoo

IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# shared/data/README.md: ResNet-20, first 256 test images; stem after its ReLU, then each residual block.
VARIANCE = [0.11859, 0.19929, 0.34947, 0.35101, 0.31903, 0.37841, 0.38994, 0.48312, 0.45963, 1.61017]
HIGH_FREQUENCY = [-5.5248, -5.0472, -5.2637, -5.7443, -4.0837, -4.2101, -4.1907, -2.3319, -2.2024, -2.7801]


@pytest.fixture(scope="module")
def test_images(shared_data: Path) -> Samples:
    records = np.fromfile(shared_data / "cifar-10-batches-bin" / "test_batch.bin", np.uint8, 256 * 3073)
    records = records.reshape(256, 3073)
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy())
    return Samples(images, torch.from_numpy(records[:, 0].astype(np.int64)))


def pretrained(shared_data: Path, depth: int, data: Samples, **options) -> Objective:
    (path,) = (shared_data / "pretrained").glob(f"resnet{depth}-*.th")
    return Objective(Network(load(path).module, IMAGENET), data, **options)


def paper(z: np.ndarray) -> dict[str, np.ndarray]:
    """PAPER.md, section 4, in two passes over maps that are all there."""
    f = np.fft.fftshift(np.log(np.abs(np.fft.fft2(z)) + 1e-6).mean((0, 1)))
    half = np.diagonal(f)[len(f) // 2 :]
    flat = z.reshape(*z.shape[:2], -1)
    over_samples = z.var(0, ddof=1)
    return {
        "mean": z.mean(),
        "spatial_variance": flat.var(2, ddof=1).mean(),
        "spatial_variance_standard_error": flat.var(2, ddof=1).mean(1).std(ddof=1) / np.sqrt(len(z)),
        "spatial_deviation": flat.std(2, ddof=1).mean(),
        "sample_variance": over_samples.mean(),
        "sample_deviation": np.sqrt(over_samples).mean(),
        "log_amplitude": half,
        "delta_log_amplitude": half - half[0],
        "high_frequency": half[-1] - half[0],
    }


def check_against_paper(objective: Objective, tolerance: float) -> None:
    result = measure(objective)
    for name, z in maps(objective, result.layer.values).items():
        for quantity, expected in paper(z.astype(np.float64)).items():
            found = result.sel(layer=name)[quantity].values
            found = found[: len(expected)] if np.ndim(expected) else found
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=f"{name} {quantity}")


@pytest.mark.parametrize("depth", [20, 32])
def test_published_networks_against_the_papers_formulas(shared_data: Path, test_images: Samples, depth: int):
    check_against_paper(pretrained(shared_data, depth, test_images.take(128)), 1e-4)


def test_published_resnet20_in_double_precision(shared_data: Path, test_images: Samples):
    check_against_paper(
        pretrained(shared_data, 20, test_images.take(32), dtype=torch.float64, micro_batch=9), 1e-10
    )


SMALL = ["cifar-resnet20:width=4", "cifar-resnet20:width=4,blur", "cifar-preresnet20:width=4,blur,prob=relu6"]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
@pytest.mark.parametrize("spec", SMALL)
def test_small_networks_against_the_papers_formulas(spec: str, dtype: torch.dtype, tolerance: float):
    check_against_paper(objective(spec, count=10, size=32, dtype=dtype, micro_batch=4), tolerance)


def test_published_resnet20_against_the_reference_values(shared_data: Path, test_images: Samples):
    result = measure(pretrained(shared_data, 20, test_images))
    assert list(result.layer.values) == ["relu", *(f"layer{s}.{i}" for s in (1, 2, 3) for i in (0, 1, 2))]
    np.testing.assert_allclose(result.spatial_variance, VARIANCE, rtol=0, atol=1e-3)
    np.testing.assert_allclose(result.high_frequency, HIGH_FREQUENCY, rtol=0, atol=1e-3)


def test_dimensions_coordinates_and_attributes():
    result = measure(objective("cifar-resnet20:width=4,blur"))
    assert result.spatial_variance.dims == ("layer",)
    assert result.delta_log_amplitude.dims == ("layer", "frequency")
    assert list(result.kind.values[[0, 1, 4]]) == ["stem", "block", "smoothing"]
    assert list(result.stage.values) == [0] + [1] * 4 + [2] * 4 + [3] * 4
    np.testing.assert_allclose(result.depth, np.linspace(0, 1, 13))
    smooth = result.sel(layer="smooth1.0")
    assert (int(smooth.height), int(smooth.width), int(smooth.channels)) == (9, 9, 4)
    assert all("long_name" in variable.attrs for variable in result.data_vars.values())


def test_shorter_spectra_are_padded_with_nan():
    result = measure(objective())
    last = result.sel(layer="layer3.2")  # 2×2 maps have no frequency but zero
    for name in ("frequency_pi", "log_amplitude", "delta_log_amplitude"):
        assert list(np.isfinite(last[name].values)) == [True, False, False, False]
    assert np.isnan(last.high_frequency)
    np.testing.assert_array_equal(result.frequency_pi[0], [0, 0.25, 0.5, 0.75])
    np.testing.assert_array_equal(result.delta_log_amplitude[:, 0], 0)
    np.testing.assert_array_equal(result.high_frequency[0], result.delta_log_amplitude[0, -1])


def test_maps_of_one_pixel_have_no_variance():
    result = measure(objective("vgg11:width=4,head=gap", size=16))
    assert int(result.height[-1]) == 1
    assert np.isnan(result.spatial_variance[-1])
    assert np.isfinite(result.spatial_variance[:-1]).all()


@pytest.mark.parametrize("micro_batch", [1, 4])
@pytest.mark.parametrize("spec", ["cifar-resnet20:width=4", "cifar-resnet20:width=4,dropout=0.3"])
def test_micro_batches_do_not_change_the_result(spec: str, micro_batch: int):
    module = zoo(spec)
    whole = measure(objective(module, micro_batch=6, dropout="fixed"))
    parts = measure(objective(module, micro_batch=micro_batch, dropout="fixed"))
    for name, variable in whole.drop_vars("kind").data_vars.items():
        np.testing.assert_allclose(parts[name], variable, rtol=1e-12, atol=1e-12, err_msg=name)


def test_standard_error_is_over_samples():
    module = zoo()
    whole = measure(objective(module), "relu")
    single = [measure(objective(module).subset(i, i + 1), "relu").spatial_variance.item() for i in range(6)]
    expected = np.std(single, ddof=1) / np.sqrt(6)
    np.testing.assert_allclose(whole.spatial_variance_standard_error, [expected], rtol=1e-10)


def test_maps_after_mc_dropout_are_those_the_network_goes_on_with():
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout(0.5), nn.Flatten(), nn.Linear(128, 10))
    off = measure(objective(module), ["0", "1"])
    fixed = measure(objective(module, dropout="fixed"), ["0", "1"])
    assert off.spatial_variance[0] == off.spatial_variance[1] == fixed.spatial_variance[0]
    assert fixed.spatial_variance[1] > fixed.spatial_variance[0]


def test_what_norms_read_is_the_stream_of_a_transformer():
    module = zoo("vit2:width=8,heads=2,patch=4,image=32", seed=1)
    one = objective(module, size=32)
    found = measure(one, ["blocks.*.norm1", "blocks.*.norm2"], inputs=True)
    expected = ["blocks.0.norm1", "blocks.0.norm2", "blocks.1.norm1", "blocks.1.norm2"]
    assert list(found.layer.values) == expected
    halves = ["blocks.0.attn", "blocks.0.mlp", "blocks.1.attn"]
    given = maps(one, ["blocks.0", *halves])
    start = given["blocks.0"] - given["blocks.0.mlp"] - given["blocks.0.attn"]
    stream = [start + sum(given[half] for half in halves[:count]) for count in range(4)]
    tokens = [each[:, 1:].transpose(0, 2, 1).reshape(6, 8, 64) for each in stream]
    variances = [each.var(axis=2, ddof=1).mean() for each in tokens]
    np.testing.assert_allclose(found.spatial_variance, variances, rtol=1e-10)
    with pytest.raises(LandscapeError, match=r"layer 'norm' reads no feature map.*followed to its input"):
        measure(one, "norm", inputs=True)  # the class token alone


class Twice(nn.Module):
    """One activation used at two places, as in torchvision's blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.dense = nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.relu(self.conv(self.relu(x))).mean((2, 3)))


def test_a_layer_that_runs_twice_is_left_out_with_a_reason():
    result = measure(objective(Twice()))
    assert list(result.layer.values) == ["conv"]
    assert result.attrs["warnings"][0] == (
        "1 of 3 layers found are not measured: relu (runs 2 times in a forward pass)"
    )
    assert result.attrs["not_measured"] == [
        "relu: runs 2 times in a forward pass",
        "dense: gives no feature map but one value a feature",
    ]
    with pytest.raises(LandscapeError, match="layer 'relu' runs 2 times in a forward pass; choose"):
        measure(objective(Twice()), "relu")


@pytest.mark.parametrize("layers", ["linear", ["relu", "linear"]])
def test_a_layer_without_a_map_is_refused(layers: str | list[str]):
    with pytest.raises(LandscapeError, match=r"no feature map.*before the head"):
        measure(objective(), layers)


def test_no_hook_survives_an_error():
    module = zoo()

    def broken(*_: object) -> None:
        raise ValueError("on purpose")

    handle = module.layer3.register_forward_hook(broken)
    with pytest.raises(LandscapeError, match="on purpose"):
        measure(objective(module))
    handle.remove()
    assert hooks(module) == 0


def test_the_result_is_saved_and_read_back_without_warnings(tmp_path: Path):
    result = measure(objective())
    result = stamp(result, kind="features", network={}, protocol={}, provenance=provenance(0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(result, tmp_path / "features.zarr")
        again = load_result(tmp_path / "features.zarr")
    assert list(again.layer.values) == list(result.layer.values)
    assert again.attrs["warnings"] == result.attrs["warnings"]
    assert again.subsampling.dtype == bool
    np.testing.assert_array_equal(again.sel(layer="relu").log_amplitude, result.log_amplitude[0])


def test_progress_sees_every_micro_batch():
    measure(objective(micro_batch=4), progress=(progress := Counting()))
    assert progress.seen == [("features", 2)]


def test_subsampling_and_small_maps_are_marked():
    result = measure(objective(size=16))
    assert list(result.layer.values[result.subsampling]) == ["layer2.0", "layer3.0"]
    assert list(result.layer.values[result.small]) == ["layer3.0", "layer3.1", "layer3.2"]
    assert result.attrs["warnings"] == [
        "3 of 10 layers have feature maps under 8×8 (layer3.0, layer3.1, layer3.2): with so few frequencies, "
        "their spectra say little about what the layer does"
    ]
    large = measure(objective(size=32))
    assert large.attrs["warnings"] == []


def test_the_error_of_a_change_is_paired():
    module = zoo("cifar-resnet20:width=4,blur")
    data = objective(module, size=16)
    result = measure(data, "layer1.2,smooth1.0")
    before, after = (z.reshape(*z.shape[:2], -1) for z in maps(data, result.layer.values).values())
    change = after.var(2, ddof=1).mean(1) - before.var(2, ddof=1).mean(1)
    found = result.spatial_variance_change_standard_error.values
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(change.std(ddof=1) / np.sqrt(len(change)), rel=1e-10)


def test_batch_norm_recalibrated_on_all_samples():
    module = zoo()
    data = objective(module, batch_norm="recalibrate", micro_batch=2)
    result = measure(data, "layer3.2")
    z = maps(data, ["layer3.2"])["layer3.2"]
    last = z[len(z) // 2 :]  # of the two passes that recalibration makes
    np.testing.assert_allclose(result.spatial_variance, [paper(last)["spatial_variance"]], rtol=1e-10)


def test_an_ensemble_is_refused():
    module = zoo("cifar-resnet20:width=4,dropout=0.3")
    with pytest.raises(LandscapeError, match=r"ensemble:3, which runs each layer several times"):
        measure(objective(module, dropout="ensemble:3"))


# Known signals


def through_identity(inputs: Tensor) -> xr.Dataset:
    module = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(inputs[0].numel(), 2))
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    return measure(Objective(module, (inputs, targets), dtype=torch.float64), "0").isel(layer=0)


def test_a_sine_wave_through_an_identity_layer():
    size, k = 16, 5
    x = torch.arange(size, dtype=torch.float64)
    wave = torch.sin(2 * np.pi * k * (x[:, None] + x) / size).expand(2, 1, size, size)
    result = through_identity(wave)
    expected = np.where(np.arange(size // 2) == k, np.log(size**2 / 2), np.log(1e-6))
    np.testing.assert_allclose(result.log_amplitude, expected, atol=1e-6)
    assert result.frequency_pi[k] == 2 * k / size
    assert float(result.spatial_variance) == pytest.approx(0.5 * size**2 / (size**2 - 1), rel=1e-12)
    assert float(result.sample_variance) == 0
    # Both points of the wave, ±(5, 5), lie in the ring of radius 7.07; no others in it have any power.
    in_ring = sum(round(np.hypot(a, b)) == 7 for a in range(-8, 8) for b in range(-8, 8))
    ring = (2 * np.log(size**2 / 2) + (in_ring - 2) * np.log(1e-6)) / in_ring
    assert float(result.radial_log_amplitude[7]) == pytest.approx(ring, abs=1e-6)
    assert float(result.radial_frequency_pi[7]) == 14 / size


def test_white_noise_through_an_identity_layer():
    """Its variances are 1 by all names; E log |F| = (log n² − γ)/2 where |F|² is exponential."""
    result = through_identity(torch.from_numpy(np.random.default_rng(0).standard_normal((2000, 3, 8, 8))))
    level = 0.5 * (np.log(64) - np.euler_gamma)
    error = result.log_amplitude_standard_error[1:]
    assert (abs(result.log_amplitude[1:] - level) < 5 * error).all()
    for name in ("spatial_variance", "sample_variance"):
        assert abs(float(result[name]) - 1) < 5 * float(result[f"{name}_standard_error"]) < 0.05
