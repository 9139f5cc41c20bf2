"""Frozen crop and flip, against one image at a time."""

import numpy as np
import pytest
import torch

from landscape.augmentation import CropFlip


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
