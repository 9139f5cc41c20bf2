"""Samples: taking subsets, normalising, scaling bytes, freezing augmentation."""

import hashlib

import numpy as np
import pytest
import torch

from landscape.errors import DataError
from landscape.samples import CropFlip, Normalisation, Samples


@pytest.fixture
def samples() -> Samples:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (30, 3, 8, 6), generator=generator, dtype=torch.uint8)
    return Samples(inputs, torch.arange(30) % 10, source="noise", split="test")


def test_take_is_the_first_ones_in_file_order(samples):
    first = samples.take(4)
    assert torch.equal(first.inputs, samples.inputs[:4])
    assert torch.equal(first.targets, samples.targets[:4])
    assert first.indices.tolist() == [0, 1, 2, 3]


def test_seeded_take_draws_without_replacement_in_file_order(samples):
    drawn = samples.take(12, seed=3)
    assert len(set(drawn.indices)) == 12
    assert (np.diff(drawn.indices) > 0).all()
    assert torch.equal(drawn.inputs, samples.inputs[torch.from_numpy(drawn.indices)])
    assert torch.equal(drawn.targets, samples.targets[torch.from_numpy(drawn.indices)])


def test_seeded_take_depends_on_the_seed_alone(samples):
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    once = samples.take(12, seed=3).indices
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(once, samples.take(12, seed=3).indices)
    assert not np.array_equal(once, samples.take(12, seed=4).indices)


def test_indices_follow_subsets_of_subsets(samples):
    part = samples.select([20, 5, 11]).select([2, 0])
    assert part.indices.tolist() == [11, 20]
    assert torch.equal(part.inputs, samples.inputs[[11, 20]])


@pytest.mark.parametrize("count", [0, -1, 31])
def test_take_says_how_many_there_are(samples, count):
    with pytest.raises(
        DataError, match=rf"^{count} samples asked for, but noise \(test\) holds 30; .* 1 to 30"
    ):
        samples.take(count)


def test_negative_seeds_are_refused(samples):
    with pytest.raises(DataError, match="the sample seed is -1; choose 0 or a positive integer"):
        samples.take(3, seed=-1)


def test_numbers_of_inputs_and_targets_must_agree():
    with pytest.raises(DataError, match="2 inputs but 3 targets in pair"):
        Samples(torch.zeros(2, 1, 1, 1), torch.zeros(3, dtype=torch.int64), source="pair")


def test_no_samples_are_refused():
    with pytest.raises(DataError, match="nothing holds no samples"):
        Samples(torch.zeros(0, 1, 1, 1), torch.zeros(0, dtype=torch.int64), source="nothing")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bytes_are_scaled_in_the_working_precision(dtype):
    values = torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1)
    inputs, _ = Samples(values, torch.zeros(256, dtype=torch.int64)).batch(0, 256, dtype=dtype)
    assert inputs.dtype == dtype
    assert torch.equal(inputs.flatten(), torch.arange(256, dtype=dtype) / 255)
    assert inputs.min() == 0
    assert inputs.max() == 1


def test_floating_point_inputs_are_passed_on():
    values = torch.tensor([[-2.5], [3.0]])
    inputs, targets = Samples(values, torch.tensor([1, 0])).batch(0, 2)
    assert torch.equal(inputs, values)
    assert targets.tolist() == [1, 0]


def test_the_last_batch_may_be_short(samples):
    inputs, targets = samples.augmented(0).batch(25, 40)
    assert len(inputs) == len(targets) == 5


def test_micro_batches_join_to_the_whole(samples):
    frozen = samples.augmented(seed=7)
    whole, _ = frozen.batch(0, 30)
    parts = torch.cat([frozen.batch(start, start + 7)[0] for start in range(0, 30, 7)])
    assert torch.equal(whole, parts)


def test_augmentation_of_a_sample_is_the_same_in_any_subset(samples):
    whole, _ = samples.augmented(seed=7).batch(0, 30)
    for subset in (samples.take(4), samples.take(9, seed=1), samples.select([29]), samples.select([8, 3])):
        after, _ = subset.augmented(seed=7).batch(0, len(subset))
        before, _ = samples.augmented(seed=7).select(subset.indices).batch(0, len(subset))
        assert torch.equal(after, whole[torch.from_numpy(subset.indices)])
        assert torch.equal(before, after)


def test_description_tells_subsets_and_augmentations_apart(samples):
    description = samples.take(5).describe()
    assert description["source"] == "noise"
    assert description["split"] == "test"
    assert description["samples"] == 5
    assert description["augmentation"] is None
    assert description == samples.take(5).describe()
    assert description["indices_sha256"] != samples.take(5, seed=0).describe()["indices_sha256"]
    assert samples.augmented(seed=7, padding=2).describe()["augmentation"] == {
        "kind": "crop+flip",
        "padding": 2,
        "seed": 7,
    }


def test_normalisation_per_channel():
    images = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    normalised = Normalisation(mean, std)(images)
    for channel in range(3):
        expected = (images[:, channel] - mean[channel]) / std[channel]
        torch.testing.assert_close(normalised[:, channel], expected, rtol=0, atol=0)


