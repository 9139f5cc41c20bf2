"""Image files, decoded when they are asked for and brought to one size."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape.data.conventions import check_pixels
from landscape.errors import DataError, DataRequestError
from landscape.lazy import Lazy, Source
from landscape.samples import Samples

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Decoders that a file may meet, whatever its name: others run programs, or read what nobody asked for."""
_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_CHANNELS = {1: "L", 3: "RGB"}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
_MOST_SIDE = 8192


@dataclass(frozen=True)
class Shaping:
    """How an image gets its size.

    Attributes:
        resize: Length of the shorter side; 0 leaves the size as it is.
        crop: Side of the square cut from the middle; 0 takes all of the image.
        squash: Side of the square that an image is brought to whatever its proportions; 0 leaves them.
        channels: 3 for RGB, 1 for grey.
        interpolation: Of the change of size, one of `INTERPOLATIONS`.
    """

    resize: int = 0
    crop: int = 0
    squash: int = 0
    channels: int = 3
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for name in ("resize", "crop", "squash"):
            if not 0 <= getattr(self, name) <= _MOST_SIDE:
                raise DataRequestError(
                    f"{name} goes from 1 to {_MOST_SIDE:,} pixels, got {getattr(self, name)}"
                )
        if self.squash and (self.resize or self.crop):
            raise DataRequestError("squash gives images their size alone; leave resize and crop out")
        if self.channels not in _CHANNELS:
            raise DataError(f"images have 3 channels (RGB) or 1 (grey), not {self.channels}")
        if self.interpolation not in INTERPOLATIONS:
            raise DataRequestError(
                f"the interpolation is {self.interpolation!r}; choose one of {', '.join(INTERPOLATIONS)}"
            )

    def apply(self, image: Any, name: str) -> Any:
        """An image of Pillow in this shape.

        Raises:
            DataError: If it is smaller than what is to be cut from it.
        """
        from PIL import Image

        image = image.convert(_CHANNELS[self.channels])
        width, height = image.size
        if self.squash:
            return image.resize((self.squash,) * 2, Image.Resampling[self.interpolation.upper()])
        if self.resize:
            shorter = min(width, height)
            size = self.resize * width // shorter, self.resize * height // shorter
            check_pixels(*size, f"{name}, resized,")
            image = image.resize(size, Image.Resampling[self.interpolation.upper()])
            width, height = size
        if not self.crop:
            return image
        if min(width, height) < self.crop:
            raise DataError(
                f"{name} is {width}×{height} pixels (width × height), less than the {self.crop} to be cut "
                f"from its middle; give resize={self.crop} or more, too"
            )
        left, top = round((width - self.crop) / 2), round((height - self.crop) / 2)
        return image.crop((left, top, left + self.crop, top + self.crop))


class Pictures:
    """Image files as one part of samples.

    Attributes:
        paths: The files.
        shaping: The shape that all get.
    """

    def __init__(self, paths: Sequence[Path], shaping: Shaping) -> None:
        """Which files, and their shape."""
        self.paths, self.shaping = list(paths), shaping
        self._first: tuple[int, ...] = ()

    def __call__(self, positions: np.ndarray) -> list[Tensor]:
        """The images at these positions, uint8, shape (image, channel, height, width).

        Raises:
            DataError: If one cannot be read, or they differ in size.
        """
        images = [self._read(self.paths[position]) for position in positions.tolist()]
        self._first = self._first or images[0].shape
        for position, image in zip(positions.tolist(), images, strict=True):
            if image.shape != self._first:
                ours, theirs = (f"{shape[2]}×{shape[1]}" for shape in (image.shape, self._first))
                raise DataError(
                    f"{self.paths[position]} is {ours} pixels (width × height), but {self.paths[0]} is "
                    f"{theirs}; bring all images to one size, as with images:DIR,resize=256,crop=224"
                )
        return [torch.from_numpy(np.stack(images))]

    def _read(self, path: Path) -> np.ndarray:
        from PIL import Image

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(path, formats=FORMATS) as image:
                    _check(path, image.size, image.mode)
                    pixels = np.asarray(self.shaping.apply(image, str(path)))
        except DataError:
            raise
        except Exception as error:  # decoders raise whatever a damaged file makes them run into
            reason = str(error).strip() or type(error).__name__
            raise DataError(f"cannot read the image {path}: {reason}; repair or remove it") from error
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def pictures(paths: Sequence[Path], shaping: Shaping) -> Lazy:
    """The images of these files, uint8, shape (image, channel, height, width), decoded when asked for.

    Raises:
        DataError: If the first one cannot be read.
    """
    read = Pictures(paths, shaping)
    (first,) = read(np.array([0]))
    return Lazy(Source(read), 0, np.arange(len(paths)), first)


def shaped_for(samples: Samples, shaping: Mapping[str, Any]) -> Samples:
    """Images of a folder in the shape that a network is evaluated on, unless they were given one.

    Args:
        samples: Any samples; others than images of a folder stay as they are.
        shaping: Of `landscape.network.Network`; empty where it is not known.
    """
    inputs = samples.inputs
    reader = inputs.reader if isinstance(inputs, Lazy) else None
    if not shaping or not isinstance(reader, Pictures) or reader.shaping != Shaping():
        return samples
    words = ",".join(f"{name}={value}" for name, value in shaping.items())
    shaped = inputs.through(Pictures(reader.paths, Shaping(**shaping)))
    return replace(samples, inputs=shaped, source=f"{samples.source},{words}")


def _check(path: Path, size: tuple[int, int], mode: str) -> None:
    """Refuse an image before its pixels are decoded."""
    check_pixels(*size, str(path))
    if mode not in _EIGHT_BIT_MODES:
        raise DataError(
            f"{path} has pixels of mode '{mode}', expected 8 bits per channel; convert it to 8-bit RGB, "
            "or store the images as floats in an .npz file"
        )
