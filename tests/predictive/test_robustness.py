"""Robustness on a small folder in the published layout, cell by cell against single evaluations."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landscape.data.corrupted import CORRUPTIONS, corrupted
from landscape.errors import ArgumentError, DataError, LandscapeError
from landscape.network import Network
from landscape.objective import Objective
from landscape.predictive import evaluate, robustness
from landscape.samples import Normalisation, Samples
from tests.build import zoo

COUNT = 12
NAMES = ("gaussian_noise", "fog")


def data() -> Samples:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 200, (COUNT, 3, 32, 32), dtype=np.uint8))
    return Samples(images, torch.from_numpy(rng.integers(0, 4, COUNT)), split="test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two corruptions of the test images: every severity brightens or darkens them more."""
    place, samples = tmp_path_factory.mktemp("CIFAR-10-C"), data()
    images = samples.inputs.numpy().transpose(0, 2, 3, 1).astype(int)
    np.save(place / "labels.npy", np.tile(samples.targets.numpy().astype(np.uint8), 5))
    for name, step in zip(NAMES, (10, -10), strict=True):
        blocks = [np.clip(images + step * severity, 0, 255).astype(np.uint8) for severity in range(1, 6)]
        np.save(place / f"{name}.npy", np.concatenate(blocks))
    return place


def objective(samples: Samples | None = None, seed: int = 0, **options) -> Objective:
    module = zoo("cifar-resnet20:width=2,classes=4,dropout=0.3", seed=seed)
    network = Network(module, normalisation=Normalisation((0.4,) * 3, (0.2,) * 3))
    return Objective(network, samples or data(), **{"dtype": torch.float64, "micro_batch": 5} | options)


def test_every_cell_is_an_evaluation_of_the_corrupted_images(folder):
    measured = objective(dropout="fixed")
    result = robustness(measured, folder, corruptions=NAMES, severities=(1, 4))
    assert result.accuracy.dims == ("corruption", "severity")
    assert list(result.corruption.values) == list(NAMES)
    for name in NAMES:
        for severity in (1, 4):
            direct = evaluate(objective(corrupted(folder, name, severity), dropout="fixed"))
            here = result.sel(corruption=name, severity=severity)
            for score, other in (("nll", "mean_nll"), ("accuracy", "accuracy"), ("ece", "ece")):
                for suffix in ("", "_standard_error"):
                    np.testing.assert_allclose(here[score + suffix], direct[other + suffix], rtol=1e-10)
            assert float(here.error) == pytest.approx(1 - float(here.accuracy))
    clean = evaluate(measured)
    np.testing.assert_allclose(result.clean_nll, clean.mean_nll, rtol=1e-12)
    np.testing.assert_allclose(result.clean_ece_standard_error, clean.ece_standard_error, rtol=1e-10)
    assert result.attrs["source"] == "published"


def test_means_count_the_corruptions_of_an_image_as_one_sample(folder):
    result = robustness(objective(), folder, corruptions=NAMES, severities=(2, 5))
    losses = np.array(
        [evaluate(objective(corrupted(folder, name, s))).nll.values for name in NAMES for s in (2, 5)]
    )
    np.testing.assert_allclose(result.mean_nll, losses.mean(), rtol=1e-12)
    by_image = losses.mean(0)
    np.testing.assert_allclose(result.mean_nll_standard_error, by_image.std(ddof=1) / math.sqrt(COUNT))
    np.testing.assert_allclose(result.mean_error, result.error.mean(), rtol=1e-12)
    np.testing.assert_allclose(result.mean_ece, result.ece.mean(), rtol=1e-12)


