"""The embedded demo set: the first 1,000 training and the first 1,000 test images of CIFAR-10."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from landscape.data.cifar import cifar10
from landscape.data.conventions import NORMALISATIONS, SPLITS, check_split
from landscape.data.members import opened
from landscape.errors import DataError
from landscape.files import atomic_path
from landscape.samples import Samples

COUNT = 1000
"""Images in each split."""


def demo(split: str = "test") -> Samples:
    """The embedded demo set, part of CIFAR-10; nothing is downloaded.

    Args:
        split: ``train`` (the first 1,000 training images) or ``test`` (the first 1,000 test images).

    Returns:
        Images, uint8, shape (1000, 3, 32, 32), in CIFAR-10's file order.

    Raises:
        DataError: If the split is unknown, or the installation lacks the file.

    Examples:
        >>> import landscape as ls
        >>> samples = ls.data.demo("train")
        >>> len(samples), samples.inputs.shape, samples.inputs.dtype
        (1000, torch.Size([1000, 3, 32, 32]), torch.uint8)
    """
    check_split(split)
    resource = files("landscape.data") / "embedded" / _file_name(split)
    try:
        with resource.open("rb") as stream, opened(stream, str(resource)) as stored:
            contents = {key: stored.read(key) for key in stored.keys}
    except OSError as error:
        raise DataError(
            "the embedded demo set is missing from this installation; reinstall landscape"
        ) from error
    return Samples(
        inputs=torch.from_numpy(contents["images"]),
        targets=torch.from_numpy(contents["labels"].astype(np.int64)),
        source="demo",
        split=split,
        indices=contents["indices"],
        normalisation=NORMALISATIONS["cifar10"],
        class_names=tuple(str(name) for name in contents["class_names"]),
    )


def write_embedded(cifar_dir: str | Path, folder: str | Path) -> list[Path]:
    """Write the demo set's files from a copy of CIFAR-10; the same images give the same bytes.

    Args:
        cifar_dir: CIFAR-10 in an official layout, with at least the first training batch and the test batch.
        folder: Where the two files go.

    Returns:
        The files written.

    Raises:
        DataError: If CIFAR-10 is damaged, or lacks the first training batch.
    """
    written = []
    for split in SPLITS:
        samples = cifar10(cifar_dir, split).take(COUNT)
        if samples.indices is None or samples.indices[-1] != COUNT - 1:
            raise DataError(f"{samples.source} lacks the first batch, which holds the images of the demo set")
        target = Path(folder) / _file_name(split)
        arrays = {
            "images": samples.inputs.numpy(),
            "labels": samples.targets.numpy().astype(np.uint8),
            "indices": samples.indices.astype(np.int64),
            "class_names": np.array(samples.class_names),
        }
        with atomic_path(target) as draft:
            _write_npz(draft, arrays)
        written.append(target)
    return written


def _file_name(split: str) -> str:
    return f"cifar10-{split}-first-{COUNT}.npz"


def _write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """As `numpy.savez_compressed`, but without the time and the platform of writing in it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
