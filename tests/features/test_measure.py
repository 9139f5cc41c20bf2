"""The dataset of feature statistics: a plain two-pass formula, published weights, and the protocol."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.checkpoint import load
from landscape.errors import LandscapeError
from landscape.features import measure
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import load as load_result
from landscape.results import provenance, save, stamp
from landscape.samples import Normalisation, Samples
from landscape.zoo import build, parse

IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# shared/data/README.md: ResNet-20, first 256 test images; stem after its ReLU, then each residual block.
VARIANCE = [0.11859, 0.19929, 0.34947, 0.35101, 0.31903, 0.37841, 0.38994, 0.48312, 0.45963, 1.61017]
HIGH_FREQUENCY = [-5.5248, -5.0472, -5.2637, -5.7443, -4.0837, -4.2101, -4.1907, -2.3319, -2.2024, -2.7801]


def samples(count: int = 6, size: int = 8) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.standard_normal((count, 3, size, size)))
    return inputs, torch.from_numpy(rng.integers(0, 10, count))


def objective(module: nn.Module, size: int = 8, **options) -> Objective:
    return Objective(module, samples(size=size), dtype=torch.float64, **options)


@pytest.fixture(scope="module")
def resnet20(shared_data: Path) -> Objective:
    records = np.fromfile(shared_data / "cifar-10-batches-bin" / "test_batch.bin", np.uint8, 256 * 3073)
    records = records.reshape(256, 3073)
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy())
    data = Samples(images, torch.from_numpy(records[:, 0].astype(np.int64)))
    network = load(shared_data / "pretrained" / "resnet20-12fca82f.th")
    return Objective(Network(network.module, IMAGENET), data)


def two_pass(objective: Objective, names: list[str]) -> dict[str, tuple[float, float]]:
    """Spatial variance and high-frequency value with every map kept, in NumPy float64."""
    kept: dict[str, list[np.ndarray]] = {name: [] for name in names}
    module = objective.network.module
    handles = [
        module.get_submodule(name).register_forward_hook(
            lambda _m, _a, out, name=name: kept[name].append(out.double().numpy())
        )
        for name in names
    ]
    list(objective.outputs())
    for handle in handles:
        handle.remove()
    found = {}
    for name, parts in kept.items():
        z = np.concatenate(parts)
        f = np.log(np.abs(np.fft.fft2(z)) + 1e-6)
        f = np.fft.fftshift(f, (2, 3)).mean((0, 1))
        half = np.diagonal(f)[len(f) // 2 :]
        variance = z.reshape(*z.shape[:2], -1).var(2, ddof=1).mean()
        found[name] = float(variance), float(half[-1] - half[0])
    return found


def test_published_resnet20_against_the_reference_values(resnet20: Objective):
    result = measure(resnet20)
    assert list(result.layer.values) == ["relu", *(f"layer{s}.{i}" for s in (1, 2, 3) for i in (0, 1, 2))]
    np.testing.assert_allclose(result.spatial_variance, VARIANCE, rtol=0, atol=1e-3)
    np.testing.assert_allclose(result.high_frequency, HIGH_FREQUENCY, rtol=0, atol=1e-3)


def test_published_resnet20_against_two_passes(resnet20: Objective):
    result = measure(resnet20)
    plain = two_pass(resnet20, list(result.layer.values))
    variance, high_frequency = np.array(list(plain.values())).T
    np.testing.assert_allclose(result.spatial_variance, variance, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.high_frequency, high_frequency, rtol=0, atol=1e-10)


def test_dimensions_coordinates_and_attributes():
    result = measure(objective(build(parse("cifar-resnet20:width=4,blur"))))
    assert result.spatial_variance.dims == ("layer",)
    assert result.delta_log_amplitude.dims == ("layer", "frequency")
    assert list(result.kind.values[[0, 1, 4]]) == ["stem", "block", "smoothing"]
    assert list(result.stage.values) == [0] + [1] * 4 + [2] * 4 + [3] * 4
    np.testing.assert_allclose(result.depth, np.linspace(0, 1, 13))
    smooth = result.sel(layer="smooth1.0")
    assert (int(smooth.height), int(smooth.width), int(smooth.channels)) == (9, 9, 4)
    assert all("long_name" in variable.attrs for variable in result.data_vars.values())


def test_shorter_spectra_are_padded_with_nan():
    result = measure(objective(build(parse("cifar-resnet20:width=4"))))
    last = result.sel(layer="layer3.2")  # 2×2 maps have no frequency but zero
    for name in ("frequency_pi", "log_amplitude", "delta_log_amplitude"):
        assert list(np.isfinite(last[name].values)) == [True, False, False, False]
    assert np.isnan(last.high_frequency)
    np.testing.assert_array_equal(result.frequency_pi[0], [0, 0.25, 0.5, 0.75])
    np.testing.assert_array_equal(result.delta_log_amplitude[:, 0], 0)
    np.testing.assert_array_equal(result.high_frequency[0], result.delta_log_amplitude[0, -1])


def test_maps_of_one_pixel_have_no_variance():
    result = measure(objective(build(parse("vgg11:width=4,head=gap")), size=16))
    assert int(result.height[-1]) == 1
    assert np.isnan(result.spatial_variance[-1])
    assert np.isfinite(result.spatial_variance[:-1]).all()


@pytest.mark.parametrize("micro_batch", [1, 4])
@pytest.mark.parametrize("spec", ["cifar-resnet20:width=4", "cifar-resnet20:width=4,dropout=0.3"])
def test_micro_batches_do_not_change_the_result(spec: str, micro_batch: int):
    module = build(parse(spec))
    whole = measure(objective(module, micro_batch=6, dropout="fixed"))
    parts = measure(objective(module, micro_batch=micro_batch, dropout="fixed"))
    for name, variable in whole.drop_vars("kind").data_vars.items():
        np.testing.assert_allclose(parts[name], variable, rtol=1e-12, atol=1e-12)


def test_standard_error_is_over_samples():
    module = build(parse("cifar-resnet20:width=4"))
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


class Twice(nn.Module):
    """One activation used at two places, as in torchvision's blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.dense = nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.relu(self.conv(self.relu(x))).mean((2, 3)))


