"""The tensors in a checkpoint file, read without executing anything that is stored in it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from landscape.errors import CheckpointError

_SHOWN = 8


@dataclass(frozen=True)
class StateFile:
    """What a checkpoint file holds, before any network is built.

    Attributes:
        tensors: Parameters and buffers by name, wrapper prefixes removed.
        record: Our metadata (`config`, `normalisation`, `training`), empty for other tools' files.
        notes: How the tensors were found.
    """

    tensors: dict[str, Tensor]
    record: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read(path: str | Path) -> StateFile:
    """The tensors and metadata of a checkpoint file.

    Raises:
        CheckpointError: If there is no such file, it is damaged, it would have to execute code, or it holds
            no tensors.
    """
    path = Path(path)
    try:
        if not path.is_file():
            found = "a folder; name the file in it" if path.is_dir() else "nowhere to be found"
            raise CheckpointError(f"no checkpoint at {path}: it is {found}")
        with open(path, "rb") as stream:
            safetensors = path.suffix == ".safetensors" or _looks_like_safetensors(stream.read(9))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    return _read_safetensors(path) if safetensors else _read_torch(path)


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
    tensors, notes = _unwrapped(tensors)
    return StateFile(tensors, _record(text, path) if text else {}, notes)


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
        raise CheckpointError(
            f"{path} was refused: it is damaged, or loading it would run code stored in it. Checkpoints are "
            "untrusted files here; in a session that trusts it, save only its tensors: "
            "torch.save(model.state_dict(), FILE)"
        ) from error
    except Exception as error:  # damaged pickles raise anything
        first = str(error).strip().splitlines()
        raise CheckpointError(
            f"{path} cannot be read as a torch file: {first[0] if first else error}"
        ) from error
    place, tensors = _nested_state(content)
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors; found {_outline(content)}")
    odd = [k for k, v in tensors.items() if v.layout != torch.strided or v.is_quantized or v.is_meta]
    if odd:
        raise CheckpointError(
            f"{path} holds tensors without plain values (sparse, quantised or meta), "
            f"{', '.join(odd[:_SHOWN])}; save them dense and dequantised"
        )
    tensors, notes = _unwrapped(tensors)
    if place:
        notes = (f"state dict found under {'.'.join(place)!r}", *notes)
    return StateFile(tensors, notes=notes)


def _nested_state(content: Any) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """The mapping with the most tensors, up to three levels down, leaving optimisers out."""
    best: tuple[tuple[str, ...], dict[str, Tensor]] = ((), {})
    queue: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while queue:
        place, value = queue.pop(0)
        if not isinstance(value, Mapping):
            continue
        tensors = {str(k): v for k, v in value.items() if isinstance(v, Tensor)}
        if len(tensors) > len(best[1]):
            best = (place, tensors)
        if len(place) < 3:
            queue += [
                ((*place, str(k)), v)
                for k, v in value.items()
                if not any(word in str(k).lower() for word in ("optim", "sched"))
            ]
    return best


def _unwrapped(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Names without what DataParallel (``module.``) and torch.compile (``_orig_mod.``) put before them."""
    removed = set()
    while True:
        prefix = next(
            (p for p in ("module.", "_orig_mod.") if tensors and all(key.startswith(p) for key in tensors)),
            None,
        )
        if prefix is None:
            break
        removed.add(prefix)
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors, tuple(f"prefix {p!r} removed from every key" for p in sorted(removed))


def _outline(content: Any) -> str:
    if isinstance(content, Mapping):
        return "a mapping with the keys " + ", ".join(map(repr, list(content)[:_SHOWN]))
    return f"a {type(content).__name__}"
