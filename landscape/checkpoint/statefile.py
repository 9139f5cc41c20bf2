"""The tensors in a checkpoint file, read without executing anything that is stored in it."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from landscape.errors import CheckpointError
from landscape.files import folder_kind, kind

_SHOWN = 8
_DEEPEST = 4
_EXPECTED = "expected tensors: a file that torch.save(model.state_dict(), FILE) wrote, or a .safetensors file"


@dataclass(frozen=True)
class StateFile:
    """What a checkpoint file holds, before any network is built.

    Attributes:
        tensors: All its tensors by name, plain ones, those of optimisers left out. Where mappings or lists
            are nested, the names of the outer ones come first: ``state_dict.module.conv1.weight``.
        record: Our metadata (`config`, `normalisation`, `training`), empty for other tools' files.
    """

    tensors: dict[str, Tensor]
    record: dict[str, Any] = field(default_factory=dict)


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
    return _read_safetensors(path) if safetensors or path.suffix == ".safetensors" else _read_torch(path)


def _instead(path: Path) -> str:
    """What stands where a file was expected."""
    if path.is_dir():
        return f"it is {folder_kind(path)}"
    file, _, model = str(path).rpartition("@")
    if file and Path(file).is_file():
        return (
            f"a model for each checkpoint (@{model}) is not supported yet, --model serves all that a command "
            "is given; measure each alone, with its own --model and --out, and draw the results together "
            "with `landscape plot RESULT…`"
        )
    return "it is nowhere to be found"


def _looks_like_safetensors(head: bytes) -> bool:
    """A length of eight bytes, then the opening brace of a JSON header."""
    return len(head) == 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**27


def _read_safetensors(path: Path) -> StateFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            text = (file.metadata() or {}).get("landscape")
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as a safetensors file: {error}") from error
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors")
    return StateFile(tensors, _record(text, path) if text else {})


def _record(text: str, path: Path) -> dict[str, Any]:
    """Our metadata, each entry a mapping or absent; a file may say anything."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"the metadata of {path} is damaged: it is not JSON ({error})") from error
    if not isinstance(record, dict):
        raise CheckpointError(f"the metadata of {path} is damaged: it is a {type(record).__name__}")
    for key in ("config", "normalisation", "training"):
        if not isinstance(record.get(key) or {}, dict):
            raise CheckpointError(f"the metadata of {path} is damaged: {key!r} is no mapping")
    return record


def _read_torch(path: Path) -> StateFile:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refusal(path, str(error))) from error
    except Exception as error:  # damaged pickles raise anything
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        reason = "it is damaged" if "weights_only" in first else first  # never pass on how to switch it off
        raise CheckpointError(f"{path} cannot be read as a torch file: {reason}; {_EXPECTED}") from error
    found: dict[str, Any] = {}
    _gather(content, (), found, set())
    if not found:
        raise CheckpointError(f"{path} holds no tensors; found {_outline(content)}")
    odd = [key for key, value in found.items() if not _is_plain(value)]
    if odd:
        raise CheckpointError(
            f"{path} holds tensors without plain values (sparse, quantised, meta, nested or of another "
            f"class), {', '.join(odd[:_SHOWN])}; save them dense and dequantised"
        )
    with torch._C.DisableTorchFunctionSubclass():
        # New objects: a file can put attributes on its tensors, and those must answer no question of ours.
        plain = {key: Tensor.detach(Tensor.as_subclass(value, Tensor)) for key, value in found.items()}
    return StateFile(plain)


def _refusal(path: Path, reason: str) -> str:
    """Why a pickle was not read, by the names of what is not plain in it."""
    remedy = (
        "checkpoints are untrusted files here; in a session that trusts this one, save only its tensors: "
        "torch.save(model.state_dict(), FILE)"
    )
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception:  # the old format, or damaged
        names = re.findall(r"GLOBAL ([\w.]+) was not an allowed", reason)
    if not names:
        return f"{path} was refused: it is damaged, or loading it would run code stored in it; {remedy}"
    objects = ", ".join(sorted(set(names))[:_SHOWN])
    module = any(name.startswith("torch.nn.modules.") for name in names)
    what = "a whole pickled module" if module else "more than tensors"
    return f"{path} was refused: it holds {what} ({objects}), which would run code stored in it; {remedy}"


def _gather(value: Any, place: tuple[str, ...], found: dict[str, Any], seen: set[int]) -> None:
    """All tensors of nested mappings and lists by dotted name, optimisers left out."""
    name = ".".join(place)
    if isinstance(value, Tensor) and place:
        if name in found:
            raise CheckpointError(f"the file holds two tensors that are called {name}; rename one of them")
        found[name] = value
    if not isinstance(value, Mapping | list | tuple) or len(place) > _DEEPEST or id(value) in seen:
        return
    seen.add(id(value))
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(key, int) and abs(key) < 10**9:
            key = str(key)
        if not isinstance(key, str):
            continue
        if isinstance(item, Tensor) or not any(word in key.lower() for word in ("optim", "sched")):
            _gather(item, (*place, key), found, seen)


def _is_plain(value: Tensor) -> bool:
    whole = value.layout == torch.strided and not (value.is_quantized or value.is_meta or value.is_nested)
    return whole and type(value) in (Tensor, nn.Parameter, nn.Buffer)


def _outline(content: Any) -> str:
    if isinstance(content, Mapping):
        return "a mapping with the keys " + ", ".join(map(repr, list(content)[:_SHOWN]))
    return f"a {type(content).__name__}"