def test_a_layer_that_runs_twice_is_refused():
    with pytest.raises(LandscapeError, match="'relu' gave 12 maps for 6 samples"):
        measure(objective(Twice()))


@pytest.mark.parametrize("layers", ["linear", ["relu", "linear"]])
def test_a_layer_without_a_map_is_refused(layers: str | list[str]):
    with pytest.raises(LandscapeError, match=r"no feature map.*before the head"):
        measure(objective(build(parse("cifar-resnet20:width=4"))), layers)


def test_no_hook_survives_an_error():
    module = build(parse("cifar-resnet20:width=4"))
    rectangular = torch.zeros(2, 3, 8, 12), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(LandscapeError, match="8×12"):
        measure(Objective(module, rectangular))
    assert not any(part._forward_hooks for part in module.modules())


def test_the_result_is_saved_and_read_back_without_warnings(tmp_path: Path):
    result = measure(objective(build(parse("cifar-resnet20:width=4"))))
    result = stamp(result, kind="features", network={}, protocol={}, provenance=provenance(0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(result, tmp_path / "features.zarr")
        again = load_result(tmp_path / "features.zarr")
    assert list(again.layer.values) == list(result.layer.values)
    np.testing.assert_array_equal(again.sel(layer="relu").log_amplitude, result.log_amplitude[0])


def test_progress_sees_every_micro_batch():
    seen: list[tuple[str, int]] = []

    def progress(items, label, total):
        seen.append((label, total))
        return items

    measure(objective(build(parse("cifar-resnet20:width=4")), micro_batch=4), progress=progress)
    assert seen == [("features", 2)]
