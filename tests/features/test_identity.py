"""Known signals through an identity layer come out as they are known to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from landscape.features import measure
from landscape.objective import Objective


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
