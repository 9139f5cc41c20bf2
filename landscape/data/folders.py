"""A folder of images: one subfolder per class, the class's name on it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import torch

from landscape.data.conventions import SPLITS, check_split
from landscape.data.pictures import Shaping, pictures
from landscape.errors import DataError
from landscape.files import expanded, kind
from landscape.samples import Samples

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def images(folder: str | Path, split: str = "test", first: int = 0, **shaping: Any) -> Samples:
    """Images from ``folder/split/class/*.png`` or, without splits, ``folder/class/*.png``.

    Args:
        folder: The folder. Classes are counted in the alphabetical order of their folders' names, those of
            the training images where there are such, and images, also those in folders inside, follow the
            order of their names. PNG, JPEG, BMP, PPM, TIFF and WebP are read; other files, and names that
            begin with a dot, are passed over.
        split: ``train`` or ``test``; of no effect where the folder does not tell them apart, and the samples
            then have the split ``""``.
        first: How many of the first images are wanted; 0 takes all.
        **shaping: How an image gets its size, see `landscape.data.pictures.Shaping`: `resize`, `crop`,
            `squash`, `channels` and `interpolation`.

    Returns:
        Images, uint8, shape (image, channel, height, width), without a usual normalisation. Each is decoded
        when it is asked for; what is damaged, or of another size than the first one, is refused then.

    Raises:
        DataError: If folders are missing, test images have a class that training images have not, or the
            first image is damaged.
    """
    check_split(split)
    try:
        paths, classes, found_split = _found(folder, split, first)
    except OSError as error:
        raise DataError(
            f"cannot read the folder {folder}: {error.strerror or error}; check the path"
        ) from error
    source = ",".join([f"images:{folder}", *(f"{name}={value}" for name, value in shaping.items())])
    return Samples(
        inputs=pictures([path for path, _ in paths], Shaping(**shaping)),
        targets=torch.tensor([label for _, label in paths]),
        source=source,
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
    base = splits.get(split, root)
    counted = splits.get("train", base)
    classes = sorted(place.name for place in _subfolders(counted))
    others = sorted({place.name for place in _subfolders(base)} - set(classes))
    if others:
        raise DataError(
            f"{base} holds class folders that {counted} has not: {', '.join(others[:10])}; networks trained "
            f"on the latter have no such class; remove them, or give images:{base} for classes of its own"
        )
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
    found = []
    for place, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.suffix.lower() in _SUFFIXES and path.is_file())
