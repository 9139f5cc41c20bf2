"""Data sets of torchvision, of Hugging Face, and of a user's own file, as samples."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from torch.utils.data import DataLoader, Dataset

from landscape.errors import DataError, installation
from landscape.samples import Samples
from landscape.zoo.user import named


def torchvision(place: str, split: str) -> Samples:
    """A data set of torchvision, ``torchvision:CIFAR10:DIR``, as images in [0, 1].

    Raises:
        DataError: If torchvision is not installed, has no such data set, or cannot read it.
    """
    name, _, folder = place.partition(":")
    datasets = _module("torchvision.datasets", "torchvision")
    kind: Any = getattr(datasets, name, None)
    usable = isinstance(kind, type) and issubclass(kind, Dataset)
    if not usable or not folder:
        raise DataError(f"torchvision:{place} names no data set; expected torchvision:NAME:DIR, as CIFAR10")
    transform = _module("torchvision.transforms", "torchvision").ToTensor()
    train = split == "train"
    for way in ({"train": train}, {"split": split}, {}):
        try:
            found = kind(folder, transform=transform, **way)
        except TypeError:  # it tells its parts apart in another way
            continue
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(f"torchvision cannot read {name} from {folder}: {error}") from error
        return Samples.of(found, source=f"torchvision:{place}", split=split if way else "")
    raise DataError(f"torchvision's {name} needs more than a folder; give file.py:factory that makes it")


def hugging_face(place: str, split: str) -> Samples:
    """A data set that Hugging Face's `datasets` has saved to a folder, ``hf:FOLDER``.

    Raises:
        DataError: If `datasets` is not installed, or the folder holds no such data set or split.
    """
    datasets = _module("datasets", "datasets")
    try:
        found = datasets.load_from_disk(place)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{place} is no folder that save_to_disk of datasets wrote: {error}") from error
    if isinstance(found, Mapping):
        if split not in found:
            raise DataError(f"{place} has no split {split!r}; it has {', '.join(map(str, found))}")
        found = found[split]
    return Samples.of(found.with_format("torch"), source=f"hf:{place}", split=split)


def is_factory(spec: str) -> bool:
    """Whether a specification names something in a Python file."""
    file, colon, name = spec.rpartition(":")
    return bool(colon) and file.endswith(".py") and name.isidentifier()


def of_factory(spec: str, split: str) -> Samples:
    """What a user's own ``file.py:NAME`` is or makes: samples, a data set, a loader, or a pair of arrays.

    Args:
        spec: File and name; the file's code is run.
        split: Given to a function that has a parameter of this name.

    Raises:
        DataError: If there is no such thing, or it makes anything else.
    """
    found = named(spec)
    if callable(found) and not isinstance(found, Dataset):
        takes = "split" in inspect.signature(found).parameters
        try:
            found = found(split=split) if takes else found()
        except Exception as error:  # code of the user's
            raise DataError(f"{spec} fails: {type(error).__name__}: {error}") from error
    if isinstance(found, Samples):
        return found
    if isinstance(found, Dataset | DataLoader | tuple) or hasattr(found, "__getitem__"):
        return Samples.of(found, source=spec, split=split)
    raise DataError(f"{spec} gives a {type(found).__name__}, expected samples, a data set or a loader")


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # torchvision beside another torch
        remedy = installation(package) if package == "torchvision" else f"pip install {package}"
        raise DataError(f"this needs {package}, which cannot be imported ({error}); try {remedy}") from error