def test_normalisation_needs_as_many_means_as_deviations():
    with pytest.raises(DataError, match="the mean has 1 values and the standard deviation 3"):
        Normalisation((0.5,), (0.2, 0.2, 0.2))


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan"), float("inf")])
def test_normalisation_needs_positive_deviations(std):
    with pytest.raises(DataError, match="must be positive"):
        Normalisation((0.5,), (std,))


def test_normalisation_needs_finite_means():
    with pytest.raises(DataError, match="means must be finite"):
        Normalisation((float("nan"),), (1.0,))


def test_normalisation_names_both_channel_counts():
    with pytest.raises(DataError, match="the images have 1 channels, the normalisation 3"):
        Normalisation((0.5,) * 3, (0.2,) * 3)(torch.zeros(2, 1, 4, 4))


def test_positions_that_follow_one_another_give_views():
    samples = Samples(torch.rand(20, 1, 2, 2), torch.arange(20))
    for part in (samples.take(5), samples.select([3, 4, 5]), samples.select(np.arange(20))):
        assert part.inputs.untyped_storage().data_ptr() == samples.inputs.untyped_storage().data_ptr()
    for positions in ([3, 5], [5, 4], [-2, -1], [4, 4], np.arange(20) == 3):
        part = samples.select(positions)
        assert part.inputs.untyped_storage().data_ptr() != samples.inputs.untyped_storage().data_ptr()
        assert torch.equal(part.inputs, samples.inputs[torch.as_tensor(np.asarray(positions))])
    assert (
        samples.select([3, 4, 5]).targets.tolist() == samples.select([3, 4, 5]).indices.tolist() == [3, 4, 5]
    )


@pytest.mark.parametrize("piece", [1, 100, 2**24])
@pytest.mark.parametrize(
    "inputs",
    [
        torch.rand(20, 3, 4, 4),
        torch.arange(960).reshape(20, 3, 4, 4).byte(),
        torch.rand(20, 3, 4, 4).double().to(memory_format=torch.channels_last),
    ],
)
def test_digests_by_pieces_are_those_of_all_bytes(monkeypatch, piece, inputs):
    monkeypatch.setattr("landscape.samples._PIECE", piece)
    targets = torch.arange(20)
    whole = hashlib.sha256(targets.numpy().tobytes() + inputs.numpy().tobytes()).hexdigest()[:16]
    assert Samples(inputs, targets).describe()["content_sha256"] == whole


def _reference(images: np.ndarray, plan: CropFlip) -> np.ndarray:
    """Pad with zeros, crop, mirror: pixel by pixel index arithmetic, one image after the other."""
    count, channels, height, width = images.shape
    out = np.zeros_like(images)
    for i in range(count):
        padded = np.zeros((channels, height + 2 * plan.padding, width + 2 * plan.padding), images.dtype)
        padded[:, plan.padding : plan.padding + height, plan.padding : plan.padding + width] = images[i]
        for row in range(height):
            for column in range(width):
                source = width - 1 - column if plan.flip[i] else column
                out[i, :, row, column] = padded[:, row + plan.dy[i], source + plan.dx[i]]
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_batches_equal_the_loop_over_images(dtype, padding):
    images = np.random.default_rng(0).integers(1, 256, (40, 3, 7, 9)).astype(dtype)
    plan = CropFlip.draw(40, seed=5, padding=padding)
    augmented = plan.apply(torch.from_numpy(images))
    assert augmented.shape == images.shape
    assert np.array_equal(augmented.numpy(), _reference(images, plan))


def test_the_input_is_left_alone():
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    before = images.clone()
    CropFlip.draw(2, seed=0).apply(images)
    assert torch.equal(images, before)


def test_offsets_and_flips_are_uniform():
    plan = CropFlip.draw(90_000, seed=1, padding=4)
    for offsets in (plan.dy, plan.dx):
        counts = np.bincount(offsets, minlength=9)
        assert len(counts) == 9
        assert np.abs(counts - 10_000).max() < 500  # five standard deviations
    assert abs(plan.flip.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(plan.dy, plan.dx)[0, 1]) < 0.02


@pytest.mark.parametrize("seed", [0, 3, (3, 1)])
def test_a_draw_depends_on_seed_and_position_alone(seed):
    long, short = CropFlip.draw(100, seed=seed), CropFlip.draw(10, seed=seed)
    for name in ("dy", "dx", "flip"):
        assert np.array_equal(getattr(long, name)[:10], getattr(short, name))


def test_seeds_differ():
    assert not np.array_equal(CropFlip.draw(100, seed=0).dy, CropFlip.draw(100, seed=1).dy)


def test_selection_keeps_each_image_its_draw():
    images = torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    plan = CropFlip.draw(20, seed=2)
    chosen = np.array([13, 2, 19])
    assert torch.equal(plan.select(chosen).apply(images[chosen]), plan.apply(images)[chosen])
