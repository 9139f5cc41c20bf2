"""The dataset of predictions: shapes, plain formulas, dropout draws, and published weights."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.checkpoint import load
from landscape.network import Network
from landscape.objective import Objective
from landscape.predictive import evaluate
from landscape.samples import Normalisation, Samples
from landscape.zoo import parse
from tests import build


def objective(spec: str = "cifar-resnet20:width=4", count: int = 12, **options) -> Objective:
    return build.objective(
        spec, count=count, kind="uniform", classes=parse(spec).classes, **{"dtype": torch.float32} | options
    )


def identity(logits: Tensor, targets: Tensor) -> Objective:
    return Objective(nn.Sequential(nn.Identity(), Zero()), (logits, targets))


class Zero(nn.Module):
    """Adds a parameter that is zero: an objective needs something to differentiate."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        return z + self.zero


def test_dimensions_and_attributes():
    result = evaluate(objective(dtype=torch.float64))
    assert result.log_probability.dims == ("sample", "class")
    assert result.log_probability.shape == (12, 10)
    assert result.log_probability.dtype == np.float32
    for name in ("nll", "correct", "confidence", "target"):
        assert result[name].dims == ("sample",)
    for name in ("mean_nll", "accuracy", "top5", "brier"):
        assert result[name].dims == result[f"{name}_standard_error"].dims == ()
    for name in ("ece", "signed_ece", "acc_90", "unc_90", "freq_90", "iou"):
        assert result[name].dims == result[f"{name}_standard_error"].dims == ()
    for name in ("lower", "upper", "confidence", "accuracy", "accuracy_standard_error", "count"):
        assert result[f"bin_{name}"].dims == ("bin",)
    assert all({"long_name", "units"} <= variable.attrs.keys() for variable in result.data_vars.values())


def test_against_plain_formulas():
    measured = objective(dtype=torch.float64)
    logits, targets = (torch.cat(parts) for parts in zip(*measured.outputs(), strict=True))
    result = evaluate(measured)
    losses = F.cross_entropy(logits, targets, reduction="none").numpy()
    np.testing.assert_allclose(result.nll, losses, rtol=1e-12)
    np.testing.assert_allclose(result.mean_nll, measured.value().nll, rtol=1e-12)
    np.testing.assert_allclose(result.mean_nll_standard_error, losses.std(ddof=1) / math.sqrt(12))
    np.testing.assert_array_equal(result.target, targets)
    np.testing.assert_array_equal(result.correct, logits.argmax(1) == targets)
    np.testing.assert_allclose(result.confidence, logits.softmax(1).amax(1), rtol=1e-12)
    np.testing.assert_allclose(result.accuracy, result.correct.mean())
    squares = (logits.softmax(1) - F.one_hot(targets, 10)).square().sum(1)
    np.testing.assert_allclose(result.brier, squares.mean(), rtol=1e-12)
    np.testing.assert_allclose(np.exp(result.log_probability).sum("class"), 1, rtol=1e-5)


def test_calibration_and_overlap_come_from_the_stored_predictions():
    """From `log_probability` alone, in float32, with plain NumPy."""
    result = evaluate(objective("cifar-resnet20:width=4,classes=3", count=200), bins=5)
    probability = np.exp(result.log_probability.values.astype(np.float64))
    target, best, confidence = result.target.values, probability.argmax(1), probability.max(1)
    hit = best == target
    np.testing.assert_allclose(result.signed_ece, confidence.mean() - hit.mean(), atol=1e-6)
    np.testing.assert_allclose(result.freq_90, (confidence > 0.9).mean())
    overlaps = [((best == c) & (target == c)).sum() / ((best == c) | (target == c)).sum() for c in range(3)]
    np.testing.assert_allclose(result.iou, np.mean(overlaps))
    for i in range(5):
        inside = (confidence >= i / 5) & (confidence < (i + 1) / 5)
        assert result.bin_count[i] == inside.sum()
        assert result.bin_lower[i] == pytest.approx(i / 5)
        assert result.bin_upper[i] == pytest.approx((i + 1) / 5)
        expected = hit[inside].mean() if inside.any() else math.nan
        np.testing.assert_allclose(result.bin_accuracy[i], expected)
        spread = hit[inside].std(ddof=1) / math.sqrt(inside.sum()) if inside.sum() > 1 else math.nan
        np.testing.assert_allclose(result.bin_accuracy_standard_error[i], spread)
    gaps = (result.bin_accuracy - result.bin_confidence).fillna(0)
    np.testing.assert_allclose(result.ece, (np.abs(gaps) * result.bin_count).sum() / 200)


