"""CIFAR-10 and CIFAR-100 as their author distributes them: the binary files and the Python files.

A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from landscape.data.conventions import NORMALISATIONS, check_split
from landscape.data.unpickle import unpickle
from landscape.errors import DataError
from landscape.files import expanded, kind
from landscape.samples import Samples

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_LARGEST_LISTING = 2**16
Content = tuple[np.ndarray, np.ndarray]
"""Pixels, uint8, shape (image, 3072), and labels, shape (image,)."""


@dataclass(frozen=True)
class _Family:
    """How one of the two data sets is laid out.

    `files` lists the files of a split, without the binary layout's suffix, and `records` the images in each.
    The last of the `label_bytes` before an image, and the list `label_key`, is the class.
    """

    name: str
    classes: int
    folders: tuple[str, str]
    files: dict[str, tuple[str, ...]]
    records: dict[str, int]
    label_bytes: int
    label_key: str
    binary_names: str
    python_names: tuple[str, str]


_CIFAR10 = _Family(
    name="cifar10",
    classes=10,
    folders=("cifar-10-batches-bin", "cifar-10-batches-py"),
    files={"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)},
    records={"train": 10_000, "test": 10_000},
    label_bytes=1,
    label_key="labels",
    binary_names="batches.meta.txt",
    python_names=("batches.meta", "label_names"),
)

_CIFAR100 = _Family(
    name="cifar100",
    classes=100,
    folders=("cifar-100-binary", "cifar-100-python"),
    files={"train": ("train",), "test": ("test",)},
    records={"train": 50_000, "test": 10_000},
    label_bytes=2,
    label_key="fine_labels",
    binary_names="fine_label_names.txt",
    python_names=("meta", "fine_label_names"),
)


def cifar10(folder: str | Path, split: str = "test", first: int = 0) -> Samples:
    """CIFAR-10 in its official binary or Python layout.

    Args:
        folder: The folder with the batches, or the one that holds ``cifar-10-batches-bin`` or ``-py``.
        split: ``train`` (as many of the five batches as are there, in order) or ``test``.
        first: How many of the first images are wanted; batches beyond are not read. 0 takes all.

    Returns:
        Images, uint8, shape (image, 3, 32, 32). Indices count through the whole official split, also where
        batches are missing, and the source then says which are there.

    Raises:
        DataError: If no file of the split is there, or one is damaged.
    """
    return _read(folder, split, _CIFAR10, first)


def cifar100(folder: str | Path, split: str = "test", first: int = 0) -> Samples:
    """CIFAR-100 with its 100 fine labels, in its official binary or Python layout.

    Args:
        folder: The folder with the files, or the one that holds ``cifar-100-binary`` or ``-python``.
        split: ``train`` or ``test``.
        first: How many of the first images are wanted; they lie in one file, which is read.

    Returns:
        Images, uint8, shape (image, 3, 32, 32).

    Raises:
        DataError: If the file of the split is not there, or is damaged.
    """
    return _read(folder, split, _CIFAR100, first)


def _read(folder: str | Path, split: str, family: _Family, first: int) -> Samples:
    check_split(split)
    paths = _locate(folder, split, family)
    count, stems = family.records[split], family.files[split]
    present = [stems.index(path.stem) for path in paths]
    source = f"{family.name}:{folder}"
    if len(present) < len(stems):
        source += f" (batches {', '.join(str(i + 1) for i in present)} of {len(stems)})"
    needed = -(-first // count) if first else len(paths)
    paths, present = paths[:needed], present[:needed]
    contents = [_read_file(path, count, family) for path in paths]
    images = np.concatenate([pixels for pixels, _ in contents]).reshape(-1, *_SHAPE)
    labels = np.concatenate([labels for _, labels in contents])
    return Samples(
        inputs=torch.from_numpy(images),
        targets=torch.from_numpy(labels),
        source=source,
        split=split,
        indices=np.concatenate([np.arange(i * count, (i + 1) * count) for i in present]),
        normalisation=NORMALISATIONS[family.name],
        class_names=_class_names(paths[0], family),
    )


def _locate(folder: str | Path, split: str, family: _Family) -> list[Path]:
    """Files of the split, in order, in the layout of which most are there (the binary one first)."""
    root = expanded(folder)
    try:
        found = sorted(path.name for path in root.iterdir())
        candidates = [
            [path for stem in family.files[split] if (path := place / (stem + suffix)).is_file()]
            for place in (root, *(root / name for name in family.folders))
            for suffix in (".bin", "")
        ]
    except OSError as error:
        other = kind(root) if root.is_file() else ""
        reason = f"it is {other}" if other else error.strerror or error
        raise DataError(f"cannot read the folder {folder}: {reason}; check the path") from error
    best = max(candidates, key=len)
    if not best:
        stem = family.files[split][0]
        raise DataError(
            f"no {split} files of {family.name} in {folder}, which holds "
            f"{', '.join(found[:10]) or 'nothing'}; expected {stem}.bin or {stem} there, or in its subfolder "
            f"{' or '.join(family.folders)}; landscape.data.fetch.fetch('{family.name}', FOLDER) downloads "
            "the official archive"
        )
    return best


def _read_file(path: Path, count: int, family: _Family) -> Content:
    read = _read_binary if path.suffix == ".bin" else _read_python
    pixels, labels = read(path, count, family)
    wrong = np.flatnonzero((labels < 0) | (labels >= family.classes))
    if len(wrong):
        raise DataError(
            f"{path}: image {wrong[0]} has the label {labels[wrong[0]]}, expected 0 to {family.classes - 1} "
            f"for {family.name}; the file is damaged or of another data set; {_remedy(family)}"
        )
    return pixels, labels.astype(np.int64)


def _read_binary(path: Path, count: int, family: _Family) -> Content:
    """Records of the label bytes, then the pixels, channel by channel and row by row."""
    record = family.label_bytes + _PIXELS
    size = path.stat().st_size
    if size != count * record:
        raise DataError(
            f"{path} has {size:,} bytes, expected {count * record:,} ({count:,} records of {record:,}); "
            f"it is only partly downloaded or of another data set; {_remedy(family)}"
        )
    try:
        records = np.fromfile(path, np.uint8).reshape(count, record)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return records[:, family.label_bytes :], records[:, family.label_bytes - 1]


def _read_python(path: Path, count: int, family: _Family) -> Content:
    batch = unpickle(path)
    if not {"data", family.label_key} <= batch.keys():
        raise DataError(
            f"{path} holds {', '.join(sorted(batch)) or 'nothing'}, "
            f"expected 'data' and '{family.label_key}'; {_remedy(family)}"
        )
    pixels, labels = batch["data"], batch[family.label_key]
    if not isinstance(pixels, np.ndarray) or pixels.shape != (count, _PIXELS) or pixels.dtype != np.uint8:
        raise DataError(
            f"'data' in {path} is {_describe(pixels)}, expected uint8 of shape ({count}, {_PIXELS}); "
            f"{_remedy(family)}"
        )
    if isinstance(labels, np.ndarray):
        labels = labels.tolist()
    if not isinstance(labels, list) or len(labels) != count or not all(type(x) is int for x in labels):
        raise DataError(
            f"'{family.label_key}' in {path} is {_describe(labels)}, expected a list of {count} integers; "
            f"{_remedy(family)}"
        )
    return np.asarray(pixels), np.array(labels)


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"a {type(value).__name__}" + (f" of length {len(value)}" if hasattr(value, "__len__") else "")


def _class_names(path: Path, family: _Family) -> tuple[str, ...]:
    """Names from the file beside the batches; none where it is missing."""
    if path.suffix == ".bin":
        listing = path.parent / family.binary_names
        names = _words(listing) if listing.is_file() else []
    else:
        file, key = family.python_names
        listing = path.parent / file
        names = unpickle(listing).get(key, []) if listing.is_file() else []
    words = isinstance(names, list) and all(isinstance(name, bytes | str) for name in names)
    if not words or len(names) not in (0, family.classes):
        found = f"{len(names)} class names" if words else "what are no names"
        raise DataError(
            f"{listing} lists {found}, expected {family.classes}; {_remedy(family)}, or "
            "delete it to go without names"
        )
    return tuple(name.decode("latin1") if isinstance(name, bytes) else name for name in names)


def _words(listing: Path) -> list[str]:
    """The words of a text, of which a list of classes needs but a page."""
    with open(listing, "rb") as stream:
        return stream.read(_LARGEST_LISTING).decode("utf-8", errors="replace").split()


def _remedy(family: _Family) -> str:
    return f"delete it and download again with landscape.data.fetch.fetch('{family.name}', FOLDER)"
