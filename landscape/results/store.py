"""Results on disk: one zarr directory a dataset, written whole or not at all; opening needs no torch."""

from __future__ import annotations

import os
from pathlib import Path

import xarray as xr

from landscape.errors import ResultError
from landscape.files import atomic_path
from landscape.results.kinds import KINDS
from landscape.results.schema import ATTRIBUTES, attribute, condition


def check_place(path: str | Path) -> Path:
    """The path, if a result can be saved there; asked before a measurement of hours, not after it.

    Raises:
        ResultError: If a file, or a folder with anything but a result in it, is there, or none can be made.
    """
    target = Path(path)
    if target.is_dir() and not (target / "zarr.json").is_file() and any(target.iterdir()):
        raise ResultError(
            f"{path} is a folder with other files in it, which a result would replace; choose another --out"
        )
    nearest = next(place for place in (target, *target.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ResultError(
            f"cannot write {path}: {nearest} is no folder that can be written; choose another --out"
        )
    return target


def save(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a result as a zarr directory store; an older one at the same place is replaced.

    Raises:
        ResultError: If the place is taken, see `check_place`.
        LandscapeError: If it cannot be written.
    """
    check_place(path)
    with atomic_path(path) as draft:
        dataset.to_zarr(draft, mode="w", consolidated=False)
    return Path(path)


def load(path: str | Path) -> xr.Dataset:
    """Open a result and read it into memory.

    Raises:
        ResultError: If there is none at `path`, it is not one of ours, or parts of it are missing.
    """
    if not Path(path).is_dir():
        raise ResultError(f"no result at {path}; results are folders that end in .zarr")
    try:
        dataset = xr.open_zarr(path, consolidated=False).load()
    except Exception as error:  # zarr raises many kinds for a damaged store
        raise ResultError(f"{path} cannot be read as a zarr store: {error}") from error
    return checked(_with_plain_words(dataset), str(path), Path(path).stem)


def checked(dataset: xr.Dataset, place: str, name: str) -> xr.Dataset:
    """The dataset with its `condition`, if it is a whole result of ours.

    Args:
        dataset: What was read.
        place: Where, for the message.
        name: What it is called there.

    Raises:
        ResultError: If it is of no known kind, or variables or attributes are missing.
    """
    kind = KINDS.get(str(dataset.attrs.get("kind")))
    if kind is None:
        raise ResultError(f"{place} is readable, but not a result of landscape")
    missing = [variable for variable in kind.variables if variable not in dataset]
    if missing:
        raise ResultError(f"{place} is damaged: {', '.join(missing)} is missing; copy or measure it again")
    for needed in ATTRIBUTES:
        attribute(dataset, needed)
    return dataset.assign_attrs(condition=condition(dataset, name))


def _with_plain_words(dataset: xr.Dataset) -> xr.Dataset:
    """Words as the objects they were; they are read as NumPy's StringDType, which little else takes."""
    words = {
        name: (variable.dims, variable.values.astype(object), variable.attrs)
        for name, variable in dataset.variables.items()
        if variable.dtype.kind == "T"
    }
    labels = {name: words.pop(name) for name in list(words) if name in dataset.coords}
    return dataset.assign_coords(labels).assign(words)
