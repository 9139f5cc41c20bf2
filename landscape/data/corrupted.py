"""The corrupted and the perturbed test images of CIFAR-10 and CIFAR-100, as their authors publish them.

D. Hendrycks and T. Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, 2019.

CIFAR-10-C and CIFAR-100-C hold one ``NAME.npy`` for each corruption, uint8 of shape (50000, 32, 32, 3): the
10,000 test images at severity 1, then at 2, up to 5. ``labels.npy`` holds the 50,000 classes. CIFAR-10-P has
one ``NAME.npy`` for each perturbation, uint8 of shape (image, frame, 32, 32, 3).

Nothing but the images asked for is read into memory, and nothing in a file is executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from landscape.data.conventions import NORMALISATIONS
from landscape.errors import DataError, DataRequestError
from landscape.files import expanded
from landscape.samples import Samples

CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
"""The fifteen over which the mean corruption error is defined, in the paper's order."""

EXTRA_CORRUPTIONS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""Four more, which the paper sets aside for validation."""

PERTURBATIONS = (
    "gaussian_noise",
    "shot_noise",
    "motion_blur",
    "zoom_blur",
    "spatter",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
)
"""The ten over which the mean flip rate of CIFAR-10-P is defined."""

SEVERITIES = (1, 2, 3, 4, 5)
_MOST_LABELS = 10**7


def corrupted(
    folder: str | Path, name: str, severity: int, *, positions: Sequence[int] | np.ndarray | None = None
) -> Samples:
    """Test images with one corruption, from a folder of CIFAR-10-C or CIFAR-100-C.

    Args:
        folder: The folder with the ``.npy`` files.
        name: The corruption, one of `CORRUPTIONS` or `EXTRA_CORRUPTIONS`.
        severity: From 1 to 5.
        positions: Which test images, by their position in the test set; all by default.

    Returns:
        Images, uint8, shape (image, 3, 32, 32), with their position in the test set as index.

    Raises:
        DataError: If a file is missing or has another layout, or there is no such image.
    """
    check_names([name])
    check_severities([severity])
    images, labels = _array(folder, name), _labels(folder)
    if images.ndim != 4 or len(images) != 5 * len(labels):
        raise DataError(
            f"{_path(folder, name)} has the shape {images.shape}, expected ({5 * len(labels)}, 32, 32, 3): "
            "the test images at severity 1, then at 2, up to 5; download the published archive again"
        )
    where = _positions(positions, len(labels), folder)
    chosen = images[(severity - 1) * len(labels) + where]
    return Samples(
        inputs=torch.from_numpy(np.ascontiguousarray(chosen.transpose(0, 3, 1, 2))),
        targets=torch.from_numpy(labels[where]),
        source=f"{folder}, {name} at severity {severity}",
        split="test",
        indices=where,
        normalisation=NORMALISATIONS["cifar10" if labels.max() < 10 else "cifar100"],
    )


def perturbed(folder: str | Path, name: str) -> np.ndarray:
    """Sequences of more and more perturbed frames, from a folder of CIFAR-10-P or CIFAR-100-P.

    Args:
        folder: The folder with the ``.npy`` files.
        name: The perturbation: the name of one of them, such as those of `PERTURBATIONS`.

    Returns:
        uint8, shape (image, frame, height, width, 3), on disk until it is indexed.

    Raises:
        DataError: If the file is missing or has another layout.
    """
    frames = _array(folder, name)
    if frames.ndim != 5 or frames.shape[1] < 2:
        raise DataError(
            f"{_path(folder, name)} has the shape {frames.shape}, expected (image, frame, 32, 32, 3) with at "
            "least two frames, as in CIFAR-10-P; CIFAR-10-C has no frames"
        )
    return frames


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names as they are, if all of them are corruptions.

    Raises:
        DataError: If one is not, or there is none.
    """
    known = (*CORRUPTIONS, *EXTRA_CORRUPTIONS)
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise DataRequestError(
            f"unknown corruption {wrong[0] if wrong else ''!r}; choose from {', '.join(known)}"
        )
    return tuple(names)


def check_severities(severities: Sequence[int]) -> tuple[int, ...]:
    """The severities as they are, if all of them are from 1 to 5.

    Raises:
        DataError: If one is not, or there is none.
    """
    wrong = [severity for severity in severities if severity not in SEVERITIES]
    if wrong or not severities:
        raise DataError(f"severities are 1, 2, 3, 4 and 5, got {wrong[0] if wrong else 'none'}")
    return tuple(severities)


def _path(folder: str | Path, name: str) -> Path:
    return expanded(folder) / f"{name}.npy"


def _array(folder: str | Path, name: str) -> np.ndarray:
    """Images of a file, uint8 with colours last, mapped and not read."""
    images = _mapped(folder, name)
    if images.dtype != np.uint8 or images.ndim not in (4, 5) or images.shape[-1] != 3 or not images.size:
        raise DataError(
            f"{_path(folder, name)} holds {images.dtype} of shape {images.shape}, expected uint8 of shape "
            "(…, height, width, 3)"
        )
    return images


def _labels(folder: str | Path) -> np.ndarray:
    """Classes of the test images; the file repeats them for each severity."""
    labels = _mapped(folder, "labels")
    fits = labels.ndim == 1 and labels.dtype.kind in "iu" and 0 < len(labels) <= _MOST_LABELS
    if not fits or len(labels) % 5:
        raise DataError(
            f"{_path(folder, 'labels')} holds {labels.dtype} of shape {labels.shape}, expected the integer "
            "classes of the test images, five times over, shape (50000,)"
        )
    blocks = np.asarray(labels).astype(np.int64).reshape(5, -1)
    if (blocks != blocks[0]).any() or blocks.min() < 0:
        raise DataError(
            f"the labels of the five severities in {_path(folder, 'labels')} differ, or are negative; "
            "expected the classes of the same test images five times over"
        )
    return blocks[0].copy()


def _mapped(folder: str | Path, name: str) -> np.ndarray:
    path = _path(folder, name)
    if not path.is_file():
        found = ", ".join(sorted(file.stem for file in path.parent.glob("*.npy"))) or "no .npy file"
        raise DataError(
            f"there is no {path.name} in {folder}, which holds {found}; give the folder of CIFAR-10-C, "
            "CIFAR-100-C or CIFAR-10-P as published, or choose among the names that are there"
        )
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's parser raises anything, and advises to trust the file
        raise DataError(
            f"{path} is not a readable .npy file of numbers; it may be damaged or only partly downloaded; "
            "download the published archive again"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds an archive of several arrays, expected a single one in .npy format")
    return array


def _positions(positions: Sequence[int] | np.ndarray | None, count: int, folder: str | Path) -> np.ndarray:
    where = np.arange(count) if positions is None else np.asarray(positions, dtype=np.int64)
    outside = where[(where < 0) | (where >= count)]
    if len(outside):
        raise DataError(
            f"image {outside[0]} was asked for, but {folder} holds the {count} test images 0 to {count - 1}; "
            "take the samples from the same test set"
        )
    return where
