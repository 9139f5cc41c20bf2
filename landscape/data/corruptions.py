"""The nineteen corruptions of Hendrycks & Dietterich 2019, applied to any images by a maintained library.

The library is `imagecorruptions-imaug` (the fork of `imagecorruptions` that works with today's NumPy and
scikit-image), an optional dependency. Its parameters at each severity are those of ImageNet-C. CIFAR-10-C was
made with weaker ones, tuned for images of 32×32 pixels, so that the numbers of generated corruptions are
comparable with each other, and not with those of the published folders (`landscape.data.corrupted`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from landscape.data.corrupted import CORRUPTIONS, EXTRA_CORRUPTIONS, check_names, check_severities
from landscape.errors import DataError, installation
from landscape.samples import Samples

_PACKAGE = "imagecorruptions-imaug"
_SEEDED = ("impulse_noise", "glass_blur")  # draw from a generator of their own, which takes a seed
_SMALLEST = 32  # pixels, below which the library refuses


def corrupt(samples: Samples, name: str, severity: int, *, seed: int = 0) -> Samples:
    """The samples with one corruption at one severity.

    What is drawn for an image depends on the seed, its index in its source, the corruption and the severity
    alone, so that it does not change with the subset that was taken. NumPy's global random state, which the
    library draws from, is put back.

    Args:
        samples: RGB images, uint8, of at least 32×32 pixels; frozen crops and flips are applied first.
        name: One of `landscape.data.corrupted.CORRUPTIONS` or `EXTRA_CORRUPTIONS`.
        severity: From 1 to 5.
        seed: Of everything that is random.

    Returns:
        Samples of the same shape, order and targets, without augmentation.

    Raises:
        DataError: If the library is not installed, the images are of another kind, there is no such
            corruption or severity, or the seed is negative.
    """
    check_names([name])
    check_severities([severity])
    if seed < 0:
        raise DataError(f"the seed of the corruptions is {seed}; choose 0 or a positive integer")
    apply, release = _library()
    images = _images(samples)
    number = (*CORRUPTIONS, *EXTRA_CORRUPTIONS).index(name)
    indices = samples.indices if samples.indices is not None else np.arange(len(samples))
    changed = np.empty_like(images)
    for place, (image, index) in enumerate(zip(images, indices, strict=True)):
        with _drawing_from(np.random.SeedSequence((seed, int(index), number, severity))) as own_seed:
            options = {"seed": own_seed} if name in _SEEDED else {}
            changed[place] = apply(image, severity=severity, corruption_name=name, **options)
    return replace(
        samples,
        inputs=torch.from_numpy(np.ascontiguousarray(changed.transpose(0, 3, 1, 2))),
        source=f"{samples.source}, {name} at severity {severity} ({_PACKAGE} {release}, seed {seed})",
        augmentation=None,
    )


def _library() -> tuple[Callable[..., Any], str]:
    """The library's function and its version."""
    remedy = f"{installation('corruptions')} (or pip install {_PACKAGE})"
    try:
        # The original package has the same module name, and fails with today's NumPy.
        release = version(_PACKAGE)
        from imagecorruptions import corrupt as apply
    except PackageNotFoundError as error:
        raise DataError(f"making corrupted images needs the package {_PACKAGE}: {remedy}") from error
    except ImportError as error:
        raise DataError(f"the package {_PACKAGE} cannot be imported ({error}); try {remedy}") from error
    return apply, release


def _images(samples: Samples) -> np.ndarray:
    """Augmented images with colours last, uint8, shape (sample, height, width, 3)."""
    inputs = samples.images()
    shape = tuple(inputs.shape)
    if inputs.dtype != torch.uint8 or shape[1] != 3 or min(shape[2:]) < _SMALLEST:
        raise DataError(
            f"corruptions need RGB images of bytes, shape (sample, 3, height, width) with at least "
            f"{_SMALLEST}×{_SMALLEST} pixels, not {str(inputs.dtype).removeprefix('torch.')} of shape {shape}"
        )
    if samples.augmentation is not None:
        inputs = samples.augmentation.apply(inputs)
    return np.ascontiguousarray(inputs.cpu().numpy().transpose(0, 2, 3, 1))


@contextlib.contextmanager
def _drawing_from(sequence: np.random.SeedSequence) -> Iterator[int]:
    """NumPy's global state seeded from the sequence while open, and a seed for what has its own generator.

    The library's remarks, which it prints, go to stderr.
    """
    seeded = np.random.RandomState(np.random.MT19937(sequence))
    before = np.random.get_state()  # noqa: NPY002 - the library draws from it
    np.random.set_state(seeded.get_state())  # noqa: NPY002
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield int(sequence.generate_state(1)[0])
    finally:
        np.random.set_state(before)  # noqa: NPY002
