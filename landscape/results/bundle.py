"""All results of a comparison as one file, to be sent on or shipped; opening it needs no torch."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import ResultError, printable
from landscape.replacing import atomic_path
from landscape.results.members import Archive, is_plain, opened
from landscape.results.schema import FORMAT, attribute, plain, require_format
from landscape.results.store import checked

Results = Mapping[str, Mapping[str, xr.Dataset]]
"""Network name → name of the result → dataset."""

BULKY = ("direction", "direction_origin", "log_probability", "confidence", "target")
"""What no figure and no verdict reads, and most of the bytes."""

_INDEX = "dataset.json"
_MANIFEST = "bundle.json"
_DATE = (1980, 1, 1, 0, 0, 0)


def save_bundle(results: Results, path: str | Path, *, slim: bool = False) -> Path:
    """Write results as one zip file of NumPy arrays, ``NETWORK/RESULT/VARIABLE.npy``.

    A zarr store for each of hundreds of small results would take a minute to read; this takes a second. The
    folders that checkpoints lay in are left out, only the files' names stay. The same results give the same
    bytes. ``bundle.json`` holds the number of the format and the SHA-256 of every other file.

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
    digests: dict[str, str] = {}
    with atomic_path(path) as draft, zipfile.ZipFile(draft, "w") as archive:
        for network, kinds in results.items():
            for name, dataset in kinds.items():
                spare = [each for each in BULKY if slim and each in dataset]
                for member, content in _members(network, name, dataset.drop_vars(spare)):
                    digests[member] = hashlib.sha256(content).hexdigest()
                    archive.writestr(_entry(member), content)
        manifest = {"format_version": FORMAT, "files": digests}
        archive.writestr(_entry(_MANIFEST), json.dumps(manifest, sort_keys=True))
    return Path(path)


def _members(network: str, name: str, dataset: xr.Dataset) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a result."""
    place = f"{_folder(network)}/{_folder(name)}"
    index: dict[str, Any] = {"network": network, "result": name, "attrs": _anonymous(dataset)}
    index["variables"] = {}
    for key in sorted(map(str, dataset.variables)):
        variable = dataset[key].variable
        words = variable.dtype.kind in "OUT"
        index["variables"][key] = {
            "dims": variable.dims,
            "attrs": variable.attrs,
            "coordinate": key in dataset.coords,
            "words": words,
        }
        values = variable.values.astype(str) if words else variable.values
        content = io.BytesIO()
        np.lib.format.write_array(content, np.asarray(values), allow_pickle=False)
        yield f"{place}/{key}.npy", content.getvalue()
    yield f"{place}/{_INDEX}", json.dumps(index, default=plain, sort_keys=True).encode()


def _folder(name: str) -> str:
    """The name, or a digest of one that no folder should have."""
    if is_plain(name) and "/" not in name:
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


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
    """Read all results of a bundle into memory, if it is as it was written.

    Bundles of version 0.1 have no manifest; the checksums of zip are compared in any case.

    Raises:
        ResultError: If it is no bundle, was altered or damaged, or a result in it is.
    """
    results: dict[str, dict[str, xr.Dataset]] = {}
    with opened(path, "a bundle of results") as archive:
        files = {name for name in archive.names if not name.endswith("/")} - {_MANIFEST}
        digests = _stated(archive, files, path)
        for place in [
            name.removesuffix(f"/{_INDEX}") for name in archive.names if name.endswith(f"/{_INDEX}")
        ]:
            if place.count("/") != 1:
                raise ResultError(f"{path} is damaged: {printable(place)} is no NETWORK/RESULT")
            network, name, dataset = _read(archive, place, files, digests)
            found = checked(dataset, f"{path}: {printable(place)}", name)
            if name in results.setdefault(network, {}):
                raise ResultError(
                    f"{path} is damaged: it holds two {printable(name)} of {printable(network)}"
                )
            results[network][name] = found
        if results and files:
            raise ResultError(f"{path} is damaged: {printable(min(files))} belongs to no result")
    if not results:
        raise ResultError(f"{path} holds no results; `landscape export DIR --to FILE.zip` writes bundles")
    return results


def _stated(archive: Archive, files: set[str], path: str | Path) -> dict[str, Any]:
    """The digests that the bundle states, all of them of files that are there; none of version 0.1."""
    if _MANIFEST not in archive.names:
        return {}
    manifest = archive.json(_MANIFEST)
    require_format(manifest, path)
    digests = manifest.get("files")
    if not isinstance(digests, dict) or set(digests) != files:
        raise ResultError(f"{path} is damaged: it does not hold the files that its manifest names")
    return digests


def _read(
    archive: Archive, place: str, files: set[str], digests: Mapping[str, Any]
) -> tuple[str, str, xr.Dataset]:
    """Names of network and result, and the result; its files are taken off the list."""
    index = archive.json(f"{place}/{_INDEX}", digests)
    network, _, name = place.partition("/")
    variables: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for key, about in index["variables"].items():
        values = archive.array(f"{place}/{key}.npy", digests)
        if about["words"]:
            values = values.astype(object)
        variables[bool(about["coordinate"])][key] = (about["dims"], values, about["attrs"])
    files -= {f"{place}/{_INDEX}", *(f"{place}/{key}.npy" for key in index["variables"])}
    dataset = xr.Dataset(variables[False], coords=variables[True], attrs=index["attrs"])
    return str(index.get("network", network)), str(index.get("result", name)), dataset
