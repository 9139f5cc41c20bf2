"""Weights in several files: shards beside an index or one another, and folders that hold them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from landscape import budget
from landscape.checkpoint.statefile import StateFile, read
from landscape.errors import CheckpointError, printable
from landscape.files import WEIGHTS, folder_kind

_SHARD = re.compile(r"(.*?)(\d+)-of-(\d+)(\..+)?")
_LARGEST_INDEX = 2**26
_MOST = 4096
_USUAL = ("model.safetensors", "pytorch_model.bin", "model.pt", "model.pth")
_SHOWN = 5


def read_all(path: str | Path) -> tuple[StateFile, str]:
    """The tensors of a checkpoint file, of all shards that it belongs to, or of the weights in a folder.

    Returns:
        The tensors, and a SHA-256: of the file, or of the digests of all files in their order.

    Raises:
        CheckpointError: As `read` does; or where a shard is missing, or two hold one tensor.
    """
    path = Path(path)
    files = _files(path)
    if files == [path]:
        state = read(path)
        return state, state.sha256
    size = sum(file.stat().st_size for file in files)
    budget.require(size, f"{path} consists of shards of", CheckpointError)
    tensors: dict[str, Tensor] = {}
    record: dict[str, Any] = {}
    notes: dict[str, None] = {}
    digests = []
    for file in files:
        state = read(file)
        twice = tensors.keys() & state.tensors.keys()
        if twice:
            raise CheckpointError(
                f"{file} holds {printable(min(twice), 100)}, which another shard of it holds, too"
            )
        digests.append(state.sha256)
        tensors |= state.tensors
        record |= state.record
        notes |= dict.fromkeys(state.notes)
    said = f"weights read from {f'{len(files)} files' if files[1:] else 'one file'}: {_listed(files)}"
    digest = hashlib.sha256("".join(digests).encode()).hexdigest() if files[1:] else digests[0]
    return StateFile(tensors, record, (said, *notes)), digest


def _files(path: Path) -> list[Path]:
    """The files that hold the weights; the path alone where it is a checkpoint, or nothing of the kind."""
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.name.endswith(".index.json") and path.is_file():
            return _indexed(path)
        found = _SHARD.fullmatch(path.name)
        if found and int(found[3]) > 1 and path.is_file():
            return _beside(path, found)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    return [path]


def _in_folder(folder: Path) -> list[Path]:
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    usual = [name for name in _USUAL if name in names]
    if usual:
        return [folder / usual[0]]
    indices = [name for name in names if name.endswith(".index.json")]
    if indices:
        return _indexed(folder / next((name for name in indices if "safetensors" in name), indices[0]))
    weights = [name for name in names if name.endswith(WEIGHTS)]
    shards = [found for name in weights if (found := _SHARD.fullmatch(name)) and int(found[3]) > 1]
    if shards and len({(one[1], one[3], one[4]) for one in shards}) == 1:
        return _beside(folder / shards[0][0], shards[0])
    if len(weights) == 1 and not shards:
        return [folder / weights[0]]
    raise CheckpointError(f"no checkpoint at {folder}: it is {folder_kind(folder)}")


def _indexed(index: Path) -> list[Path]:
    """The shards that an index names, all of which lie beside it."""
    if index.stat().st_size > _LARGEST_INDEX:
        raise CheckpointError(f"{index} is larger than any index of shards")
    try:
        content = json.loads(index.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{index} is no JSON text: {printable(error, 200)}") from error
    places = content.get("weight_map") if isinstance(content, dict) else None
    if (
        not isinstance(places, dict)
        or not all(isinstance(name, str) for name in places.values())
        or not places
    ):
        raise CheckpointError(f"{index} is no index of shards: it has no 'weight_map' of tensors and files")
    names = sorted(set(places.values()))
    outside = [name for name in names if Path(name).name != name or name in ("", ".", "..")]
    if outside or len(names) > _MOST:
        raise CheckpointError(
            f"{index} names {len(names):,} files, "
            f"{printable(repr((outside or names)[0]), 100)} among them; expected up to {_MOST:,} beside it"
        )
    return _all_there(index, [index.with_name(name) for name in names])


def _beside(path: Path, found: re.Match[str]) -> list[Path]:
    """All shards of one of them, by the numbers in their names."""
    count, digits = int(found[3]), len(found[2])
    if count > _MOST:
        return [path]
    first = 0 if path.with_name(f"{found[1]}{0:0{digits}}-of-{found[3]}{found[4] or ''}").exists() else 1
    names = [f"{found[1]}{i:0{digits}}-of-{found[3]}{found[4] or ''}" for i in range(first, first + count)]
    return _all_there(path, [path.with_name(name) for name in names])


def _all_there(path: Path, files: Sequence[Path]) -> list[Path]:
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise CheckpointError(
            f"{path} belongs to {len(files)} shards, of which {_listed(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not beside it; put all shards into one folder"
        )
    return list(files)


def _listed(files: Sequence[Path]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(printable(file.name, 100) for file in files[:_SHOWN]) + more
