"""Reliability bins and calibration errors against plain loops, torchmetrics and simulations."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from landscape.calibration import calibration_error, combined, places, reliability
from landscape.errors import LandscapeError


def drawn(shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Confidences in 0.2 … 1, right with a probability 0.1 below them."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.2, 1, shape)
    return torch.from_numpy(confidence), torch.from_numpy(rng.random(shape) < confidence - 0.1)


def test_bins_by_hand():
    confidence = torch.tensor([0.62, 0.66, 0.95, 1.0], dtype=torch.float64)
    hit = torch.tensor([True, False, True, False])
    found = reliability(confidence, hit, bins=10)
    assert found.count.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0, 2]
    assert found.hits[[6, 9]].tolist() == [1, 1]
    assert found.confidence[[6, 9]].tolist() == pytest.approx([1.28, 1.95])
    assert float(found.error()) == pytest.approx((0.28 + 0.95) / 4, abs=1e-15)
    assert float(found.signed_error()) == pytest.approx((0.28 + 0.95) / 4, abs=1e-15)


def test_the_sign_is_that_of_accuracy_minus_confidence():
    confidence = torch.full((10,), 0.95, dtype=torch.float64)
    assert float(reliability(confidence, torch.zeros(10).bool()).signed_error()) == pytest.approx(0.95)
    assert float(reliability(confidence, torch.ones(10).bool()).signed_error()) == pytest.approx(-0.05)


def test_edges_belong_to_the_bin_above():
    edges = torch.linspace(0, 1, 8, dtype=torch.float64)
    assert places(edges, bins=7).tolist() == [0, 1, 2, 3, 4, 5, 6, 6]


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_against_torchmetrics(bins: int):
    from torchmetrics.functional.classification import binary_calibration_error

    confidence, hit = drawn((3000,))
    expected = float(binary_calibration_error(confidence, hit.long(), n_bins=bins, norm="l1"))
    assert calibration_error(confidence, hit, bins=bins) == pytest.approx(expected, abs=1e-13)


def test_signed_error_is_mean_confidence_minus_accuracy():
    confidence, hit = drawn((500,))
    found = reliability(confidence, hit)
    assert float(found.signed_error()) == pytest.approx(float(confidence.mean() - hit.double().mean()))
    difference = hit.double() - confidence
    expected = float(difference.std()) / math.sqrt(500)
    assert float(found.signed_error_standard_error()) == pytest.approx(expected, rel=1e-10)


def test_parts_add_up_and_sets_stay_apart():
    confidence, hit = drawn((3, 90))
    whole = reliability(confidence, hit)
    parts = [reliability(c, h) for c, h in zip(confidence.split(37, 1), hit.split(37, 1), strict=True)]
    torch.testing.assert_close(combined(parts).error(), whole.error())
    torch.testing.assert_close(combined(parts).error_standard_error(), whole.error_standard_error())
    assert float(whole.error()[1]) == pytest.approx(calibration_error(confidence[1], hit[1]), abs=1e-15)


def test_standard_errors_are_the_spread_over_samples():
    """Over 600 sets of 400 samples; the gap of every bin is well away from zero."""
    found = reliability(*drawn((600, 400)), bins=4)
    for values, errors in (
        (found.error(), found.error_standard_error()),
        (found.signed_error(), found.signed_error_standard_error()),
    ):
        assert float(errors.mean()) == pytest.approx(float(values.std()), rel=0.12)


def test_what_is_not_known_is_not_hidden():
    confidence, hit = drawn((2, 50))
    confidence[0, 7] = math.nan
    found = reliability(confidence, hit)
    assert found.unknown.tolist() == [1, 0]
    assert found.error().isnan().tolist() == [True, False]
    assert found.error_standard_error().isnan().tolist() == [True, False]
    assert found.signed_error().isnan().tolist() == [True, False]


def test_one_sample_has_no_standard_error():
    found = reliability(torch.tensor([0.5]).double(), torch.tensor([True]))
    assert float(found.error()) == 0.5
    assert math.isnan(float(found.error_standard_error()))


def test_a_bin_is_needed():
    with pytest.raises(LandscapeError, match="at least 1 bin, got 0"):
        reliability(torch.tensor([0.5]), torch.tensor([True]), bins=0)
