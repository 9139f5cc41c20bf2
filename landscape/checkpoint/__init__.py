"""Checkpoint files: any safetensors or torch file in, safetensors out; nothing in a file is ever executed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from landscape.checkpoint.keys import Fit, find, readings, tied
from landscape.checkpoint.statefile import StateFile, read
from landscape.checkpoint.weights import fill
from landscape.errors import CheckpointError, printable
from landscape.files import atomic_path, shard
from landscape.network import Network
from landscape.samples import Normalisation
from landscape.zoo import ModelConfig, build, is_zoo_name, parse, skeleton
from landscape.zoo.layouts import infer
from landscape.zoo.user import copied, made, user_network

_SHOWN = 8


def load(
    path: str | Path,
    model: str | nn.Module | Callable[[], nn.Module] | None = None,
    *,
    name: str | None = None,
) -> Network:
    """A network from a checkpoint file, in eval mode on the CPU.

    Names are matched whatever wrappers trainers put before or into them (`landscape.checkpoint.keys.find`);
    where a file holds several sets of weights that fit, raw ones come before averaged ones. Every choice
    stands in the network's `notes`.

    Args:
        path: A ``.safetensors`` file or anything that ``torch.save`` wrote, read inert, see
            `landscape.checkpoint.inert`.
        model: A zoo specification (``resnet18:blur``), ``file.py:factory`` or ``package.module:factory``; in
            Python also a module, which is copied, or a callable that builds one. None takes the configuration
            stored in the file, or infers it from names and shapes.
        name: Label for figures; the file's stem by default.

    Raises:
        CheckpointError: If the file cannot be read safely, no architecture fits, keys or shapes differ (they
            are listed), values are of another kind (int8, complex), or weights are not finite.
    """
    path = Path(path)
    state = read(path)
    module, architecture, fit, notes, config = _network_for(state, model, path)
    stored = {name: state.tensors[key] for name, key in fit.keys.items()}
    notes = (*state.notes, *notes, *fill(module, stored, tied(module), path))
    return Network(
        module=module.eval(),
        normalisation=_normalisation(state.record, path),
        name=name or printable(path.stem),
        architecture=architecture,
        path=path,
        sha256=state.sha256,
        training=state.record.get("training") or {},
        notes=notes,
        config=config.to_dict() if config else {},
    )


def _normalisation(record: Mapping[str, Any], path: Path) -> Normalisation | None:
    stored = record.get("normalisation")
    if not stored:
        return None
    lists = [stored.get(name) for name in ("mean", "std")]
    if not all(isinstance(values, list | tuple) and all(map(_is_number, values)) for values in lists):
        raise CheckpointError(
            f"the metadata of {path} is damaged: the normalisation needs lists of numbers 'mean' and 'std', "
            f"got {printable(stored, 200)}"
        )
    mean, std = (tuple(map(float, values)) for values in lists)
    return Normalisation(mean, std)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


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


def _network_for(
    state: StateFile, model: str | nn.Module | Callable[[], nn.Module] | None, path: Path
) -> tuple[nn.Module, str, Fit, tuple[str, ...], ModelConfig | None]:
    """A network that this state fits, not yet filled with it; its name, fit, notes, and configuration."""
    if model is not None and not (isinstance(model, str) and (":" not in model or is_zoo_name(model))):
        module, architecture = _own(model)
        return module, architecture, *_fitted(module, state, path, architecture), None
    notes: tuple[str, ...] = ()
    if isinstance(model, str):
        config = parse(model)
    elif stored := state.record.get("config"):
        config = ModelConfig.from_dict(stored)
    else:
        config, notes = _inferred(state, path)
    try:
        # Names and shapes first: a hostile file must not make us ask for memory.
        fit, choices = _fitted(skeleton(config), state, path, config.name)
        return build(config), config.name, fit, choices + notes, config
    except RuntimeError as error:
        raise CheckpointError(f"{path} asks for a {config.name} that cannot be built: {error}") from error


def _own(model: str | nn.Module | Callable[[], nn.Module]) -> tuple[nn.Module, str]:
    """The user's network and what to call it."""
    if isinstance(model, str):
        return user_network(model), model
    if isinstance(model, nn.Module):
        return copied(model), type(model).__name__
    name = getattr(model, "__qualname__", type(model).__name__)
    return made(model, name), name


def _inferred(state: StateFile, path: Path) -> tuple[ModelConfig, tuple[str, ...]]:
    for shapes in readings(state.tensors):
        inferred = infer(shapes)
        if inferred is not None:
            return inferred
    first = list(state.tensors.items())[:_SHOWN]
    some = ", ".join(f"{key} {tuple(value.shape)}" for key, value in first)
    named = "a zoo specification such as resnet18, or file.py:factory for your own network"
    remedy = shard(path) or f"name it with --model, {named}"
    raise CheckpointError(f"cannot tell which architecture {path} is (keys and shapes: {some}, …); {remedy}")


def _fitted(
    module: nn.Module, state: StateFile, path: Path, architecture: str
) -> tuple[Fit, tuple[str, ...]]:
    """The set of weights that fits; else every disagreement of names and shapes is listed at once."""
    fit, notes = find(state.tensors, module)
    if fit.whole:
        return fit, notes
    if part := shard(path):
        raise CheckpointError(f"{path} does not hold all weights of {architecture}: {part}")
    lines = [f"{path} does not fit {architecture}:"]
    for label, found in (
        ("missing", fit.missing),
        ("unexpected", fit.unexpected),
        ("wrong shape", fit.wrong),
    ):
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            lines.append(f"  {label}: {', '.join(found[:_SHOWN])}{more}")
    if fit.missing and fit.unexpected:
        close = difflib.get_close_matches(fit.missing[0], fit.unexpected, n=1)
        lines += [f"  (perhaps {close[0]} is what {fit.missing[0]} should be)"] if close else []
    lines.append("  name the right network with --model")
    raise CheckpointError("\n".join(lines))
