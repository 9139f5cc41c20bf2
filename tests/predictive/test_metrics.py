"""Scores against cases computed by hand and against torchmetrics."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.predictive import metrics


def predictions(count: int = 200, classes: int = 10, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(2 * rng.standard_normal((count, classes)))
    return metrics.log_probabilities(logits), torch.from_numpy(rng.integers(0, classes, count))


def test_nll_and_brier_by_hand():
    probability = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], dtype=torch.float64)
    targets = torch.tensor([0, 2])
    log_probability = probability.log()
    torch.testing.assert_close(
        metrics.nll(log_probability, targets), torch.tensor([-math.log(0.7), -math.log(0.3)]).double()
    )
    by_hand = [0.3**2 + 0.2**2 + 0.1**2, 0.1**2 + 0.6**2 + 0.7**2]
    torch.testing.assert_close(metrics.brier(log_probability, targets), torch.tensor(by_hand).double())


def test_nll_keeps_double_precision_for_confident_predictions():
    """With a margin of 40 nats, 1 − p is below the resolution of float32 and of 1 itself."""
    log_probability = metrics.log_probabilities(torch.tensor([[40.0, 0.0]]))
    loss = float(metrics.nll(log_probability, torch.tensor([1])))
    assert loss == 40.0
    small = metrics.log_probabilities(torch.tensor([[20.0, 0.0]]))
    assert float(metrics.nll(small, torch.tensor([0]))) == pytest.approx(math.log1p(math.exp(-20)), rel=1e-6)


def test_brier_of_the_extremes():
    sure = torch.tensor([[0.0, -math.inf]])
    assert metrics.brier(sure, torch.tensor([0])).item() == 0
    assert metrics.brier(sure, torch.tensor([1])).item() == 2


def test_top_k_by_hand():
    log_probability = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]]).log()
    targets = torch.tensor([2, 3])
    assert metrics.correct(log_probability, targets).tolist() == [False, False]
    assert metrics.correct(log_probability, targets, top=2).tolist() == [True, False]
    assert metrics.correct(log_probability, targets, top=4).tolist() == [True, True]


@pytest.mark.parametrize("top", [1, 5])
def test_accuracy_against_torchmetrics(top: int):
    from torchmetrics.functional.classification import multiclass_accuracy

    log_probability, targets = predictions()
    expected = multiclass_accuracy(log_probability, targets, num_classes=10, average="micro", top_k=top)
    found = metrics.mean(metrics.correct(log_probability, targets, top=top)).value
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_calibration_error_by_hand():
    """Two bins of ten are occupied: [0.6, 0.7) with accuracy 1/2, and [0.9, 1] with accuracy 1."""
    confidence = torch.tensor([0.62, 0.66, 0.95, 1.0], dtype=torch.float64)
    hit = torch.tensor([True, False, True, True])
    expected = 0.5 * abs(0.64 - 0.5) + 0.5 * abs(0.975 - 1)
    assert metrics.calibration_error(confidence, hit) == pytest.approx(expected, abs=1e-14)


def test_calibration_error_puts_full_confidence_into_the_last_bin():
    """Over- and underconfidence in one bin cancel: accuracy 1/2 at mean confidence 0.95."""
    confidence = torch.tensor([0.9, 1.0], dtype=torch.float64)
    hit = torch.tensor([True, False])
    assert metrics.calibration_error(confidence, hit) == pytest.approx(0.45, abs=1e-14)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_against_a_loop_and_torchmetrics(bins: int):
    from torchmetrics.functional.classification import multiclass_calibration_error

    log_probability, targets = predictions(2000)
    confidence = log_probability.amax(1).exp()
    hit = metrics.correct(log_probability, targets)
    expected = 0.0
    for i in range(bins):
        inside = (confidence >= i / bins) & (confidence < (i + 1) / bins)
        if inside.any():
            gap = confidence[inside].mean() - hit[inside].double().mean()
            expected += float(inside.double().mean() * gap.abs())
    found = metrics.calibration_error(confidence, hit, bins=bins)
    assert found == pytest.approx(expected, abs=1e-13)
    single = multiclass_calibration_error(log_probability.exp(), targets, num_classes=10, n_bins=bins)
    assert found == pytest.approx(float(single), abs=1e-5)


def test_calibration_error_needs_a_bin():
    with pytest.raises(LandscapeError, match="at least 1 bin, got 0"):
        metrics.calibration_error(torch.tensor([0.5]), torch.tensor([True]), bins=0)


def test_mean_and_its_standard_error():
    values = torch.tensor([1, 2, 3, 6])
    found = metrics.mean(values)
    assert found.value == 3
    assert found.error == pytest.approx(np.std([1, 2, 3, 6], ddof=1) / 2)
    assert math.isnan(metrics.mean(values[:1]).error)


@pytest.mark.parametrize("logit", [math.nan, math.inf])
def test_predictions_that_are_not_numbers_are_never_right(logit: float):
    log_probability = metrics.log_probabilities(torch.tensor([[logit, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    targets = torch.tensor([0, 0])
    assert metrics.nll(log_probability, targets).isnan().tolist() == [True, False]
    assert metrics.correct(log_probability, targets).tolist() == [False, True]
    assert metrics.brier(log_probability, targets).isnan().tolist() == [True, False]
    confidence = log_probability.amax(1).exp()
    assert math.isnan(metrics.calibration_error(confidence, metrics.correct(log_probability, targets)))


def test_an_impossible_target_has_an_infinite_loss():
    log_probability = metrics.log_probabilities(torch.tensor([[-math.inf, 0.0]]))
    assert metrics.nll(log_probability, torch.tensor([0])).item() == math.inf


@pytest.mark.parametrize("target", [-1, 3])
def test_a_target_that_is_no_class_is_refused(target: int):
    with pytest.raises(LandscapeError, match=f"target {target} is none of the network's 3 classes"):
        metrics.nll(torch.zeros(1, 3), torch.tensor([target]))


def test_an_output_that_is_no_logits_is_refused():
    with pytest.raises(LandscapeError, match=r"shape \(2, 3, 4\), expected logits"):
        metrics.log_probabilities(torch.zeros(2, 3, 4))


def test_iou_by_hand():
    """Class 0: 1 of 3 (one missed, one taken from class 1); class 1: 1 of 2; class 2 is no target."""
    classes = torch.tensor([0, 2, 0, 1])
    targets = torch.tensor([0, 0, 1, 1])
    found = metrics.iou(classes, targets)
    assert found.value == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert metrics.iou(torch.tensor([0, 1, -1]), torch.tensor([0, 1, 1])).value == pytest.approx(0.75)


def test_iou_against_torchmetrics():
    from torchmetrics.functional.classification import multiclass_jaccard_index

    log_probability, targets = predictions(2000)
    expected = multiclass_jaccard_index(log_probability, targets, num_classes=10, average="macro")
    found = metrics.iou(metrics.predicted(log_probability), targets)
    assert found.value == pytest.approx(float(expected), abs=1e-6)


def test_shares_of_confident_predictions_by_hand():
    confidence = torch.tensor([0.95, 0.99, 0.5, 0.9, 0.92])
    hit = torch.tensor([True, False, False, False, True])
    found = metrics.confidence_shares(confidence, hit)
    assert found["freq_90"].value == pytest.approx(3 / 5)  # exactly 0.9 is not above it
    assert found["acc_90"].value == pytest.approx(2 / 3)
    assert found["unc_90"].value == pytest.approx(2 / 3)


def test_shares_of_nothing_are_undefined():
    nobody_sure = metrics.confidence_shares(torch.tensor([0.3, 0.4]), torch.tensor([True, True]))
    assert math.isnan(nobody_sure["acc_90"].value)
    assert math.isnan(nobody_sure["unc_90"].value)
    assert nobody_sure["freq_90"].value == 0
    unknown = metrics.confidence_shares(torch.tensor([0.95, math.nan]), torch.tensor([True, False]))
    assert all(math.isnan(mean.value) for mean in unknown.values())


@pytest.mark.parametrize("name", ["acc_90", "unc_90", "iou"])
def test_standard_errors_of_ratios_are_the_spread_over_samples(name: str):
    """Over 300 sets of 300 predictions that are right with a probability that grows with confidence."""
    rng = np.random.default_rng(0)
    values, errors = [], []
    for _ in range(300):
        confidence, targets = rng.uniform(0.5, 1, 300), rng.integers(0, 4, 300)
        hit = rng.random(300) < confidence - 0.1
        classes = np.where(hit, targets, (targets + rng.integers(1, 4, 300)) % 4)
        if name == "iou":
            mean = metrics.iou(torch.from_numpy(classes), torch.from_numpy(targets))
        else:
            mean = metrics.confidence_shares(torch.from_numpy(confidence), torch.from_numpy(hit))[name]
        values.append(mean.value)
        errors.append(mean.error)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.15)


def test_a_prediction_that_is_not_a_number_is_no_class():
    log_probability = metrics.log_probabilities(torch.tensor([[math.nan, 0.0], [0.0, 1.0]]))
    assert metrics.predicted(log_probability).tolist() == [metrics.NO_CLASS, 1]
