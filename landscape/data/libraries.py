"""Data sets of torchvision, of Hugging Face, and of a user's own file, as samples."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from landscape.errors import DataError
from landscape.samples import Samples

_USUAL_FACTORY = "dataset"


def torchvision(place: str, split: str, options: Mapping[str, Any]) -> Samples:
    """A data set of torchvision, ``torchvision:CIFAR10:DIR``, as images in [0, 1].

    Raises:
        DataError: If torchvision is not installed, has no such data set, or cannot read it.
    """
    name, _, folder = place.partition(":")
    datasets = _module("torchvision.datasets", "torchvision")
    kind = getattr(datasets, name, None)
    if not isinstance(kind, type) or not issubclass(kind, Dataset) or not folder:
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
        return Samples.of(found, source=f"torchvision:{place}", split=split if way else "", **options)
    raise DataError(f"torchvision's {name} needs more than a folder; give file.py:factory that makes it")


def hugging_face(place: str, split: str, options: Mapping[str, Any]) -> Samples:
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
    return Samples.of(found.with_format("torch"), source=f"hf:{place}", split=split, **options)


def of_factory(spec: str, split: str, options: Mapping[str, Any], make: Callable[[str], Any]) -> Samples:
    """What a user's own ``file.py:NAME`` gives: samples, a data set, a loader, or a function that makes one.

    Args:
        spec: File and name.
        split: Given to a function that has a parameter of this name.
        options: For `Samples.of`.
        make: Imports what a specification names and calls it where it is a function.

    Raises:
        DataError: If it gives anything else.
    """
    found = make(spec if ":" in spec else f"{spec}:{_USUAL_FACTORY}")
    if isinstance(found, Samples):
        return found
    if isinstance(found, Dataset | DataLoader | tuple) or hasattr(found, "__getitem__"):
        return Samples.of(found, source=spec, split=split, **options)
    raise DataError(f"{spec} gives a {type(found).__name__}, expected Samples, a data set or a loader of PyTorch")


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # torchvision beside another torch
        extra = {"torchvision": "landscape[torchvision]"}.get(package, package)
        raise DataError(
            f"this needs {package}, which cannot be imported ({error}); try pip install '{extra}'"
        ) from error


def exists(spec: str) -> bool:
    """Whether a specification begins with a Python file."""
    return spec.partition(":")[0].endswith(".py") and Path(spec.partition(":")[0]).is_file()
