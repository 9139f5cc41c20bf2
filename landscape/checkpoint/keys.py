"""Which tensor of a file belongs to which name of a network, whatever trainers put before or into names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from landscape.errors import CheckpointError

Tensors = Mapping[str, Tensor]

_WRAPPER = re.compile(r"module|_\w*mod(ule)?")
"""DataParallel (`module`), torch.compile (`_orig_mod`), FSDP and activation checkpoints (`_…_module`)."""
_COUNTERS = (
    *("num_batches_tracked", "n_averaged", "total_ops", "total_params"),
    *("num_updates", "decay", "initted", "step", "global_step", "epoch"),
)
"""What no evaluation needs: counters of BatchNorm, of averaged models, of operations (thop), of trainers."""
_CRITERION = re.compile(r"criterion|loss(_?(fn|func|function))?|.*metrics?|(train|val|valid|test)_.*")
"""What trainers keep beside a network."""
_AVERAGED = ("ema", "swa", "avg", "average", "averaged", "shadow", "polyak", "teacher")
_SHOWN = 8
_DEEPEST = 6
_TRIED = 32


@dataclass(frozen=True)
class Fit:
    """The tensors of a file that stand below one prefix, held against the names of a network.

    Attributes:
        prefix: What stands before the network's names, such as ``state_dict.module``; may be empty.
        keys: Key in the file by name in the network.
        missing: Names of the network without a tensor.
        wrong: Names whose tensor has another shape, in words.
        unexpected: Keys below the prefix that are none of the network's.
    """

    prefix: str
    keys: dict[str, str]
    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether names and shapes agree in full."""
        return not (self.missing or self.wrong or self.unexpected)

    @property
    def averaged(self) -> bool:
        """Whether the prefix says that these weights are a running mean (EMA, SWA)."""
        words = re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", self.prefix).lower())
        return any(word in _AVERAGED or word.startswith("ema") or word.endswith("ema") for word in words)


def find(tensors: Tensors, module: nn.Module) -> tuple[Fit, tuple[str, ...]]:
    """The weights of a network in a file.

    Wrappers (`module`, `_orig_mod` and their like) count for nothing wherever they stand in a name, any
    prefix may stand before all names, and of tied weights one name is enough. Where several sets of weights
    fit, raw ones come before averaged ones, then the least nested, then the first in the file.

    Args:
        tensors: All tensors of the file by name.
        module: The network; its values do not matter.

    Returns:
        The set that fits, with a note on every choice; or the one that comes closest, not whole.

    Raises:
        CheckpointError: If the network has lazy layers, whose shapes are not known yet.
    """
    expected = held_by(module)
    twins = tied(module)
    fits = [_judged(tensors, expected, twins, *found) for found in _likely(tensors, expected)]
    if not any(fit.whole for fit in fits):  # the network itself may stand in a wrapper of its user's
        inner = _unwrapped(expected)
        found = [] if inner is None else _likely(tensors, inner)
        names = dict(zip(inner or (), expected, strict=False))
        wrapped = [(prefix, {names[name]: key for name, key in keys.items()}) for prefix, keys in found]
        again = [_judged(tensors, expected, twins, *each) for each in wrapped]
        fits = again if any(fit.whole for fit in again) else fits
    used = {key for fit in fits if fit.whole for key in fit.keys.values()}
    whole = [fit for fit in fits if fit.whole and not _strange(fit, tensors, used)]
    if not whole:
        best = max(fits, key=lambda fit: (len(fit.keys) - len(fit.wrong), not fit.averaged, not fit.prefix))
        strange = _strange(best, tensors, set(best.keys.values()))
        return Fit(best.prefix, best.keys, best.missing, best.wrong, tuple(strange)), ()
    chosen = min(whole, key=lambda fit: (fit.averaged, fit.prefix.count(".") + bool(fit.prefix)))
    notes = "; ".join(_notes(chosen, whole, twins, tensors))
    return chosen, (notes,) if notes else ()


def held_by(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a network's state dict by name; of no use where shapes are not known yet."""
    held = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    lazy = [name for name, value in held.items() if is_lazy(value)]
    if lazy:
        raise CheckpointError(
            f"the network has lazy layers without shapes ({', '.join(lazy[:_SHOWN])}); run it once on an "
            "input in the function that builds it"
        )
    return held


def tied(module: nn.Module) -> dict[str, str]:
    """For each name of a parameter or buffer, the first name of the same tensor."""
    first: dict[int, str] = {}
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return {name: first.setdefault(id(value), name) for name, value in named}


def readings(tensors: Tensors) -> Iterator[dict[str, str]]:
    """Keys by name as they read below each prefix, wrappers left out; the largest groups come first."""
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for key in tensors:
        parts = key.split(".")
        names = [parts[i] for i in _bare(parts)]
        for depth in range(min(len(names), _DEEPEST)):
            groups.setdefault(tuple(names[:depth]), {})[".".join(names[depth:])] = key
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), -len(group[0])))
    yield from (names for _, names in ordered[:_TRIED])


