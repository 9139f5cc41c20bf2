"""The tensors in a checkpoint file, read without executing anything that is stored in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from landscape import budget
from landscape.checkpoint import safefile
from landscape.checkpoint.declared import SPREAD, Declared, Odd
from landscape.checkpoint.torchfile import TorchFile, opened
from landscape.checkpoint.versions import Versions
from landscape.errors import CheckpointError, printable
from landscape.files import folder_kind, kind
from landscape.pickles import Stub

_SHOWN = 8
_LONGEST_NAME = 1000
_LONGEST_RECORD = 2**23  # its values may take twenty times as many bytes
_LARGEST_DECAY = 10
_SCALARS = (str, int, float, type(None))
_VIEWS = 8  # tensors that may share the values of one: tied weights, and sets of them
_UNPACKED = 16  # times the size of a file that its tensors may have; trained weights reach two
_HOLES = 2**30  # bytes from which a file that takes a quarter of its size on disk is not whole
_DEEPEST = 64
_LONGEST_WORD = 100
_MOST_WORDS = 64
_EXPECTED = "expected tensors: a file that torch.save(model.state_dict(), FILE) wrote, or a .safetensors file"


@dataclass(frozen=True)
class StateFile:
    """What a checkpoint file holds, before any network is built.

    Attributes:
        tensors: All its tensors by name, plain ones, those of optimisers left out. Where mappings or lists
            are nested, the names of the outer ones come first: ``state_dict.module.conv1.weight``.
        record: Our metadata (`config`, `normalisation`, `training`), empty for other tools' files.
        notes: What there is to know about the reading.
        sha256: Digest of the bytes that they were read from.
        beside: Numbers and short texts that stand beside the tensors, such as ``epoch`` or ``arch``, by name.
        versions: Of the layers of every state dict in the file, where it states them.
    """

    tensors: dict[str, Tensor]
    record: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    beside: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    versions: tuple[Versions, ...] = ()


def read(path: str | Path) -> StateFile:
    """The tensors and metadata of a checkpoint file.

    Raises:
        CheckpointError: If there is no such file, it is damaged or of another kind, it would have to execute
            code, or it holds no tensors.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise CheckpointError(f"no checkpoint at {path}: {_instead(path)}")
        with open(path, "rb") as stream:
            safetensors = _looks_like_safetensors(stream.read(9))
        other = "" if safetensors else kind(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if other:  # some kinds come with their own remedy
        raise CheckpointError(f"{path} is {other}" + ("" if ";" in other else f"; {_EXPECTED}"))
    _check_whole(path)
    state = _read_safetensors(path) if safetensors or path.suffix == ".safetensors" else _read_torch(path)
    for name in state.tensors:
        _check_name(name)
    return state


def _check_whole(path: Path) -> None:
    """Refuse a large file that consists of holes, as an interrupted copy leaves it."""
    found = path.stat()
    blocks = getattr(found, "st_blocks", None)
    if blocks is not None and found.st_size > _HOLES and 4 * 512 * blocks < found.st_size:
        raise CheckpointError(
            f"{path} is said to have {found.st_size:,} bytes, of which {512 * blocks:,} are on disk: "
            "the copy or download did not finish"
        )


def _instead(path: Path) -> str:
    """What stands where a file was expected."""
    return f"it is {folder_kind(path)}" if path.is_dir() else "it is nowhere to be found"


def _looks_like_safetensors(head: bytes) -> bool:
    """A length of eight bytes, then the opening brace of a JSON header."""
    return len(head) == 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**27


def _read_safetensors(path: Path) -> StateFile:
    budget.require(path.stat().st_size, f"{path} has", CheckpointError)
    try:
        file = safefile.read(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as a safetensors file: {printable(error)}") from error
    if not file.tensors:
        raise CheckpointError(f"{path} holds no tensors")
    text = file.metadata.get("landscape")
    return StateFile(file.tensors, _record(text, path) if text else {}, sha256=file.sha256)


def _record(text: str, path: Path) -> dict[str, Any]:
    """Our metadata, each entry a mapping or absent; a file may say anything."""
    if len(text) > _LONGEST_RECORD:
        raise CheckpointError(
            f"the metadata of {path} is damaged: it has {len(text):,} characters, and {_LONGEST_RECORD:,} "
            "hold a record of any training"
        )
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"the metadata of {path} is damaged: it is not JSON ({printable(error, 200)})"
        ) from error
    if not isinstance(record, dict):
        raise CheckpointError(f"the metadata of {path} is damaged: it is a {type(record).__name__}")
    for key in ("config", "normalisation", "training"):
        if not isinstance(record.get(key) or {}, dict):
            raise CheckpointError(f"the metadata of {path} is damaged: {key!r} is no mapping")
    recipe = (record.get("training") or {}).get("recipe", {})
    plain = isinstance(recipe, dict) and all(isinstance(value, _SCALARS) for value in recipe.values())
    decay = recipe.get("weight_decay", 0) if plain else -1
    if type(decay) not in (int, float) or not 0 <= decay <= _LARGEST_DECAY:
        raise CheckpointError(
            f"the metadata of {path} is damaged: the recipe of the training should be a mapping of names to "
            f"single values, its weight decay a number from 0 to {_LARGEST_DECAY}, got "
            f"{printable(recipe, 100)}"
        )
    return record


def _read_torch(path: Path) -> StateFile:
    try:
        with opened(path) as file:
            found: dict[str, Any] = {}
            _gather(file.content, (), found, set())
            if not found:
                raise CheckpointError(
                    f"{path} holds no tensors; found {_outline(file.content)}{_unread(file)}"
                )
            odd = [f"{key} ({value.kind})" for key, value in found.items() if isinstance(value, Odd)]
            if odd:
                listed = ", ".join(odd[:_SHOWN])
                raise CheckpointError(
                    f"{path} holds tensors without plain values (sparse, quantised, meta, nested or of "
                    f"another class), {listed}; save them dense and dequantised"
                )
            _check_budget(path, found.values())
            tensors, digest = file.tensors(found)
            beside: dict[str, Any] = {}
            _words(file.content, (), beside)
            return StateFile(
                tensors, notes=_notes(file), beside=beside, sha256=digest, versions=file.versions
            )
    except CheckpointError:
        raise
    except Exception as error:  # damaged pickles raise anything
        first = printable(str(error).strip() or type(error).__name__)
        reason = first if isinstance(error, ValueError) else "it is damaged, or of another kind"
        raise CheckpointError(f"{path} cannot be read as a torch file: {reason}; {_EXPECTED}") from error


def _check_budget(path: Path, found: Iterable[Declared]) -> None:
    """Refuse what would take too much memory: values of the file, or those that a network would be given."""
    stored, size = sum(storage.bytes for storage in {each.storage for each in found}), path.stat().st_size
    declared = sum(each.bytes for each in found)
    budget.require(max(stored, declared), f"{path} declares tensors of", CheckpointError)
    if stored > _UNPACKED * size + SPREAD:
        raise CheckpointError(f"{path} of {size:,} bytes declares {stored:,} bytes of values: it is damaged")
    if declared > _VIEWS * stored + SPREAD:
        raise CheckpointError(
            f"{path} declares tensors of {declared:,} bytes that repeat {stored:,} bytes of values; "
            "give each tensor values of its own (tensor.clone())"
        )


def _notes(file: TorchFile) -> tuple[str, ...]:
    """What the file holds beside the tensors and containers, none of which was built or called."""
    if not file.stubs:
        return ()
    names = ", ".join(printable(name, 100) for name in file.stubs[:_SHOWN])
    return (f"objects beside the weights were not read, and nothing of them was run: {names}",)


def _unread(file: TorchFile) -> str:
    names = ", ".join(printable(name, 100) for name in file.stubs[:_SHOWN])
    return f"; what else it names was neither built nor run: {names}" if names else ""


def _gather(value: Any, place: tuple[str, ...], found: dict[str, Any], seen: set[int]) -> None:
    """All tensors of nested mappings and lists by dotted name, optimisers left out."""
    if isinstance(value, Declared | Odd) and place:
        name = ".".join(place)
        if name in found:
            raise CheckpointError(
                f"the file holds two tensors that are called {printable(name, 100)}; rename one of them"
            )
        found[name] = value
    if not isinstance(value, dict | list | tuple | Stub) or len(place) > _DEEPEST or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Stub):
        value = _module(value)
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if type(key) is int and abs(key) < 10**9:
            key = str(key)
        if not isinstance(key, str):
            continue
        _check_name(key)
        if isinstance(item, Declared | Odd) or not any(word in key.lower() for word in ("optim", "sched")):
            _gather(item, (*place, key), found, seen)


