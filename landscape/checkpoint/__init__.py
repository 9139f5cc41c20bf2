"""Checkpoint files: any safetensors or torch file in, safetensors out; nothing in a file is ever executed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from landscape.checkpoint.choosing import below, choose
from landscape.checkpoint.keys import tied
from landscape.checkpoint.shards import read_all
from landscape.checkpoint.statefile import read
from landscape.checkpoint.weights import fill
from landscape.errors import CheckpointError, printable
from landscape.files import atomic_path
from landscape.network import Network
from landscape.samples import Normalisation
from landscape.zoo import ModelConfig
from landscape.zoo.spec import split_path

__all__ = ["load", "read", "save"]

_UNKNOWN = (torch.complex128, torch.complex32)
"""Types of numbers that the safetensors format does not have."""


def load(
    path: str | Path,
    model: str | nn.Module | Callable[[], nn.Module] | None = None,
    *,
    name: str | None = None,
    state_key: str | None = None,
) -> Network:
    """A network from a checkpoint, in eval mode on the CPU.

    Names are matched whatever prefixes and wrappers trainers add to them (`landscape.checkpoint.keys.find`),
    and networks of the zoo are recognised whatever their layers are called (`landscape.zoo.layouts`). If a
    file holds several sets of weights that fit, raw ones are preferred to averaged ones. Every choice is
    recorded in the network's `notes`.

    Args:
        path: A ``.safetensors`` file or anything that ``torch.save`` wrote, read inert, see
            `landscape.checkpoint.inert`; an index or one of several shards, or a folder that holds them. It
            may carry its model, ``PATH@SPEC``, which comes before the next argument.
        model: A specification: a zoo name (``resnet18:blur``), ``timm:NAME``, ``torchvision:NAME``,
            ``hf:FOLDER``, ``file.py:factory`` or ``package.module:factory``, with arguments as in
            ``timm:vit_tiny_patch16_224,img_size=64``; or ``sequential``, see `landscape.zoo.chains.chain`. In
            Python also a module, which is copied, or a callable that builds one. None takes the configuration
            stored in the file, or infers the network from names, shapes and order.
        name: Label for figures; the file's stem by default.
        state_key: Name below which the weights stand, where a file holds several sets; notes name them.

    Raises:
        CheckpointError: If the file cannot be read safely, no architecture fits, keys or shapes differ (they
            are listed), values are of another kind (int8, complex), or weights are not finite.
        LandscapeError: If the specification cannot be read, or its library is not installed.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> torch.save({"state_dict": ls.family.load("gap").module.state_dict()}, "net.pt")
        >>> network = ls.load("net.pt")
        >>> network.architecture
        'cifar-resnet20-gap'
        >>> network.notes[0]
        "weights found under 'state_dict'"
    """
    path, own = split_path(path)
    state, digest = read_all(path)
    chosen = choose(below(state, state_key, path), own or model, path)
    twins = tied(chosen.module)
    notes = fill(chosen.module, chosen.tensors, twins, path, state.versions)
    return Network(
        module=chosen.module.eval(),
        normalisation=_normalisation(state.record, path) or chosen.normalisation,
        name=name or printable(path.stem),
        architecture=chosen.architecture,
        path=path,
        sha256=digest,
        training=state.record.get("training") or {},
        notes=(*state.notes, *chosen.notes, *notes),
        config=chosen.config.to_dict() if chosen.config else {},
        input_size=chosen.input_size,
        shaping=chosen.shaping,
        origins=chosen.origins,
        beside=state.beside,
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

    Raises:
        CheckpointError: If the network holds what the format cannot.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> ls.save("linear.safetensors", torch.nn.Linear(2, 3))
        >>> ls.load("linear.safetensors", torch.nn.Linear(2, 3)).name
        'linear'
    """
    from safetensors.torch import save as serialised

    record = {
        "format": 1,
        "config": config.to_dict() if config else None,
        "normalisation": {"mean": normalisation.mean, "std": normalisation.std} if normalisation else None,
        "training": training or {},
    }
    held = module.state_dict()
    odd = [key for key, value in held.items() if not isinstance(value, Tensor) or value.dtype in _UNKNOWN]
    if odd:
        raise CheckpointError(
            f"the network holds what a safetensors file cannot ({', '.join(odd[:5])}: state that is no "
            "tensor, or complex numbers of 128 bits); write it with torch.save"
        )
    # Cloned, because the format holds no two names of one tensor (tied weights).
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in held.items()}
    with atomic_path(path) as draft:
        draft.write_bytes(serialised(tensors, metadata={"landscape": json.dumps(record)}))