def test_relative_to_a_reference(folder):
    options = {"corruptions": NAMES, "severities": (1, 3)}
    reference = robustness(objective(seed=1), folder, **options)
    result = robustness(objective(), folder, reference=reference, **options)
    for relative, score in (("mce", "error"), ("mcnll", "nll"), ("mcece", "ece")):
        shares = result[score].sum("severity") / reference[score].sum("severity")
        np.testing.assert_allclose(result[relative], 100 * shares.mean(), rtol=1e-12)
        assert result[relative].attrs["units"] == "%"
    against_itself = robustness(objective(), folder, reference=result, **options)
    assert float(against_itself.mcnll) == pytest.approx(100, rel=1e-12)
    losses = np.array(
        [[evaluate(objective(corrupted(folder, name, s))).nll.values for s in (1, 3)] for name in NAMES]
    )
    by_image = (losses.sum(1) / reference.nll.sum("severity").values[:, None]).mean(0)
    error = 100 * by_image.std(ddof=1) / math.sqrt(COUNT)
    np.testing.assert_allclose(result.mcnll_standard_error, error, rtol=1e-9)


def test_a_reference_must_cover_everything(folder):
    reference = robustness(objective(), folder, corruptions=NAMES[:1])
    with pytest.raises(LandscapeError, match=r"reference has no .*fog"):
        robustness(objective(), folder, corruptions=NAMES, reference=reference)
    perfect = reference.assign(error=0 * reference.error)
    with pytest.raises(LandscapeError, match="must be positive"):
        robustness(objective(), folder, corruptions=NAMES[:1], reference=perfect)


def test_a_subset_takes_its_own_images(folder):
    some = data().select([7, 2, 11])
    result = robustness(objective(some), folder, corruptions=["fog"], severities=[3])
    direct = evaluate(objective(corrupted(folder, "fog", 3).select([7, 2, 11])))
    np.testing.assert_allclose(result.nll[0, 0], direct.mean_nll, rtol=1e-12)


def test_images_of_another_set_are_refused(folder):
    other = replace(data(), targets=(data().targets + 1) % 4)
    with pytest.raises(LandscapeError, match="other labels than the 12 samples"):
        robustness(objective(other), folder, corruptions=["fog"])
    beyond = replace(data(), indices=np.arange(COUNT) + 1)
    with pytest.raises(DataError, match="image 12 was asked for"):
        robustness(objective(beyond), folder, corruptions=["fog"])
    with pytest.raises(LandscapeError, match="not augmented"):
        robustness(objective(data().augmented(0)), folder, corruptions=["fog"])


def test_all_fifteen_are_wanted_unless_said_otherwise(folder):
    with pytest.raises(DataError, match=r"no shot_noise\.npy .* holds fog, gaussian_noise, labels"):
        robustness(objective(), folder)
    assert len(CORRUPTIONS) == 15


def test_a_function_may_make_the_corruptions():
    def darkened(samples: Samples, name: str, severity: int) -> Samples:
        return replace(samples, inputs=samples.inputs // (1 + severity), source=f"darkened {severity}")

    result = robustness(objective(), darkened, corruptions=["contrast"], severities=(1, 2))
    direct = evaluate(objective(darkened(data(), "contrast", 2)))
    np.testing.assert_allclose(result.nll[0, 1], direct.mean_nll, rtol=1e-12)
    assert result.attrs["source"] == "generated"
    assert result.attrs["corrupted_by"] == "darkened 1"


def test_items_may_run_in_any_order(folder):
    def backwards(count, compute, label):
        return [compute(index) for index in reversed(range(count))][::-1]

    here = robustness(objective(), folder, corruptions=NAMES)
    assert robustness(objective(), folder, corruptions=NAMES, run=backwards).identical(here)


def test_fresh_dropout_follows_the_draw(folder):
    options = {"corruptions": ["fog"], "severities": [2]}
    second = robustness(objective(dropout="fresh"), folder, draw=1, **options)
    direct = evaluate(objective(corrupted(folder, "fog", 2), dropout="fresh"), draw=1)
    np.testing.assert_allclose(second.nll[0, 0], direct.mean_nll, rtol=1e-12)


def test_mistakes_are_found_before_the_long_part(folder):
    with pytest.raises(ArgumentError, match="unknown corruption 'rain'"):
        robustness(objective(), folder, corruptions=["fog", "rain"])
    with pytest.raises(DataError, match="severities are 1, 2, 3, 4 and 5, got 6"):
        robustness(objective(), folder, severities=[6])
    with pytest.raises(LandscapeError, match="at least 1 bin"):
        robustness(objective(), folder, corruptions=["fog"], bins=0)
