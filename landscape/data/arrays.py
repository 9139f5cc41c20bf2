"""Images and labels in a NumPy ``.npz`` file, however its keys, its channels and its numbers are laid out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from landscape.data.conventions import SPLITS, check_pixels, check_split
from landscape.data.members import opened
from landscape.errors import DataError
from landscape.files import expanded
from landscape.samples import Samples

_CHANNELS = (1, 2, 3, 4)
_ARRAYS = ("inputs", "targets")
"""Any arrays of numbers, taken as they are."""
_PAIRS = (("images", "labels"), ("x", "y"), ("data", "targets"), _ARRAYS)
_MOST_CLASSES = 2**31
_SPLIT_PAIRS = {
    split: (
        (f"{split}_images", f"{split}_labels"),
        (f"x_{split}", f"y_{split}"),
        (f"{split}_data", f"{split}_targets"),
        (f"{split}_inputs", f"{split}_targets"),
    )
    for split in SPLITS
}


def npz(file: str | Path, split: str = "test", first: int = 0) -> Samples:
    """Images and labels from an ``.npz`` file.

    Args:
        file: The file. It holds the pair ``images`` and ``labels`` (or ``x`` and ``y``, or ``data`` and
            ``targets``), or one pair per split: ``train_images`` and ``train_labels`` (or ``x_train`` and
            ``y_train``, or ``train_data`` and ``train_targets``), and likewise for ``test``. Images have
            shape (image, channel, height, width) or (image, height, width, channel) with 1 to 4 channels, or
            (image, height, width), and are uint8, or floating point in [0, 1]; labels are integers from 0.
            The names of the classes may stand in ``class_names``. The pair ``inputs`` and ``targets`` may
            hold any numbers in any shape, such as tables, tokens or pixels' classes, and stays as it is, but
            for images of bytes.
        split: ``train`` or ``test``; of no effect on a file that does not tell them apart, whose samples then
            have the split ``""``.
        first: How many of the first images are wanted; the others do not come into memory. 0 takes all.

    Returns:
        Images with channels first, without a usual normalisation.

    Raises:
        DataError: If the file cannot be read, or its keys, shapes or values are not as above.
    """
    check_split(split)
    path = expanded(file)

    with opened(path) as stored:
        (image_key, label_key), found_split = _choose_pair(stored.keys, file, split)
        if image_key.endswith(_ARRAYS[0]):
            inputs, targets = (_numbers(stored.read(key, first), key, file) for key in (image_key, label_key))
            return Samples(inputs, targets, source=f"npz:{file}", split=found_split)
        shape = stored.shape(image_key)
        grey = len(shape) == 3
        shape = (shape[0], 1, *shape[1:]) if grey else shape
        channels_last = not grey and _is_channels_last(shape, f"'{image_key}' in {file}")
        height, width = shape[1:3] if channels_last else shape[2:]
        check_pixels(width, height, f"'{image_key}' in {file}")
        labels = stored.read(label_key)
        images = stored.read(image_key, first)
        class_names = stored.read("class_names") if "class_names" in stored.keys else np.array([])
    images = images[:, None] if grey else images
    images = _images(images, channels_last, f"'{image_key}' in {file}")
    labels = _labels(labels, f"'{label_key}' in {file}")
    if shape[0] != len(labels):
        raise DataError(
            f"{file} holds {shape[0]} images in '{image_key}' but {len(labels)} labels in '{label_key}'; "
            "each image needs one label"
        )
    names = tuple(str(name) for name in class_names.ravel())
    _check_origin(labels, len(names), f"'{label_key}' in {file}")
    return Samples(
        inputs=torch.from_numpy(images),
        targets=torch.from_numpy(labels[: len(images)]),
        source=f"npz:{file}",
        split=found_split,
        class_names=names,
    )


def _numbers(array: np.ndarray, key: str, file: str | Path) -> np.ndarray:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8 or array.ndim == 0:
        raise DataError(
            f"'{key}' in {file} is {array.dtype} of shape {array.shape}, expected an array of numbers, one "
            "row per sample"
        )
    return array


def _choose_pair(found: list[str], file: str | Path, split: str) -> tuple[tuple[str, str], str]:
    """The keys of images and labels, and the split they are said to be of."""
    has_splits = any(set(pair) & set(found) for pairs in _SPLIT_PAIRS.values() for pair in pairs)
    pairs, found_split = (_SPLIT_PAIRS[split], split) if has_splits else (_PAIRS, "")
    complete = [pair for pair in pairs if set(pair) <= set(found)]
    if len(complete) == 1:
        return complete[0], found_split
    keys = ", ".join(found) or "none"
    if complete:
        choices = " or ".join(f"'{images}' and '{labels}'" for images, labels in complete)
        raise DataError(f"{file} could mean {choices} (its keys: {keys}); keep one pair")
    expected = "; ".join(f"'{images}' and '{labels}'" for images, labels in pairs)
    raise DataError(
        f"{file} holds no {found_split or 'known'} pair of images and labels; its keys are: {keys}; expected "
        f"one of: {expected}" + ("; or choose the other split" if has_splits else "")
    )


def _images(array: np.ndarray, channels_last: bool, name: str) -> np.ndarray:
    """Checked images, channels first, in a byte order and layout that torch takes."""
    _check_values(array, name)
    images = array.transpose(0, 3, 1, 2) if channels_last else array
    return np.ascontiguousarray(images, dtype=images.dtype.newbyteorder("="))


def _is_channels_last(shape: tuple[int, ...], name: str) -> bool:
    if len(shape) != 4:
        raise DataError(
            f"{name} has shape {shape}, expected (image, channel, height, width), (image, height, width, "
            "channel) or (image, height, width); other arrays may be called 'inputs' and 'targets'"
        )
    first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
    if first == last:
        reason = "both dimension 1 and dimension 3 could be" if first else "neither dimension 1 nor 3 is"
        raise DataError(
            f"{name} has shape {shape}: {reason} the channels (1 to 4 of them), so that its layout is not "
            "clear; store images of another size, or with 1 to 4 channels, as (image, channel, height, width)"
        )
    return last


def _check_values(array: np.ndarray, name: str) -> None:
    if array.dtype == np.uint8 or array.size == 0:
        return
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise DataError(f"{name} is {array.dtype}, expected uint8 in 0…255 or float in [0, 1]; convert it")
    low, high = float(array.min()), float(array.max())  # NaN where any value is
    if np.isnan(low):
        raise DataError(f"{name} holds {int(np.isnan(array).sum())} NaN values; replace or drop those images")
    if low < 0 or high > 1:
        raise DataError(
            f"{name} ranges from {low:g} to {high:g}, expected floats in [0, 1]; store uint8, or divide "
            "by 255, and leave normalisation to --mean and --std"
        )


def _labels(array: np.ndarray, name: str) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] == 1:  # a column, as Keras stores them
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iu":
        hint = "; from one-hot rows: labels.argmax(axis=1)" if array.ndim == 2 else ""
        raise DataError(
            f"{name} is {array.dtype} of shape {array.shape}, expected integers of shape (image,){hint}"
        )
    if len(array) and not 0 <= array.min() <= array.max() < _MOST_CLASSES:
        odd = array.min() if array.min() < 0 else array.max()
        raise DataError(f"{name} holds the label {odd}, expected classes counted from 0")
    return array.astype(np.int64)


def _check_origin(labels: np.ndarray, classes: int, name: str) -> None:
    """Refuse labels that run from 1 without a gap, unless the names of the classes show that 0 is one."""
    present = np.unique(labels)
    if len(present) < 2 or present[0] != 1 or present[-1] != len(present) or present[-1] < classes:
        return
    raise DataError(
        f"{name} holds the labels 1 to {present[-1]} and no 0, but classes are counted from 0; subtract 1, "
        "or, if class 0 has no images here, name all classes in 'class_names'"
    )
