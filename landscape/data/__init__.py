"""Data sets as `Samples`: readers, the embedded demo set, and the ``--data SPEC`` of the command line.

`landscape.data.fetch.fetch` downloads the official archives.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from landscape.data.arrays import npz
from landscape.data.cifar import cifar10, cifar100
from landscape.data.conventions import NORMALISATIONS
from landscape.data.embedded import demo
from landscape.data.folders import images
from landscape.errors import DataError
from landscape.samples import Samples

__all__ = ["NORMALISATIONS", "cifar10", "cifar100", "demo", "images", "load", "npz"]

_READERS: dict[str, Callable[[str | Path, str, int], Samples]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "npz": npz,
    "images": images,
}
_FORMS = "demo, cifar10:DIR, cifar100:DIR, npz:FILE, images:DIR"


def load(spec: str, split: str = "test", first: int = 0) -> Samples:
    """The data set that a specification names.

    Args:
        spec: ``demo``, ``cifar10:DIR``, ``cifar100:DIR``, ``npz:FILE`` or ``images:DIR``.
        split: ``train`` or ``test``.
        first: How many of its first samples are wanted; more may be read, never fewer, unless there are not
            so many. 0 takes all.

    Raises:
        DataError: If the specification has another form, or the data set cannot be read.
    """
    if spec == "demo":
        return demo(split)
    form, _, place = spec.partition(":")
    if form not in _READERS or not place:
        raise DataError(f"unknown data set '{spec}'; expected one of: {_FORMS}{_guess(spec)}")
    return _READERS[form](place, split, first)


def _guess(spec: str) -> str:
    """What was meant by a path alone."""
    if spec and os.path.isdir(spec):
        return f"; for this folder, cifar10:{spec} or images:{spec}"
    return f"; for this file, npz:{spec}" if os.path.isfile(spec) and spec.endswith(".npz") else ""
