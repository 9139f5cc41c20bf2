"""The calibration error without its bias: calibrated predictions, real gaps, intervals that hold."""

import numpy as np
import pytest
import torch

from landscape.calibration import reliability
from landscape.debiasing import debiased


def drawn(truth: float, samples: int, repetitions: int) -> list[tuple[float, float, float, float]]:
    """Plain error, debiased one and the ends of its interval, of predictors overconfident by `truth`."""
    rng, found = np.random.default_rng(0), []
    for _ in range(repetitions):
        confidence = np.clip(1 - rng.beta(0.35, 2.5, samples), 0.2, 1)
        binned = reliability(
            torch.from_numpy(confidence), torch.from_numpy(rng.random(samples) < confidence - truth)
        )
        found.append((float(binned.error()), *map(float, binned.debiased_error())))
    return found


@pytest.mark.parametrize(("truth", "most"), [(0.0, 1.0), (0.03, 0.985)])
def test_the_bias_goes_and_the_interval_covers(truth: float, most: float):
    plain, value, low, high = np.array(drawn(truth, 2000, 200)).T
    assert plain.mean() - truth > 0.003
    assert abs(value.mean() - truth) < 0.0035
    assert 0.91 <= np.mean((low <= truth) & (truth <= high)) <= most


def test_large_gaps_are_left_alone():
    value, low, high = debiased(np.array([1000.0, 3000.0]), np.array([0.4, 0.9]), np.array([0.2, 0.7]))
    assert float(value) == pytest.approx(0.2, abs=1e-6)
    assert low < 0.2 < high


def test_empty_bins_weigh_nothing_and_no_prediction_is_no_number():
    some = debiased(np.array([50.0, 0.0]), np.array([0.8, np.nan]), np.array([0.9, np.nan]))
    alone = debiased(np.array([50.0]), np.array([0.8]), np.array([0.9]))
    np.testing.assert_allclose(some, alone, rtol=1e-6)
    assert np.isnan(debiased(np.zeros(2), np.zeros(2), np.zeros(2))[0])
    unknown = reliability(torch.tensor([0.5, torch.nan], dtype=torch.float64), torch.tensor([True, False]))
    assert np.isnan(unknown.debiased_error()[:2]).all()
