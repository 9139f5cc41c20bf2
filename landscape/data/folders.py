"""A folder of images: one subfolder per class, the class's name on it."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import torch

from landscape import budget
from landscape.data.conventions import SPLITS, check_pixels, check_split
from landscape.errors import DataError
from landscape.files import expanded, kind
from landscape.samples import Samples

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Decoders that a file may meet, whatever its name: others run programs, or read what nobody asked for."""
_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


def images(folder: str | Path, split: str = "test", first: int = 0) -> Samples:
    """Images from ``folder/split/class/*.png`` or, without splits, ``folder/class/*.png``.

    Args:
        folder: The folder. Classes are counted in the alphabetical order of their folders' names, over both
            splits, and images follow the order of their names. PNG, JPEG, BMP, PPM, TIFF and WebP are read;
            other files, and names that begin with a dot, are passed over.
        split: ``train`` or ``test``; of no effect where the folder does not tell them apart, and the samples
            then have the split ``""``.
        first: How many of the first images are wanted; others are not opened. 0 takes all.

    Returns:
        RGB images, uint8, shape (image, 3, height, width), without a usual normalisation.

    Raises:
        DataError: If folders are missing, an image is damaged, or the images differ in size.
    """
    check_split(split)
    try:
        paths, classes, found_split = _found(folder, split, first)
    except OSError as error:
        raise DataError(
            f"cannot read the folder {folder}: {error.strerror or error}; check the path"
        ) from error
    return Samples(
        inputs=torch.from_numpy(_read_all([path for path, _ in paths])),
        targets=torch.tensor([label for _, label in paths]),
        source=f"images:{folder}",
        split=found_split,
        class_names=tuple(classes),
    )


def _found(folder: str | Path, split: str, first: int) -> tuple[list[tuple[Path, int]], list[str], str]:
    """Images with their classes, the names of all classes, and the split they are said to be of."""
    root = expanded(folder)
    if not root.is_dir():
        found = f" (it is {kind(root) or 'a file'})" if root.is_file() else ""
        raise DataError(f"there is no folder {folder}{found}; expected one that holds a subfolder per class")
    splits = {name: root / name for name in SPLITS if _subfolders(root / name)}
    if splits and split not in splits:
        raise DataError(
            f"{folder} has no '{split}' folder of classes, only '{next(iter(splits))}'; choose that split, "
            f"or give another folder as images:{folder}/NAME"
        )
    roots = list(splits.values()) or [root]
    classes = sorted({place.name for parent in roots for place in _subfolders(parent)})
    base = splits.get(split, root)
    every = ((path, label) for label, name in enumerate(classes) for path in _image_files(base / name))
    paths = list(itertools.islice(every, first or None))
    if not paths:
        raise DataError(
            f"no images in the class folders of {base} ({', '.join(classes[:10]) or 'there are none'}); "
            f"expected CLASS/NAME with one of {', '.join(_SUFFIXES)}"
        )
    return paths, classes, split if splits else ""


def _subfolders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():  # a class that only the other split has
        return []
    named = [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES]
    return sorted(path for path in named if path.is_file() and not path.name.startswith("."))


def _read_all(paths: list[Path]) -> np.ndarray:
    """All images in one array, uint8, shape (image, 3, height, width)."""
    first = _read_image(paths[0])
    budget.require(len(paths) * first.nbytes, f"{len(paths):,} images like {paths[0]} take", DataError)
    everything = np.empty((len(paths), *first.shape), np.uint8)
    for position, path in enumerate(paths):
        image = _read_image(path)
        if image.shape != first.shape:
            raise DataError(
                f"{path} is {image.shape[2]}×{image.shape[1]} pixels (width × height), but {paths[0]} is "
                f"{first.shape[2]}×{first.shape[1]}; resize or crop all images to one size first"
            )
        everything[position] = image
    return everything


def _read_image(path: Path) -> np.ndarray:
    """One image as RGB, uint8, shape (3, height, width)."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                _check_size_and_mode(path, image.size, image.mode)
                pixels = np.asarray(image.convert("RGB"))
    except DataError:
        raise
    except Exception as error:  # decoders raise whatever a damaged file makes them run into
        reason = str(error).strip() or type(error).__name__
        raise DataError(f"cannot read the image {path}: {reason}; repair or remove it") from error
    return pixels.transpose(2, 0, 1)


def _check_size_and_mode(path: Path, size: tuple[int, int], mode: str) -> None:
    """Refuse an image before its pixels are decoded."""
    check_pixels(*size, str(path))
    if mode not in _EIGHT_BIT_MODES:
        raise DataError(
            f"{path} has pixels of mode '{mode}', expected 8 bits per channel; convert it to 8-bit RGB, "
            "or store the images as floats in an .npz file"
        )
