"""All results of a comparison as one file, to be sent on or shipped; opening it needs no torch."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import ResultError
from landscape.files import atomic_path
from landscape.results.schema import attribute, plain
from landscape.results.store import checked

Results = Mapping[str, Mapping[str, xr.Dataset]]
"""Network name → name of the result → dataset."""

BULKY = ("direction", "direction_origin", "log_probability", "confidence", "target")
"""What no figure and no verdict reads, and most of the bytes."""

_INDEX = "dataset.json"
_DATE = (1980, 1, 1, 0, 0, 0)
_LARGEST = 2**31
"""Bytes that a bundle may unpack to: it can come from anyone."""


def save_bundle(results: Results, path: str | Path, *, slim: bool = False) -> Path:
    """Write results as one zip file of NumPy arrays, ``NETWORK/RESULT/VARIABLE.npy``.

    A zarr store for each of hundreds of small results would take a minute to read; this takes a second. The
    folders that checkpoints lay in are left out, only the files' names stay. The same results give the same
    bytes.

    Args:
        results: What to write.
        path: Where to.
        slim: Leave out the variables of `BULKY`.

    Raises:
        ResultError: If there is nothing to write.
        LandscapeError: If it cannot be written.
    """
    if not any(results.values()):
        raise ResultError("there are no results to bundle")
    with atomic_path(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        for network, kinds in results.items():
            for name, dataset in kinds.items():
                spare = [each for each in BULKY if slim and each in dataset]
                _write(archive, f"{network}/{name}", dataset.drop_vars(spare))
    return Path(path)


def _write(archive: zipfile.ZipFile, place: str, dataset: xr.Dataset) -> None:
    index: dict[str, Any] = {"attrs": _anonymous(dataset), "variables": {}}
    for name in sorted(map(str, dataset.variables)):
        variable = dataset[name].variable
        words = variable.dtype.kind in "OUT"
        index["variables"][name] = {
            "dims": variable.dims,
            "attrs": variable.attrs,
            "coordinate": name in dataset.coords,
            "words": words,
        }
        with archive.open(_entry(f"{place}/{name}.npy"), "w") as file:
            values = variable.values.astype(str) if words else variable.values
            np.lib.format.write_array(file, np.asarray(values), allow_pickle=False)
    archive.writestr(_entry(f"{place}/{_INDEX}"), json.dumps(index, default=plain, sort_keys=True))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _anonymous(dataset: xr.Dataset) -> dict[str, Any]:
    """Attributes without the folders that checkpoints and data lay in."""
    network, protocol = attribute(dataset, "network"), attribute(dataset, "protocol")
    if network.get("path"):
        network["path"] = Path(network["path"]).name
    attrs = {**dataset.attrs, "network": json.dumps(network, default=plain)}
    source = str((protocol.get("data") or {}).get("source", ""))
    kind, colon, place = source.partition(":")
    if not colon:
        return attrs
    # Results name their data in other attributes, too.
    short = f"{kind}:{Path(place).name}"
    return {
        name: each.replace(source, short) if isinstance(each, str) else each for name, each in attrs.items()
    }


def load_bundle(path: str | Path) -> dict[str, dict[str, xr.Dataset]]:
    """Read all results of a bundle into memory.

    Raises:
        ResultError: If it is no bundle, or a result in it is damaged.
    """
    results: dict[str, dict[str, xr.Dataset]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ResultError(f"{path} would unpack to more than {_LARGEST >> 30} GiB; it is no bundle")
            for entry in archive.namelist():
                place = PurePosixPath(entry)
                if place.name == _INDEX and len(place.parts) == 3:
                    network, name, _ = place.parts
                    dataset = checked(_read(archive, place.parent), f"{path}: {place.parent}", name)
                    results.setdefault(network, {})[name] = dataset
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise ResultError(f"{path} cannot be read as a bundle of results: {error}") from error
    if not results:
        raise ResultError(f"{path} holds no results; `landscape export DIR --to FILE.zip` writes bundles")
    return results


def _read(archive: zipfile.ZipFile, place: PurePosixPath) -> xr.Dataset:
    index = json.loads(archive.read(f"{place}/{_INDEX}"))
    variables: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for name, about in index["variables"].items():
        with archive.open(f"{place}/{name}.npy") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
        if about["words"]:
            values = values.astype(object)
        variables[bool(about["coordinate"])][name] = (about["dims"], values, about["attrs"])
    return xr.Dataset(variables[False], coords=variables[True], attrs=index["attrs"])
