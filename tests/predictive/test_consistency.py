"""Consistency on small folders of perturbed sequences, with a network whose predictions are known."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.errors import DataError, LandscapeError
from landscape.objective import Objective
from landscape.predictive import consistency
from landscape.samples import Samples

CLASSES = {
    "gaussian_noise": [[0, 1, 1, 0], [2, 2, 2, 2], [1, 0, 2, 0]],
    "brightness": [[0, 0, 0, 1], [1, 0, 1, 0], [2, 2, 1, 1]],
}


class Grey(nn.Module):
    """Predicts the class that the first pixel's grey level, 0, 1 or 2, names."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(5.0))
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        level = x[:, 0, 0, 0] * 255
        return -self.scale * self.dropout((level[:, None] - torch.arange(3)).abs())


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, classes in CLASSES.items():
        frames = np.zeros((3, 4, 32, 32, 3), np.uint8)
        frames[..., 0, 0, 0] = classes
        np.save(tmp_path / f"{name}.npy", frames)
    return tmp_path


def objective(positions: list[int] | None = None, **options) -> Objective:
    samples = Samples(torch.zeros(3, 3, 32, 32, dtype=torch.uint8), torch.zeros(3).long(), split="test")
    chosen = samples if positions is None else samples.select(positions)
    return Objective(Grey(), chosen, **options)


def test_noise_is_compared_with_the_first_frame_and_the_rest_with_the_one_before(folder):
    result = consistency(objective(), folder, perturbations=list(CLASSES))
    noise, brightness = np.array([1 / 3, 1, 0]), np.array([2 / 3, 0, 2 / 3])
    np.testing.assert_allclose(result.consistency, [noise.mean(), brightness.mean()])
    errors = [values.std(ddof=1) / math.sqrt(3) for values in (noise, brightness)]
    np.testing.assert_allclose(result.consistency_standard_error, errors)
    np.testing.assert_allclose(result.mean_consistency, (noise + brightness).mean() / 2)
    spread = ((noise + brightness) / 2).std(ddof=1) / math.sqrt(3)
    np.testing.assert_allclose(result.mean_consistency_standard_error, spread)
    assert list(result.perturbation.values) == list(CLASSES)


def test_noise_may_be_compared_with_the_frame_before(folder):
    options = {"perturbations": ["gaussian_noise"], "noise_reference": "previous"}
    np.testing.assert_allclose(consistency(objective(), folder, **options).consistency, [4 / 9])


@pytest.mark.parametrize("micro_batch", [1, 4, 9, 100])
def test_micro_batches_do_not_change_masks_or_result(folder, micro_batch: int):
    options = {"dropout": "fixed", "seed": 1}
    whole = consistency(objective(micro_batch=3, **options), folder, perturbations=list(CLASSES))
    parts = consistency(objective(micro_batch=micro_batch, **options), folder, perturbations=list(CLASSES))
    assert parts.equals(whole)
    assert not whole.consistency.equals(
        consistency(objective(), folder, perturbations=list(CLASSES)).consistency
    )


def test_sequences_are_those_of_the_samples(folder):
    result = consistency(objective([1]), folder, perturbations=["gaussian_noise", "brightness"])
    assert result.consistency.values.tolist() == [1, 0]
    assert math.isnan(float(result.mean_consistency_standard_error))


def test_a_prediction_that_is_not_a_number_is_not_consistent(folder):
    measured = objective()
    measured.parameters["scale"].fill_(math.nan)
    assert float(consistency(measured, folder, perturbations=["brightness"]).mean_consistency) == 0


def test_what_does_not_fit_is_refused(folder):
    with pytest.raises(DataError, match=r"no shot_noise\.npy .* holds brightness, gaussian_noise"):
        consistency(objective(), folder)
    np.save(folder / "tilt.npy", np.zeros((15, 32, 32, 3), np.uint8))
    with pytest.raises(DataError, match="at least two frames"):
        consistency(objective(), folder, perturbations=["tilt"])
    with pytest.raises(LandscapeError, match="'first' or 'previous'"):
        consistency(objective(), folder, noise_reference="second")
    with pytest.raises(LandscapeError, match="BatchNorm in eval mode"):
        consistency(objective(batch_norm="recalibrate"), folder)
    measured = objective()
    for change in ({"split": "train"}, {"indices": np.array([0, 1, 3])}):
        other = measured.replace(samples=replace(measured.samples, **change))
        with pytest.raises(LandscapeError, match="test images 0 to 2"):
            consistency(other, folder, perturbations=["brightness"])
