"""Putting stored tensors into a network: as what they are, and only where they are weights."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from landscape.checkpoint.versions import Versions, metadata_of
from landscape.errors import CheckpointError

_SHOWN = 8
_LARGEST = 1e36
_COUNTER = "num_batches_tracked"


def fill(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    twins: Mapping[str, str],
    path: Path,
    versions: Sequence[Versions] = (),
) -> tuple[str, ...]:
    """Load tensors into a network whose names and shapes they have.

    Floating-point values take the precision of the network, which a note says. No other change of type is
    made, unless every value of a buffer stays what it was. Parameters and the statistics of normalisation
    layers must be finite; other buffers (masks) may hold what they like.

    Args:
        module: The network, filled in place.
        tensors: By the network's names.
        twins: The first name of the same tensor, where weights are tied.
        path: The file, for messages.
        versions: Of layers, as the file states them.

    Raises:
        CheckpointError: If a value cannot be what the network expects, or is not finite, two names of one
            tied weight differ, or the network keeps state that is no tensor.
    """
    held = module.state_dict()
    extra = [name for name, value in held.items() if not isinstance(value, Tensor)]
    if extra:
        raise CheckpointError(
            f"the network keeps state that is no tensor ({', '.join(extra[:_SHOWN])}), which is not read "
            f"from files; load {path} in your own code, and pass the module or a function that builds it "
            "(file.py:factory)"
        )
    learned = _learned(module)
    _check_types(held, tensors, learned, path)
    # A counter that its type could not hold (a state dict made half precision) says nothing.
    kept = {
        name: value
        for name, value in tensors.items()
        if not name.endswith(_COUNTER) or _exact(value, held[name].dtype)
    }
    notes = _casts(held, kept)
    odd = [name for name, value in kept.items() if not _is_finite(value.to(held[name].dtype))]
    broken = [name for name in odd if name in learned]
    if broken:
        raise CheckpointError(
            f"{path} holds weights that are not finite (NaN or infinity) in {', '.join(broken[:_SHOWN])}: "
            "the training run diverged; load an earlier checkpoint"
        )
    _check_sizes(kept, learned, path)
    if odd:
        notes.append(f"buffers with values that are not finite, as stored: {', '.join(odd[:_SHOWN])}")
    _check_twins(kept, twins, path)
    try:
        whole = OrderedDict(kept)
        whole._metadata = metadata_of(module, versions)  # type: ignore[attr-defined]
        module.load_state_dict(whole, strict=False)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:  # hooks of the user's
        raise CheckpointError(f"{path} cannot be loaded into the network: {error}") from error
    return tuple(notes)


def _check_sizes(tensors: Mapping[str, Tensor], learned: set[str], path: Path) -> None:
    """Refuse what no training gives, before it overflows on the way: huge weights, negative variances."""
    for name in sorted(learned & tensors.keys()):
        value = tensors[name]
        if not (value.is_floating_point() or value.is_complex()) or not value.numel():
            continue
        wide = value.float() if value.element_size() < 2 else value
        largest = float(wide.abs().max())
        if largest > _LARGEST:
            raise CheckpointError(
                f"{path} holds a weight of {largest:.2g} in {name}, beyond the {_LARGEST:g} that networks of "
                "finite outputs have: it is damaged, or the training run diverged; load an earlier checkpoint"
            )
        if name.endswith("running_var") and float(wide.min()) < 0:
            raise CheckpointError(
                f"{path} holds a negative variance in {name}, {float(wide.min()):.2g}: it is damaged"
            )


def _learned(module: nn.Module) -> set[str]:
    """Names whose values a diverged run spoils: parameters, and statistics of normalisation layers."""
    names = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    for place, layer in module.named_modules(remove_duplicate=False):
        if isinstance(layer, _NormBase):
            start = f"{place}." if place else ""
            names |= {f"{start}running_mean", f"{start}running_var"}
    return names


def _family(dtype: torch.dtype) -> str:
    if dtype.is_complex:
        return "complex"
    if dtype.is_floating_point:
        return "floating point"
    return "boolean" if dtype == torch.bool else "integer"


def _check_types(
    held: Mapping[str, Tensor], tensors: Mapping[str, Tensor], learned: set[str], path: Path
) -> None:
    wrong = [
        f"{name} is {_short(value.dtype)}, expected {_short(held[name].dtype)}"
        for name, value in tensors.items()
        if _family(value.dtype) != _family(held[name].dtype)
        and not name.endswith(_COUNTER)
        and (name in learned or not _exact(value, held[name].dtype))
    ]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise CheckpointError(
            f"{path} holds values of another kind than the network, and a cast would change what they mean: "
            f"{'; '.join(wrong[:_SHOWN])}{more}; save the weights as the network has them (quantised ones "
            "dequantised), or name the right network with --model"
        )


def _exact(value: Tensor, dtype: torch.dtype) -> bool:
    """Whether every value survives the way to another type and back."""
    if value.dtype == dtype:
        return True
    if value.dtype.is_complex and not dtype.is_complex:
        return False
    return bool(torch.equal(value.to(dtype).to(value.dtype), value))


def _casts(held: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    changes = Counter(
        (_short(value.dtype), _short(held[name].dtype))
        for name, value in tensors.items()
        if value.dtype != held[name].dtype and not name.endswith(_COUNTER)
    )
    return [f"{count} tensors stored as {old}, taken as {new}" for (old, new), count in changes.items()]


def _is_finite(value: Tensor) -> bool:
    if not (value.is_complex() or value.is_floating_point()):
        return True
    return bool(torch.isfinite(value.float() if value.element_size() < 2 else value).all())


def _check_twins(tensors: Mapping[str, Tensor], twins: Mapping[str, str], path: Path) -> None:
    first: dict[str, str] = {}
    for name, value in tensors.items():
        other = first.setdefault(twins.get(name, name), name)
        if other != name and not torch.equal(tensors[other].to(value.dtype), value):
            raise CheckpointError(
                f"{path} holds two values of one tied weight, {other} and {name}, which differ; the network "
                "in the file does not tie them; name the right one with --model"
            )


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