def _words(value: Any, place: tuple[str, ...], found: dict[str, Any]) -> None:
    """Numbers and short texts of nested mappings and objects by dotted name, optimisers left out."""
    if isinstance(value, Stub):
        value = {**(value.state if isinstance(value.state, dict) else {}), **value.items}
    if not isinstance(value, dict) or len(place) > 1:
        return
    for key, item in value.items():
        if not isinstance(key, str) or any(word in key.lower() for word in ("optim", "sched")):
            continue
        plain = isinstance(item, int | float) or (isinstance(item, str) and len(item) <= _LONGEST_WORD)
        if plain and len(found) < _MOST_WORDS and len(key) <= _LONGEST_WORD:
            found[".".join((*place, key))] = item
        else:
            _words(item, (*place, key), found)


def _check_name(name: str) -> None:
    if len(name) > _LONGEST_NAME:
        raise CheckpointError(
            f"the file holds a tensor whose name has {len(name):,} characters, {printable(name, 60)}; "
            f"names have up to {_LONGEST_NAME}"
        )


def _module(stub: Stub) -> dict[Any, Any]:
    """What an object holds: of an `nn.Module` what its state dict would, else items and attributes."""
    state = stub.state if isinstance(stub.state, dict) else {}
    parts = [state.get(name) for name in ("_parameters", "_buffers", "_modules")]
    if not all(isinstance(part, dict) for part in parts):
        return {**state, **stub.items}
    parameters, buffers, modules = parts
    passing = state.get("_non_persistent_buffers_set")
    passing = passing if isinstance(passing, list) else []
    kept = {name: value for name, value in buffers.items() if name not in passing}  # type: ignore[union-attr]
    return {**parameters, **kept, **modules}  # type: ignore[dict-item]


def _outline(content: Any) -> str:
    if isinstance(content, dict):
        keys = ", ".join(printable(repr(key)[:60]) for key in list(content)[:_SHOWN])
        return f"a mapping with the keys {keys}" if keys else "an empty mapping"
    return f"an object of {content.kind}" if isinstance(content, Stub) else f"a {type(content).__name__}"
