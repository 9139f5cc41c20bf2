"""What images meet on their way to the network: their normalisation, and a frozen draw of crop and flip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from landscape.errors import DataError

_LEAST = 1e-30  # what a standard deviation in float32 may be divided by


@dataclass(frozen=True)
class Normalisation:
    """Per-channel affine map (x − mean) / std of images in [0, 1].

    Attributes:
        mean: One value per channel.
        std: One positive value per channel.

    Examples:
        >>> import landscape as ls
        >>> ls.Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)).mean
        (0.485, 0.456, 0.406)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise DataError(
                f"the mean has {len(self.mean)} values and the standard deviation {len(self.std)}; "
                "both need one value per channel"
            )
        if not all(math.isfinite(m) for m in self.mean):
            raise DataError(f"means must be finite, got {self.mean}")
        if not all(_LEAST < s < math.inf for s in self.std):
            raise DataError(f"standard deviations must be positive and finite, got {self.std}")

    @property
    def neutral(self) -> bool:
        """Whether it changes nothing."""
        return set(self.mean) == {0} and set(self.std) == {1}

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise images of shape (batch, channel, height, width)."""
        if images.shape[1] != len(self.mean):
            raise DataError(
                f"the images have {images.shape[1]} channels, the normalisation {len(self.mean)}; "
                "give one --mean and one --std value per channel"
            )
        shape = (1, -1, 1, 1)
        mean = torch.tensor(self.mean, dtype=images.dtype, device=images.device).view(shape)
        std = torch.tensor(self.std, dtype=images.dtype, device=images.device).view(shape)
        return (images - mean) / std


@dataclass(frozen=True)
class CropFlip:
    """One draw of the usual CIFAR augmentation: pad with black, crop at (dy, dx), flip left to right.

    Attributes:
        dy: Vertical offset of the crop in the padded image, 0 … 2·padding, shape (sample,).
        dx: Horizontal offset, likewise.
        flip: Whether the crop is mirrored, shape (sample,).
        padding: Black pixels added on each side.
        seed: What it was drawn with.
    """

    dy: np.ndarray
    dx: np.ndarray
    flip: np.ndarray
    padding: int
    seed: int | tuple[int, ...]

    @classmethod
    def draw(cls, count: int, *, seed: int | tuple[int, ...], padding: int = 4) -> CropFlip:
        """Draw for `count` samples; the draw of sample i does not depend on `count`."""
        # One row of numbers per sample keeps the draw of sample i the same however many follow it.
        numbers = np.random.default_rng(seed).random((count, 3))
        offsets = (numbers[:, :2] * (2 * padding + 1)).astype(np.int64)
        return cls(offsets[:, 0], offsets[:, 1], numbers[:, 2] < 0.5, padding, seed)

    def select(self, positions: np.ndarray) -> CropFlip:
        """The draws at these positions."""
        return CropFlip(self.dy[positions], self.dx[positions], self.flip[positions], self.padding, self.seed)

    def apply(self, images: Tensor) -> Tensor:
        """Augment images of shape (sample, channel, height, width), one draw each; same shape and dtype."""
        count, _, height, width = images.shape
        padded = F.pad(images, (self.padding,) * 4)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        rows = torch.arange(count, device=images.device)
        dy, dx = (torch.from_numpy(a).to(images.device) for a in (self.dy, self.dx))
        crops = windows[rows, :, dy, dx]
        flip = torch.from_numpy(self.flip).to(images.device)[:, None, None, None]
        return torch.where(flip, crops.flip(3), crops)

    def describe(self) -> dict[str, Any]:
        """For the protocol."""
        return {"kind": "crop+flip", "padding": self.padding, "seed": self.seed}
