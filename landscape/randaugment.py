"""RandAugment (Cubuk et al. 2020): two random operations of one magnitude on every image, from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError

OPERATIONS = 2
_MOST = 30
_GREY = (128, 128, 128)
"""What comes in from outside the image."""


def randaugmented(images: Tensor, rng: np.random.Generator, magnitude: int) -> Tensor:
    """Images, each under `OPERATIONS` operations drawn for it alone.

    Args:
        images: Shape (image, 3, height, width), uint8.
        rng: Decides operations and directions.
        magnitude: Strength of all of them, 1 to 30.

    Raises:
        LandscapeError: If they are not RGB images of bytes.
    """
    from PIL import Image

    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        raise LandscapeError(
            f"RandAugment needs RGB images of bytes, got {images.dtype} of shape {tuple(images.shape)}"
        )
    names = sorted(_operations())
    changed = []
    for pixels in images.permute(0, 2, 3, 1).cpu().numpy():
        image = Image.fromarray(pixels)
        for name in rng.choice(names, OPERATIONS):
            sign = 1 if rng.random() < 0.5 else -1
            image = _operations()[name](image, magnitude / _MOST, sign)
        changed.append(np.asarray(image))
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).contiguous()


def _operations() -> dict[str, Callable]:
    """By name: image, strength from 0 to 1 and sign → image."""
    from PIL import Image, ImageEnhance, ImageOps

    def moved(image, *matrix: float):
        return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=_GREY)

    def enhanced(kind):
        return lambda image, s, sign: kind(image).enhance(1 + sign * 0.9 * s)

    return {
        "identity": lambda image, s, sign: image,
        "autocontrast": lambda image, s, sign: ImageOps.autocontrast(image),
        "equalize": lambda image, s, sign: ImageOps.equalize(image),
        "rotate": lambda image, s, sign: image.rotate(sign * 30 * s, fillcolor=_GREY),
        "solarize": lambda image, s, sign: ImageOps.solarize(image, int(256 * (1 - s))),
        "posterize": lambda image, s, sign: ImageOps.posterize(image, 8 - round(4 * s)),
        "colour": enhanced(ImageEnhance.Color),
        "contrast": enhanced(ImageEnhance.Contrast),
        "brightness": enhanced(ImageEnhance.Brightness),
        "sharpness": enhanced(ImageEnhance.Sharpness),
        "shear x": lambda image, s, sign: moved(image, 1, sign * 0.3 * s, 0, 0, 1, 0),
        "shear y": lambda image, s, sign: moved(image, 1, 0, 0, sign * 0.3 * s, 1, 0),
        "move x": lambda image, s, sign: moved(image, 1, 0, sign * 0.45 * s * image.width, 0, 1, 0),
        "move y": lambda image, s, sign: moved(image, 1, 0, 0, 0, 1, sign * 0.45 * s * image.height),
    }