def renamed(tensors: Tensors, names: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors with new names for those of every reading that has them all.

    Args:
        tensors: All tensors of a file.
        names: Name as it reads below a prefix, by new name.
    """
    view = dict(tensors)
    for reading in readings(tensors):
        if all(old in reading for old in names.values()):
            for old in names.values():
                view.pop(reading[old], None)
            # Nothing that is left may hide what takes its name.
            for new, old in names.items():
                key = reading[old]
                place = key.removesuffix(old).rstrip(".") if key.endswith(old) else _outside(key, old)
                view[f"{place}.{new}" if place else new] = tensors[key]
    return view


def _outside(key: str, name: str) -> str:
    """What stands before a name that wrappers were left out of."""
    parts = key.split(".")
    bare = _bare(parts)
    return ".".join(parts[: bare[-len(name.split("."))]])


def _bare(parts: Sequence[str]) -> list[int]:
    """Where the parts of a name that are no wrappers stand; the last one never is."""
    last = len(parts) - 1
    return [i for i, part in enumerate(parts) if i == last or not _WRAPPER.fullmatch(part)]


def _likely(tensors: Tensors, expected: Tensors) -> list[tuple[str, dict[str, str]]]:
    """Prefixes with the keys below them, those that have most of the expected names first."""
    return sorted(_candidates(tensors, expected).items(), key=lambda found: -len(found[1]))[:_TRIED]


def _unwrapped(expected: Tensors) -> dict[str, Tensor] | None:
    """The expected names without the words that all of them begin with; None where there are none."""
    split = [name.split(".") for name in expected]
    lead = 0
    while split and all(len(parts) > lead + 1 and parts[lead] == split[0][lead] for parts in split):
        lead += 1
    if not lead:
        return None
    return {".".join(parts[lead:]): value for parts, value in zip(split, expected.values(), strict=True)}


def _candidates(tensors: Tensors, expected: Tensors) -> dict[str, dict[str, str]]:
    """The keys that end like names of the network, by prefix and by name."""
    split = {name: name.split(".") for name in expected}
    wanted = {tuple(parts[i] for i in _bare(parts)): name for name, parts in split.items()}
    wrapped = len(wanted) == len(expected)  # else names differ in wrappers alone, which then count
    if not wrapped:
        wanted = {tuple(parts): name for name, parts in split.items()}
    found: dict[str, dict[str, str]] = {"": {}}
    depths = {len(parts) for parts in wanted}
    words = {part for parts in split.values() for part in parts}
    # First as they stand, then without words that no name of the network has.
    for plain in (True, False):
        for key in tensors:
            parts = key.split(".")
            bare = list(_bare(parts) if wrapped else range(len(parts)))
            if not plain:
                # The last word is what a tensor is, and what parametrizes a weight is not the weight.
                kept = {len(parts) - 1, *(i for i in bare if parts[i] == "parametrizations")}
                bare = [i for i in bare if i in kept or parts[i] in words]
            for depth in depths:
                if depth <= len(bare) and (name := wanted.get(tuple(parts[i] for i in bare[-depth:]))):
                    found.setdefault(".".join(parts[: bare[-depth]]), {}).setdefault(name, key)
    return found


def _judged(
    tensors: Tensors, expected: Tensors, twins: Mapping[str, str], prefix: str, keys: dict[str, str]
) -> Fit:
    keys = {name: keys[name] for name in expected if name in keys}
    present = {twins.get(name, name) for name in keys}
    missing = [
        name
        for name in expected
        if name not in keys and twins.get(name, name) not in present and not name.endswith(_COUNTERS[0])
    ]
    wrong = [
        f"{name} is {tuple(tensors[key].shape)}, expected {tuple(expected[name].shape)}"
        for name, key in keys.items()
        if tensors[key].shape != expected[name].shape
    ]
    return Fit(prefix, keys, tuple(missing), tuple(wrong))


def _strange(fit: Fit, tensors: Tensors, used: set[str]) -> list[str]:
    """Keys below the prefix that belong to no set of weights and matter to an evaluation."""
    start = f"{fit.prefix}." if fit.prefix else ""
    return [
        key
        for key, value in tensors.items()
        if key.startswith(start)
        and key not in used
        and not (key.rpartition(".")[2] in _COUNTERS and value.numel() <= 1)
        and not _CRITERION.fullmatch(key.removeprefix(start).partition(".")[0])
    ]


def _notes(chosen: Fit, whole: Sequence[Fit], twins: Mapping[str, str], tensors: Tensors) -> Iterator[str]:
    start = f"{chosen.prefix}." if chosen.prefix else ""
    if start:
        yield f"weights found under {chosen.prefix!r}" + (", an average" if chosen.averaged else "")
    inside = [f"{key!r} as {name!r}" for name, key in chosen.keys.items() if key != start + name]
    if inside:
        yield f"names of wrappers left out of {len(inside)} keys, such as {inside[0]}"
    first = {twins.get(name, name): name for name in chosen.keys}
    once = [f"{name} (as {first[t]})" for name, t in twins.items() if name not in chosen.keys and t in first]
    if once:
        yield f"tied weights that are stored once: {', '.join(once[:_SHOWN])}"
    others = [fit for fit in whole if fit is not chosen]
    if others:
        names = ", ".join(repr(fit.prefix) + (" (an average)" if fit.averaged else "") for fit in others)
        yield (
            f"the file holds {len(whole)} sets of weights that fit: {chosen.prefix or 'the outermost'!r} is "
            f"taken (raw weights before averages, then the least nested, then the first), not {names}; "
            "--state-key takes another"
        )
    used = {key for fit in whole for key in fit.keys.values()}
    aside = [key for key in tensors if key not in used]
    if aside:
        more = f" and {len(aside) - _SHOWN} more" if len(aside) > _SHOWN else ""
        yield f"left aside, no part of the network: {', '.join(aside[:_SHOWN])}{more}"