def test_the_loss_of_the_objective_does_not_matter():
    def doubled(logits: Tensor, targets: Tensor) -> Tensor:
        return 2 * F.cross_entropy(logits, targets, reduction="none")

    assert evaluate(objective(loss=doubled)).equals(evaluate(objective()))


@pytest.mark.parametrize(("classes", "present"), [(5, False), (6, True)])
def test_top5_needs_six_classes(classes: int, present: bool):
    result = evaluate(objective(f"cifar-resnet20:width=4,classes={classes}"))
    assert ("top5" in result) == present


@pytest.mark.parametrize("micro_batch", [1, 5])
def test_micro_batches_do_not_change_the_result(micro_batch: int):
    options = {"dtype": torch.float64, "dropout": "fixed"}
    spec = "cifar-resnet20:width=4,dropout=0.3"
    whole = evaluate(objective(spec, **options))
    parts = evaluate(objective(spec, micro_batch=micro_batch, **options))
    for name, variable in whole.data_vars.items():
        np.testing.assert_allclose(parts[name], variable, rtol=1e-12, atol=1e-12)


def test_draws_of_fresh_dropout_differ_and_repeat():
    measured = objective("cifar-resnet20:width=4,dropout=0.3", dropout="fresh")
    first, second = evaluate(measured, draw=0), evaluate(measured, draw=1)
    assert not np.allclose(first.nll, second.nll)
    assert evaluate(measured, draw=1).equals(second)


def test_positions_and_class_names_label_the_result():
    data = Samples(torch.eye(4)[:, :2], torch.tensor([0, 1, 0, 1]), class_names=("cat", "dog"))
    result = evaluate(Objective(nn.Sequential(Zero()), data.select([3, 1])))
    assert list(result.sample.values) == [3, 1]
    assert list(result["class"].values) == ["cat", "dog"]


@pytest.mark.parametrize("logit", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_not_hidden(logit: float):
    result = evaluate(identity(torch.tensor([[logit, 0.0], [1.0, 0.0]]), torch.tensor([0, 0])))
    assert list(np.isnan(result.nll.values)) == [True, False]
    assert np.isnan(result.mean_nll)
    assert np.isnan(result.mean_nll_standard_error)
    assert np.isnan(result.ece)
    assert result.accuracy == 0.5


def test_an_infinite_loss_is_kept():
    result = evaluate(identity(torch.tensor([[0.0, -math.inf]]), torch.tensor([1])))
    assert result.mean_nll == math.inf
    assert result.brier == 2


def test_progress_sees_every_micro_batch():
    progress = build.Counting()
    evaluate(objective(micro_batch=5), progress=progress)
    assert progress.seen == [("evaluate", 3)]


def test_published_resnet20_against_the_reference_values(shared_data: Path):
    """First 200 test images, shared/data/README.md: loss 0.393565, accuracy 0.91."""
    records = np.fromfile(shared_data / "cifar-10-batches-bin" / "test_batch.bin", np.uint8, 200 * 3073)
    records = records.reshape(200, 3073)
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy())
    data = Samples(images, torch.from_numpy(records[:, 0].astype(np.int64)))
    network = load(shared_data / "pretrained" / "resnet20-12fca82f.th")
    usual = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    result = evaluate(Objective(Network(network.module, usual), data))
    assert float(result.mean_nll) == pytest.approx(0.393565, abs=1e-6)
    assert float(result.accuracy) == 0.91
