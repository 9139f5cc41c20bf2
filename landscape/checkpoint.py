"""Checkpoint files: any safetensors or torch file in, safetensors out; nothing in a file is ever executed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from landscape.errors import CheckpointError
from landscape.files import atomic_path, sha256
from landscape.network import Network
from landscape.samples import Normalisation
from landscape.statefile import StateFile, read
from landscape.zoo import ModelConfig, build, is_zoo_name, parse, skeleton
from landscape.zoo.layouts import infer
from landscape.zoo.user import user_network

_SHOWN = 8


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
    module, architecture, notes, config = _network_for(state, model, path)
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
        config=config.to_dict() if config else {},
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


def _network_for(
    state: StateFile, model: str | None, path: Path
) -> tuple[nn.Module, str, tuple[str, ...], ModelConfig | None]:
    """A network that this state fits, not yet filled with it; its name, notes, and configuration."""
    if model is not None and ":" in model and not is_zoo_name(model):
        module = user_network(model)
        _check_fit(module, state.tensors, path, model)
        return module, model, (), None
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
        return build(config), config.name, notes, config
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
