"""Statistics of feature maps against analytic spectra and the authors' formulas, written plainly."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.features.fourier import (
    frequencies,
    half_diagonal,
    log_amplitudes,
    radial_average,
    radial_frequencies,
)
from landscape.features.statistics import SPECTRA, LayerStatistics, Running
from landscape.features.variance import DrawVariance, SampleVariance, centred, spatial_deviation

EULER = 0.5772156649015329


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def paper_spectrum(z: np.ndarray) -> np.ndarray:
    """The authors' formula, map by map: log, shift, diagonal, its second half, mean of logs."""
    size = z.shape[-1]
    rows = []
    for image in z.reshape(-1, size, size):
        f = np.log(np.abs(np.fft.fft2(image)) + 1e-6)
        rows.append(np.diagonal(np.roll(f, (size // 2, size // 2), (0, 1)))[size // 2 :])
    return np.mean(rows, 0)


def diagonal(z: torch.Tensor) -> torch.Tensor:
    return half_diagonal(log_amplitudes(centred(z)))


def looked_at(z: torch.Tensor, batch: int = 10**9) -> LayerStatistics:
    statistics = LayerStatistics(len(z))
    for part in z.split(batch):
        statistics.look(part)
        statistics.finish()
    return statistics


def paper_rings(z: np.ndarray) -> np.ndarray:
    """Mean of the log amplitudes whose distance from zero frequency rounds to 0, 1, 2, …"""
    size = z.shape[-1]
    f = np.fft.fftshift(np.log(np.abs(np.fft.fft2(z)) + 1e-6), (-2, -1)).mean((0, 1))
    k = np.arange(size) - size // 2
    ring = np.rint(np.sqrt(k[:, None] ** 2 + k**2))
    return np.array([f[ring == r].mean() for r in range(int(ring.max()) + 1)])


@pytest.mark.parametrize("size", [2, 3, 5, 8, 9, 16])
def test_log_amplitude_is_the_papers_half_diagonal(size: int):
    z = maps(3, 4, size, size)
    found = diagonal(z).mean(0).numpy()
    np.testing.assert_allclose(found, paper_spectrum(z.numpy()), rtol=0, atol=1e-12)
    assert len(frequencies(size)) == len(found)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9])
def test_rings_hold_all_directions(size: int):
    z = maps(3, 4, size, size)
    found = radial_average(log_amplitudes(centred(z))).mean(0).numpy()
    np.testing.assert_allclose(found, paper_rings(z.numpy()), rtol=0, atol=1e-12)
    np.testing.assert_allclose(radial_frequencies(size), 2 * np.arange(len(found)) / size)


def wave(k: int, size: int = 16) -> torch.Tensor:
    y, x = torch.meshgrid(*[torch.arange(size, dtype=torch.float64)] * 2, indexing="ij")
    return torch.cos(2 * math.pi * k * (y + x) / size)[None, None]


@pytest.mark.parametrize("k", [0, 1, 3, 7])
def test_a_sine_wave_has_one_line_at_its_own_frequency(k: int):
    size = 16
    spectrum = diagonal(wave(k))[0].numpy()
    expected = np.full(size // 2, math.log(1e-6))
    expected[k] = math.log(size**2 / (1 if k == 0 else 2) + 1e-6)
    np.testing.assert_allclose(spectrum, expected, atol=1e-6)


def test_white_noise_is_flat_but_for_the_constant():
    """|F|² is exponential away from zero frequency and χ² with one degree of freedom at it."""
    size, count = 8, 40_000
    found = looked_at(maps(count, 1, size, size), 10_000)

    def spectrum(name: str) -> tuple[np.ndarray, np.ndarray]:
        return found.mean(name)[1:], found.standard_error(name)[1:]

    level = 0.5 * (math.log(size**2) - EULER)
    mean, error = spectrum("log_amplitude")
    assert np.all(np.abs(mean - level) < 5 * error)
    mean, error = spectrum("delta_log_amplitude")
    assert np.all(np.abs(mean - 0.5 * math.log(2)) < 5 * error)
    # Three more frequencies are real, those with −4 for a wave number: (0, −4), (−4, 0) and (−4, −4).
    distance = np.hypot(*np.meshgrid(np.arange(-4, 4), np.arange(-4, 4)))
    real = {4: 2 / np.sum(np.rint(distance) == 4), 6: 1.0}
    mean, error = spectrum("radial_log_amplitude")
    expected = [level - real.get(ring, 0) * math.log(2) / 2 for ring in range(1, len(mean) + 1)]
    assert np.all(np.abs(mean - expected) < 5 * error)


def blurred(size: int) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(maps(20, 3, size - 1, size - 1).float().relu(), 2, 1, 1)


@pytest.mark.parametrize("z", [blurred(8) + 3, blurred(17), blurred(18), wave(3).float()])
def test_single_precision_is_good_to_four_digits_even_where_hardly_anything_is_left(z: torch.Tensor):
    size = z.shape[-1]
    exact = np.log(np.abs(np.fft.fft2(z.double().numpy())) + 1e-6).mean((0, 1))[:, : size // 2 + 1]
    found = log_amplitudes(centred(z)).mean(0).numpy()
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-4)


def test_frequencies_are_exact():
    np.testing.assert_array_equal(frequencies(8), [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(frequencies(33)[-1], 1 - 1 / 33, rtol=1e-15)
    assert frequencies(32)[-1] == 1 - 2 / 32


def test_spatial_deviation_against_numpy():
    z = maps(5, 3, 4, 6) * 7 + 1000
    expected = z.numpy().reshape(5, 3, 24).std(axis=2, ddof=1)
    np.testing.assert_allclose(spatial_deviation(centred(z)), expected, rtol=1e-12)


def test_single_precision_loses_nothing_to_a_large_mean():
    z = maps(4, 2, 8, 8).float() + 1000
    exact = z.double().numpy().reshape(4, 2, 64).std(axis=2, ddof=1)
    np.testing.assert_allclose(spatial_deviation(centred(z)), exact, rtol=2e-6)


def test_one_pixel_has_no_variance(recwarn: pytest.WarningsRecorder):
    assert spatial_deviation(centred(maps(3, 2, 1, 1))).isnan().all()
    assert not recwarn.list


@pytest.mark.parametrize("batch", [1, 7, 50])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_variance_over_samples_is_that_of_two_passes(batch: int, layout: torch.memory_format):
    z = (maps(50, 3, 4, 4) * torch.arange(1, 4)[:, None, None] + 100).contiguous(memory_format=layout)
    found = SampleVariance(50)
    for part in z.split(batch):
        found.add(part)
    elements = z.numpy().var(0, ddof=1)
    np.testing.assert_allclose(found.value, [elements.mean(), np.sqrt(elements).mean()], rtol=1e-10)
    edges = [5 * i // 2 for i in range(21)]  # twenty groups of two and three samples
    groups = [z[i:j].numpy().var(0, ddof=1).mean() for i, j in pairwise(edges)]
    np.testing.assert_allclose([float(group[0]) for group in found.groups], groups, rtol=1e-10)


def test_the_error_of_the_variance_over_samples_is_its_spread_over_repetitions():
    variances, errors = [], []
    for seed in range(60):
        found = SampleVariance(200)
        found.add(maps(200, 1, 2, 2, seed=seed))
        variances.append(found.value[0])
        errors.append(np.std([float(group[0]) for group in found.groups], ddof=1) / math.sqrt(20))
    assert np.mean(errors) == pytest.approx(np.std(variances), rel=0.25)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_variance_over_draws_is_that_of_all_at_once(dtype: torch.dtype):
    z = (maps(5, 4, 3, 2, 2) + 10).to(dtype)
    found = DrawVariance()
    for draw in z:
        found.add(draw)
    elements = z.double().numpy().var(0, ddof=1).reshape(4, -1)
    expected = np.stack([elements.mean(1), np.sqrt(elements).mean(1)], 1)
    np.testing.assert_allclose(found.value(), expected, rtol=1e-10 if dtype == torch.float64 else 1e-5)


def test_draws_that_agree_have_no_variance_at_all():
    found = DrawVariance()
    for _ in range(3):
        found.add(maps(2, 3, 4, 4).float())
    assert (found.value() == 0).all()


@pytest.mark.parametrize(("height", "width"), [(8, 16), (24, 8), (6, 10)])
def test_a_wave_in_an_oblong_map_is_at_its_own_frequency(height: int, width: int):
    """At the same frequency π/2·k in both directions, where the shorter side has one."""
    side = min(height, width)
    i = side // 4 if height % side == width % side == 0 else 0
    y, x = (torch.arange(n, dtype=torch.float64) / side for n in (height, width))
    z = 1 + torch.cos(2 * math.pi * i * (y[:, None] + x))[None, None] if i else maps(1, 1, height, width) + 5
    diagonal = half_diagonal(log_amplitudes(centred(z)), width)[0]
    assert len(frequencies(height, width)) == len(diagonal) == (side + 1) // 2
    if i:
        assert int(diagonal[1:].argmax()) + 1 == i
        assert frequencies(height, width)[i] == 2 * i / side
        assert diagonal[i] == pytest.approx(math.log(height * width / 2), abs=1e-6)
    else:
        expected = np.log(np.abs(np.fft.fft2(z[0, 0].numpy())) + 1e-6)
        along = np.arange((side + 1) // 2) * max(height, width) / side
        low, k = np.floor(along).astype(int), np.arange((side + 1) // 2)
        below, above = (expected[k, each] if width > height else expected[each, k] for each in (low, low + 1))
        np.testing.assert_allclose(diagonal, below + (above - below) * (along - low), rtol=1e-9)


def test_rings_of_oblong_maps_are_round_in_frequency():
    logs = log_amplitudes(centred(maps(2, 2, 8, 20)))
    found, centres = radial_average(logs, 20), radial_frequencies(8, 20)
    k, m = np.meshgrid(np.fft.fftfreq(8), np.fft.fftfreq(20), indexing="ij")
    ring = np.rint(8 * np.hypot(k, m)).astype(int)
    whole = np.log(np.abs(np.fft.fft2(maps(2, 2, 8, 20).numpy())) + 1e-6).mean(1)
    np.testing.assert_allclose(centres, 2 * np.arange(ring.max() + 1) / 8)
    for i in range(ring.max() + 1):
        np.testing.assert_allclose(found[:, i], whole[:, ring == i].mean(1), rtol=1e-9)


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_running_mean_does_not_depend_on_the_batches(batch: int):
    values = maps(10, 4) + 1e6
    running = Running()
    for part in values.split(batch):
        running.add(part)
    np.testing.assert_allclose(running.mean, values.mean(0), rtol=1e-14)
    np.testing.assert_allclose(running.standard_error, values.std(0) / math.sqrt(10), rtol=1e-9)


def test_one_sample_has_no_standard_error():
    running = Running()
    running.add(maps(1, 2))
    assert np.isnan(running.standard_error).all()
    assert running.count == 1


def test_long_batches_are_split_without_a_change(monkeypatch: pytest.MonkeyPatch):
    z = maps(7, 2, 8, 8)
    whole = looked_at(z)
    monkeypatch.setattr("landscape.features.statistics._CHUNK", 300)
    pieces = looked_at(z)
    for name in ("mean", "spatial_variance", *SPECTRA):
        np.testing.assert_allclose(pieces.mean(name), whole.mean(name), rtol=1e-12, atol=1e-13)
        error = whole.standard_error(name)
        np.testing.assert_allclose(pieces.standard_error(name), error, rtol=1e-12, atol=1e-15)


def test_maps_that_change_shape_are_refused():
    statistics = LayerStatistics(4)
    statistics.look(maps(2, 3, 8, 8))
    with pytest.raises(LandscapeError, match=r"\(3, 8, 8\) to \(3, 4, 4\)"):
        statistics.look(maps(2, 3, 4, 4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_what_is_not_finite_stays_visible(dtype: torch.dtype):
    z = maps(4, 2, 8, 8).to(dtype)
    z[1, 0, 0, 0] = math.nan
    found = looked_at(z)
    assert np.isnan(found.mean("spatial_variance")).all()
    assert np.isnan(found.over_samples.value).all()
    assert np.isnan(found.mean("log_amplitude")).all()
