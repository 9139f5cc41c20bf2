"""Data sets as `Samples`: readers, the embedded demo set, and the ``--data SPEC`` of the command line.

`landscape.data.fetch.fetch` downloads the official archives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from landscape.data.arrays import npz
from landscape.data.cifar import cifar10, cifar100
from landscape.data.conventions import NORMALISATIONS
from landscape.data.embedded import demo
from landscape.data.folders import images
from landscape.data.libraries import hugging_face, is_factory, of_factory, torchvision
from landscape.errors import DataError, DataRequestError
from landscape.samples import Samples

__all__ = ["NORMALISATIONS", "cifar10", "cifar100", "demo", "images", "load", "npz"]

_READERS: dict[str, Callable[..., Samples]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "npz": npz,
    "images": images,
}
_LIBRARIES: dict[str, Callable[[str, str], Samples]] = {"torchvision": torchvision, "hf": hugging_face}
_OPTIONS = {"images": {"resize": int, "crop": int, "squash": int, "channels": int, "interpolation": str}}
_FORMS = (
    "demo, cifar10:DIR, cifar100:DIR, npz:FILE, images:DIR[,resize=256,crop=224,channels=1], "
    "torchvision:NAME:DIR, hf:FOLDER, file.py:NAME"
)


def load(spec: str, split: str = "test", first: int = 0) -> Samples:
    """The data set that a specification names.

    Args:
        spec: ``demo``, ``cifar10:DIR``, ``cifar100:DIR``, ``npz:FILE``, ``images:DIR`` with the options of
            `landscape.data.pictures.Shaping` as in ``images:DIR,resize=256,crop=224``,
            ``torchvision:NAME:DIR``, ``hf:FOLDER`` (what `save_to_disk` of datasets wrote), or
            ``file.py:NAME``, whose code is run: samples, a data set, or a function that makes them, which may
            have a parameter `split`.
        split: ``train`` or ``test``.
        first: How many of its first samples are wanted; more may be read, never fewer, unless there are not
            so many. 0 takes all.

    Raises:
        DataError: If the specification has another form, or the data set cannot be read.
    """
    if spec == "demo":
        return demo(split)
    form, _, place = spec.partition(":")
    if form in _LIBRARIES and place:
        return _LIBRARIES[form](place, split)
    if is_factory(spec):
        return of_factory(spec, split)
    if form not in _READERS or not place:
        raise DataRequestError(f"unknown data set '{spec}'; expected one of: {_FORMS}{_guess(spec)}")
    place, options = _with_options(place, _OPTIONS.get(form, {}))
    return _READERS[form](place, split, first, **options)


def _with_options(place: str, known: Mapping[str, type]) -> tuple[str, dict[str, Any]]:
    """A path and the options behind it; a comma that is not followed by one of them belongs to the path."""
    options: dict[str, Any] = {}
    while known and "," in place:
        rest, _, last = place.rpartition(",")
        key, equals, value = last.partition("=")
        if not equals:
            break
        if key not in known:
            raise DataError(f"{key!r} is no option of these data; there are {', '.join(known)}")
        try:
            options = {key: known[key](value), **options}
        except ValueError:
            raise DataError(f"{key} is {value!r}, expected a whole number") from None
        place = rest
    return place, options


def _guess(spec: str) -> str:
    """What was meant by a path alone."""
    if spec and os.path.isdir(spec):
        return f"; for this folder, cifar10:{spec} or images:{spec}"
    return f"; for this file, npz:{spec}" if os.path.isfile(spec) and spec.endswith(".npz") else ""
