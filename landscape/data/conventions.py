"""What every reader agrees on: the two splits, and the normalisation usual for each known data set."""

from __future__ import annotations

from landscape.errors import DataError, DataRequestError
from landscape.samples import Normalisation

SPLITS = ("train", "test")
_MOST_PIXELS = 2**24

NORMALISATIONS = {
    "cifar10": Normalisation(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
    "cifar100": Normalisation(mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762)),
}
"""Mean and standard deviation of the training images in [0, 1], channel by channel (red, green, blue)."""


def check_split(split: str) -> None:
    """Refuse anything but the two splits.

    Raises:
        DataRequestError: If `split` is neither ``train`` nor ``test``.
    """
    if split not in SPLITS:
        raise DataRequestError(f"unknown split {split!r}; choose 'train' or 'test'")


def check_pixels(width: int, height: int, name: str) -> None:
    """Refuse an image before its pixels are decoded.

    Raises:
        DataError: If it has more than 16,777,216 of them, as no network's input has.
    """
    if width * height > _MOST_PIXELS:
        raise DataError(
            f"{name} declares {width:,}×{height:,} pixels; images of up to {_MOST_PIXELS:,} are read, "
            "resize it first"
        )
