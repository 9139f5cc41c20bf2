"""Statistics of feature maps against analytic spectra and the authors' formulas, written plainly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.features.statistics import (
    MapStatistics,
    Running,
    frequencies,
    log_amplitude,
    spatial_variance,
)

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


@pytest.mark.parametrize("size", [2, 3, 5, 8, 9, 16])
def test_log_amplitude_is_the_papers_half_diagonal(size: int):
    z = maps(3, 4, size, size)
    found = log_amplitude(z).mean(0).numpy()
    np.testing.assert_allclose(found, paper_spectrum(z.numpy()), rtol=0, atol=1e-12)
    assert len(frequencies(size)) == len(found)


@pytest.mark.parametrize("k", [0, 1, 3, 7])
def test_a_sine_wave_has_one_line_at_its_own_frequency(k: int):
    size = 16
    y, x = torch.meshgrid(*[torch.arange(size, dtype=torch.float64)] * 2, indexing="ij")
    wave = torch.cos(2 * math.pi * k * (y + x) / size)[None, None]
    spectrum = log_amplitude(wave)[0].numpy()
    expected = np.full(size // 2, math.log(1e-6))
    expected[k] = math.log(size**2 / (1 if k == 0 else 2) + 1e-6)
    np.testing.assert_allclose(spectrum, expected, atol=1e-6)
    assert frequencies(size)[k] == 2 * k / size


def test_white_noise_is_flat_but_for_the_constant():
    """|F|² is exponential away from zero frequency and χ² with one degree of freedom at it."""
    size, count = 8, 40_000
    statistics = MapStatistics()
    statistics.add(maps(count, 1, size, size))
    level = 0.5 * (math.log(size**2) - EULER)
    error = statistics.log_amplitude.standard_error
    assert np.all(np.abs(statistics.log_amplitude.mean[1:] - level) < 5 * error[1:])
    delta, error = statistics.delta.mean[1:], statistics.delta.standard_error[1:]
    assert np.all(np.abs(delta - 0.5 * math.log(2)) < 5 * error)


def test_frequencies_are_exact():
    np.testing.assert_array_equal(frequencies(8), [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(frequencies(33)[-1], 1 - 1 / 33, rtol=1e-15)
    assert frequencies(32)[-1] == 1 - 2 / 32


def test_spatial_variance_against_numpy():
    z = maps(5, 3, 4, 6) * 7 + 1000
    expected = z.numpy().reshape(5, 3, 24).var(axis=2, ddof=1).mean(1)
    np.testing.assert_allclose(spatial_variance(z), expected, rtol=1e-10)


def test_single_precision_maps_are_summed_in_double():
    z = maps(4, 2, 8, 8).float() + 1000
    np.testing.assert_allclose(spatial_variance(z), spatial_variance(z.double()), rtol=0, atol=0)


def test_one_pixel_has_no_variance(recwarn: pytest.WarningsRecorder):
    assert spatial_variance(maps(3, 2, 1, 1)).isnan().all()
    assert not recwarn.list


def test_maps_that_are_not_square_are_refused():
    with pytest.raises(LandscapeError, match=r"4×6.*square"):
        log_amplitude(maps(1, 1, 4, 6))


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
    whole, pieces = MapStatistics(), MapStatistics()
    whole.add(z)
    monkeypatch.setattr("landscape.features.statistics._CHUNK", 300)
    pieces.add(z)
    np.testing.assert_allclose(pieces.delta.mean, whole.delta.mean, rtol=0, atol=1e-13)
    np.testing.assert_allclose(pieces.variance.standard_error, whole.variance.standard_error, rtol=1e-12)


def test_maps_that_change_shape_are_refused():
    statistics = MapStatistics()
    statistics.add(maps(2, 3, 8, 8))
    with pytest.raises(LandscapeError, match=r"\(3, 8, 8\) to \(3, 4, 4\)"):
        statistics.add(maps(2, 3, 4, 4))


def test_what_is_not_finite_stays_visible():
    z = maps(4, 2, 8, 8)
    z[1, 0, 0, 0] = math.nan
    statistics = MapStatistics()
    statistics.add(z)
    assert np.isnan(statistics.variance.mean)
    assert np.isnan(statistics.log_amplitude.mean).all()
