"""A zarr store as bytes: listed, judged by what it declares and compared with its manifest, then decoded.

A store is a folder of ``zarr.json`` and, for each variable, ``NAME/zarr.json`` and the chunks ``NAME/c/…``.
The manifest is an attribute of the group, so that zarr and xarray open the store as any other: the SHA-256 of
every file by its key, and under ``zarr.json`` that of the other attributes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from landscape.errors import ResultError, printable
from landscape.results.budget import WORD, require_room
from landscape.results.schema import require_format

ROOT = "zarr.json"
MANIFEST = "manifest"
_LARGEST_TEXT = 2**24  # bytes of one zarr.json
_MOST_FILES = 50_000
_MOST_CHUNKS = 50_000  # declared, of all variables; a result of 1 GB has some 2,000
_DEEPEST = 40  # folders; one for each dimension
_HOLES = 2**30  # bytes from which a store that takes a quarter of its size on disk is not whole
_BYTES = {
    **{"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2},
    **{"int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8},
    "string": WORD,
}
"""Bytes of a value of each type that results hold; others are not read."""
_CODECS = {"bytes", "vlen-utf8", "zstd"}
"""How results are written; other codecs are not run."""
_FRAME = b"\x28\xb5\x2f\xfd"  # zstd


def write_manifest(folder: Path, attributes: Mapping[str, Any]) -> None:
    """Add attributes and the manifest to a store that was just written."""
    root = json.loads((folder / ROOT).read_bytes())
    root["attributes"].update(attributes)
    files = {key: _read(folder, key, size) for key, size in _files(folder).items()}
    found = json.dumps(_digests(files, root["attributes"]), sort_keys=True)
    root["attributes"][MANIFEST] = found
    (folder / ROOT).write_text(json.dumps(root, indent=2), encoding="utf-8")


def read(folder: Path) -> dict[str, bytes]:
    """The files of a store by their keys, which declare no more than they can hold and match its manifest.

    Raises:
        ResultError: If it is no store of results, declares more than fits its size, or was altered since it
            was written.
        OSError: If a file cannot be read.
    """
    sizes = _files(folder)
    if ROOT not in sizes:
        raise ResultError(f"{folder} cannot be read as a zarr store: it has no {ROOT}")
    files = {key: _read(folder, key, size) for key, size in sizes.items() if key.endswith(ROOT)}
    root = _parsed(files[ROOT], folder, ROOT)
    attributes = root.get("attributes")
    if root.get("node_type") != "group" or not isinstance(attributes, dict):
        raise ResultError(f"{folder} cannot be read as a zarr store: its {ROOT} describes no group")
    require_format(attributes, folder)
    arrays = {key: _parsed(text, folder, key) for key, text in files.items() if key != ROOT}
    chunks = _judge(arrays, sizes, folder)
    for key, size in sizes.items():
        if key not in files:
            files[key] = _read(folder, key, size)
            _judge_chunk(files[key], chunks.get(key.partition("/")[0], 0), folder, key)
    manifest = attributes.pop(MANIFEST, None)
    if manifest is not None or "format_version" in attributes:
        _compare(manifest, _digests(files, attributes), folder)
    bare = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    return {**files, ROOT: json.dumps(bare).encode()}


def _files(folder: Path) -> dict[str, int]:
    """Key and size of every file; hidden ones, which file managers leave, are none of ours."""
    found: dict[str, int] = {}
    blocks = 0
    for key, entry in _walk(folder, ""):
        about = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(about.st_mode):
            raise ResultError(f"{folder} holds {printable(key)}, a link or no plain file: it is not followed")
        found[key] = about.st_size
        blocks += getattr(about, "st_blocks", about.st_size // 512 + 1)
        if len(found) > _MOST_FILES:
            raise ResultError(f"{folder} holds more than {_MOST_FILES:,} files: it is no result")
    total = sum(found.values())
    if total > _HOLES and 4 * 512 * blocks < total:
        raise ResultError(
            f"{folder} is said to have {total:,} bytes, of which {512 * blocks:,} are on disk: the copy did "
            "not finish"
        )
    return found


def _walk(place: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    if prefix.count("/") > _DEEPEST:
        raise ResultError(f"{place} lies deeper than any file of a result")
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}", entry


def _read(folder: Path, key: str, size: int) -> bytes:
    """A file, no more of it than was seen; a link or pipe that took its place is not followed."""
    if key.endswith(ROOT) and size > _LARGEST_TEXT:
        raise ResultError(f"{folder} is damaged: its {printable(key)} has {size:,} bytes")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(folder / key, flags | getattr(os, "O_BINARY", 0)), "rb") as stream:
        return stream.read(size)


def _parsed(text: bytes, folder: Path, key: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultError(
            f"{folder} cannot be read as a zarr store: its {printable(key)} is not JSON"
        ) from error
    if not isinstance(found, dict):
        raise ResultError(f"{folder} cannot be read as a zarr store: its {printable(key)} is no mapping")
    return found


def _judge(arrays: Mapping[str, Any], sizes: Mapping[str, int], folder: Path) -> dict[str, int]:
    """Bytes of a chunk of each variable, if all that they declare has room.

    Raises:
        ResultError: If it has not, or a variable is of a form that results never have.
    """
    declared = count = 0
    chunks = {}
    for key, array in arrays.items():
        name = key.removesuffix(f"/{ROOT}")
        try:
            shape, grid = array["shape"], array["chunk_grid"]["configuration"]["chunk_shape"]
            codecs = [each["name"] for each in array["codecs"]]
            size = _BYTES[array["data_type"]]
        except (KeyError, TypeError) as error:
            raise ResultError(
                f"{folder} cannot be read as a zarr store: {printable(name)} is of no form that results have"
            ) from error
        whole = all(type(each) is int for each in [*shape, *grid])
        if not whole or len(shape) != len(grid) or min(shape, default=0) < 0 or min(grid, default=1) < 1:
            raise ResultError(f"{folder} is damaged: {printable(name)} declares the shape {printable(shape)}")
        if not set(codecs) <= _CODECS or array.get("storage_transformers"):
            raise ResultError(
                f"{folder} holds {printable(name)} in a coding that results are not written in: "
                f"{printable(', '.join(map(str, codecs)))}"
            )
        held = sum(each for file, each in sizes.items() if file.startswith(f"{name}/"))
        chunks[name] = size * math.prod(grid)
        # A chunk is unpacked whole, also where it reaches beyond the shape.
        declared += size * max(math.prod(shape), math.prod(grid) if held > sizes[key] else 0)
        count += math.prod(-(-n // step) for n, step in zip(shape, grid, strict=True))
    require_room(declared, sum(sizes.values()), folder)
    if count > _MOST_CHUNKS:
        raise ResultError(f"{folder} declares {count:,} chunks, more than any result has: it is damaged")
    return chunks


def _judge_chunk(content: bytes, largest: int, folder: Path, key: str) -> None:
    """Refuse a compressed chunk that says it unpacks to more than its variable declares."""
    if content.startswith(_FRAME) and _unpacked(content) > largest + 2**20 + 20 * len(content):
        raise ResultError(f"{folder} is damaged: {printable(key)} unpacks to more than its variable declares")


def _unpacked(frame: bytes) -> int:
    """The size that the header of a zstd frame gives its content (RFC 8878, 3.1.1.1); 0 for none."""
    head = frame[4] if len(frame) > 4 else 0
    single, width = head >> 5 & 1, head >> 6
    length = (single, 2, 4, 8)[width]
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[head & 3]
    return int.from_bytes(frame[start : start + length], "little") + (256 if length == 2 else 0)


def _digests(files: Mapping[str, bytes], attributes: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of every file; of the group that of its attributes, without the manifest and the format."""
    own = {key: value for key, value in attributes.items() if key not in (MANIFEST, "format_version")}
    text = json.dumps(own, sort_keys=True).encode()
    return {
        key: hashlib.sha256(text if key == ROOT else content).hexdigest() for key, content in files.items()
    }


def _compare(manifest: Any, found: Mapping[str, str], folder: Path) -> None:
    try:
        stated = json.loads(manifest)
    except (TypeError, ValueError, RecursionError):  # None, where there is none
        stated = None
    if not isinstance(stated, dict):
        raise ResultError(
            f"{folder} is damaged: its manifest is missing or no mapping; copy or measure it again"
        )
    parts = {
        "missing": sorted(set(stated) - set(found)),
        "added": sorted(set(found) - set(stated)),
        "altered": sorted(key for key in set(stated) & set(found) if stated[key] != found[key]),
    }
    said = [
        f"{keys[0]}{f' and {len(keys) - 1} more' if keys[1:] else ''} {how}"
        for how, keys in parts.items()
        if keys
    ]
    if said:
        raise ResultError(
            f"{folder} is damaged, or was altered after it was written ({printable('; '.join(said))}): copy "
            "it again from where it is whole, or measure it again; what is changed on purpose is to be "
            "written by landscape.results.save"
        )
