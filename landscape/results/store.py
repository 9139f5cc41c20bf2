"""Results on disk: one zarr directory a dataset, written whole or not at all; opening needs no torch."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr

from landscape.errors import ResultError, printable
from landscape.replacing import atomic_path, settle
from landscape.results import stored
from landscape.results.budget import room
from landscape.results.checks import rechecked
from landscape.results.kinds import KINDS
from landscape.results.schema import FORMAT, attribute, check_records, condition, require_format
from landscape.results.surfaces import check_grid

_VALUES = "biufOTUM"  # truth values, numbers, words, times
FRAGMENT = ".partial.zarr"
"""End of the name of a result that is not finished."""


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
    """Write a result as a zarr directory store; an older one at the same place is replaced in one step.

    The store carries the number of its format and a manifest of its files, see `landscape.results.stored`.

    Raises:
        ResultError: If the place is taken, see `check_place`.
        LandscapeError: If it cannot be written.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> surface = ls.analyses.surface(objective, span=0.5, steps=3)
        >>> ls.results.save(surface, "gap-surface.zarr").name
        'gap-surface.zarr'
    """
    check_place(path)
    with atomic_path(path, lasting=True) as draft:
        _write(dataset, draft)
        stored.write_manifest(draft, {"format_version": FORMAT})
    return Path(path)


def _write(dataset: xr.Dataset, draft: Path) -> None:
    dataset.to_zarr(draft, mode="w", consolidated=False)
    size = sum(file.stat().st_size for file in draft.rglob("*") if file.is_file())
    if dataset.nbytes > room(size):  # long runs of one value, which would be refused: as they are, then
        plainly = {name: {"compressors": None} for name in dataset.variables}
        options: Any = {"write_empty_chunks": True}
        dataset.to_zarr(draft, mode="w", consolidated=False, encoding=plainly, **options)


def load(path: str | Path) -> xr.Dataset:
    """Open a result, verify it and read it into memory.

    Results of version 0.1 have no manifest and are read without verification.

    Raises:
        ResultError: If there is none at `path`, it is not one of ours, was altered or damaged, or was written
            in the format of a newer version.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> path = ls.results.save(ls.analyses.evaluation(objective), "gap-evaluation.zarr")
        >>> ls.results.load(path).attrs["kind"]
        'evaluation'
    """
    place = Path(path)
    if not place.exists():
        settle(place)
    if not place.is_dir():
        raise ResultError(f"no result at {path}; results are folders that end in .zarr")
    while True:
        before = place.stat().st_ino
        try:
            return checked(_with_plain_words(_opened(place)), str(path), place.stem)
        except (OSError, ResultError) as error:
            if place.is_dir() and place.stat().st_ino != before:
                continue  # it was replaced meanwhile
            if isinstance(error, OSError):
                raise ResultError(f"{path} cannot be read: {error.strerror or error}") from error
            raise


def _opened(place: Path) -> xr.Dataset:
    from zarr.core.buffer import default_buffer_prototype
    from zarr.storage import MemoryStore

    files = stored.read(place)
    as_buffer = default_buffer_prototype().buffer.from_bytes
    try:
        store = MemoryStore({key: as_buffer(content) for key, content in files.items()}, read_only=True)
        return xr.open_zarr(store, consolidated=False, chunks=None).load()
    except Exception as error:  # zarr raises many kinds for a damaged store
        raise ResultError(f"{place} cannot be read as a zarr store: {printable(error)}") from error


def fragment_place(path: str | Path) -> Path:
    """Where what there is of an unfinished result goes: ``NAME.partial.zarr`` beside ``NAME.zarr``."""
    place = Path(path)
    return place.with_name(f"{place.name.removesuffix('.zarr')}{FRAGMENT}")


def drop_fragment(dataset: xr.Dataset, path: str | Path) -> None:
    """Remove the fragment of a result that is finished now; one of another network or protocol stays.

    Args:
        dataset: The finished result.
        path: Where it is.
    """
    place = fragment_place(path)
    settle(place)
    if not place.is_dir():
        return
    with suppress(ResultError, OSError):
        part = load(place)
        if all(attribute(part, name) == attribute(dataset, name) for name in ("network", "protocol")):
            shutil.rmtree(place)


def checked(dataset: xr.Dataset, place: str, name: str) -> xr.Dataset:
    """The dataset with its `condition` and with checks that its numbers bear out, if it is a result of ours.

    Args:
        dataset: What was read.
        place: Where, for the message.
        name: What it is called there.

    Raises:
        ResultError: If it is of no known kind, or variables or attributes are missing.
    """
    require_format(dataset.attrs, place)
    kind = KINDS.get(str(dataset.attrs.get("kind")))
    if kind is None:
        raise ResultError(f"{place} is readable, but not a result of landscape")
    missing = [variable for variable in kind.variables if variable not in dataset]
    if missing:
        raise ResultError(f"{place} is damaged: {', '.join(missing)} is missing; copy or measure it again")
    for variable, held in dataset.variables.items():
        if len(set(held.dims)) < len(held.dims) or held.dtype.kind not in _VALUES:
            raise ResultError(f"{place} is damaged: {printable(variable)} holds no values that results have")
    check_records(dataset, place)
    if kind.name == "surface":
        check_grid(dataset, place)
    dataset = dataset.assign_attrs(condition=condition(dataset, name))
    for of_file in ("format_version", "landscape_schema"):
        dataset.attrs.pop(of_file, None)
    network = attribute(dataset, "network")
    if not str(network.get("name") or "").isprintable():
        named = {**network, "name": printable(network["name"])}
        dataset = dataset.assign_attrs(network=json.dumps(named))
    return rechecked(dataset)


def _with_plain_words(dataset: xr.Dataset) -> xr.Dataset:
    """Words as the objects they were; they are read as NumPy's StringDType, which little else takes."""
    words = {
        name: (variable.dims, variable.values.astype(object), variable.attrs)
        for name, variable in dataset.variables.items()
        if variable.dtype.kind == "T"
    }
    labels = {name: words.pop(name) for name in list(words) if name in dataset.coords}
    return dataset.assign_coords(labels).assign(words)
