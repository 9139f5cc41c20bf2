"""Checkpoint files: any safetensors or torch file in, safetensors out; nothing in a file is ever executed."""

from __future__ import annotations

import difflib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from landscape.errors import CheckpointError
from landscape.files import atomic_path, sha256
from landscape.network import Network
from landscape.samples import Normalisation
from landscape.zoo import ModelConfig, build, is_zoo_name, parse, skeleton
from landscape.zoo.layouts import infer
from landscape.zoo.user import user_network

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


def load(path: str | Path, model: str | None = None, *, name: str | None = None) -> Network:
    """A network from a checkpoint file, in eval mode on the CPU.

    Args:
        path: A ``.safetensors`` file or anything that ``torch.save`` wrote, read with ``weights_only=True``.
        model: A zoo specification (``resnet18:blur``), ``file.py:factory`` or ``package.module:factory``;
            None takes the configuration stored in the file, or infers it from names and shapes.
        name: Label for figures; the file's stem by default.

    Raises:
        CheckpointError: If the file cannot be read safely, no architecture fits, keys or shapes differ (they
            are listed), or weights are not finite.
    """
    path = Path(path)
    state = read(path)
    module, architecture, notes = _network_for(state, model, path)
    _fill(module, state.tensors, path)
    return Network(
        module=module.eval(),
        normalisation=_normalisation(state.record, path),
        name=name or path.stem,
        architecture=architecture,
        path=path,
        sha256=sha256(path),
        training=state.record.get("training") or {},
        notes=state.notes + notes,
    )


def _normalisation(record: Mapping[str, Any], path: Path) -> Normalisation | None:
    stored = record.get("normalisation")
    if not stored:
        return None
    try:
        mean, std = (tuple(map(float, stored[name])) for name in ("mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the metadata of {path} is damaged: the normalisation needs lists of numbers 'mean' and 'std', "
            f"got {stored}"
        ) from error
    return Normalisation(mean, std)


def save(
    path: str | Path,
    module: nn.Module,
    *,
    config: ModelConfig | None = None,
    normalisation: Normalisation | None = None,
    training: dict[str, Any] | None = None,
) -> None:
    """Write a safetensors checkpoint with configuration, normalisation and training record in its metadata.

    Args:
        path: Where to; the file appears whole or not at all.
        module: The network.
        config: Its configuration, so that the file rebuilds itself.
        normalisation: What its inputs need.
        training: Anything JSON can hold.
    """
    from safetensors.torch import save as serialised

    record = {
        "format": 1,
        "config": config.to_dict() if config else None,
        "normalisation": {"mean": normalisation.mean, "std": normalisation.std} if normalisation else None,
        "training": training or {},
    }
    # Cloned, because the format holds no two names of one tensor (tied weights).
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in module.state_dict().items()}
    with atomic_path(path) as draft:
        draft.write_bytes(serialised(tensors, metadata={"landscape": json.dumps(record)}))


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


def _network_for(state: StateFile, model: str | None, path: Path) -> tuple[nn.Module, str, tuple[str, ...]]:
    """A network that this state fits, not yet filled with it; its name, and notes."""
    if model is not None and ":" in model and not is_zoo_name(model):
        module = user_network(model)
        _check_fit(module, state.tensors, path, model)
        return module, model, ()
    notes: tuple[str, ...] = ()
    if model is not None:
        config = parse(model)
    elif stored := state.record.get("config"):
        config = ModelConfig.from_dict(stored)
    else:
        config, notes = _inferred(state, path)
    try:
        # Names and shapes first: a hostile file must not make us ask for memory.
        _check_fit(skeleton(config), state.tensors, path, config.name)
        return build(config), config.name, notes
    except RuntimeError as error:
        raise CheckpointError(f"{path} asks for a {config.name} that cannot be built: {error}") from error


def _inferred(state: StateFile, path: Path) -> tuple[ModelConfig, tuple[str, ...]]:
    inferred = infer({key: tuple(value.shape) for key, value in state.tensors.items()})
    if inferred is None:
        some = ", ".join(list(state.tensors)[:_SHOWN])
        raise CheckpointError(
            f"cannot tell which architecture {path} is (keys {some}, …); name it with --model, a zoo "
            "specification such as resnet18, or file.py:factory for your own network"
        )
    return inferred


def _check_fit(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, architecture: str) -> None:
    """Every disagreement of names and shapes is listed at once."""
    expected = module.state_dict()
    # Very old files lack the batch counter, which evaluation does not need.
    missing = [k for k in expected if k not in tensors and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in tensors if k not in expected]
    wrong = [
        f"{k} is {tuple(tensors[k].shape)}, expected {tuple(expected[k].shape)}"
        for k in expected
        if k in tensors and tensors[k].shape != expected[k].shape
    ]
    if missing or unexpected or wrong:
        lines = [f"{path} does not fit {architecture}:"]
        for label, found in (("missing", missing), ("unexpected", unexpected), ("wrong shape", wrong)):
            if found:
                more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
                lines.append(f"  {label}: {', '.join(found[:_SHOWN])}{more}")
        if missing and unexpected:
            close = difflib.get_close_matches(missing[0], unexpected, n=1)
            lines += [f"  (perhaps {close[0]} is what {missing[0]} should be)"] if close else []
        lines.append("  name the right network with --model")
        raise CheckpointError("\n".join(lines))


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    broken = [k for k, v in tensors.items() if v.is_floating_point() and not torch.isfinite(v.float()).all()]
    if broken:
        raise CheckpointError(
            f"{path} holds weights that are not finite (NaN or infinity) in {', '.join(broken[:_SHOWN])}: "
            "the training run diverged; load an earlier checkpoint"
        )
    module.load_state_dict(dict(tensors), strict=False)
