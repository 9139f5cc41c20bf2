"""Groups of units that a network can exchange without changing its function."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor

from landscape.connectivity.layers import axes, compact
from landscape.connectivity.tracing import Carrier, Traced
from landscape.connectivity.units import Units
from landscape.errors import LandscapeError

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, eq=False)
class Group:
    """Units that may be put into any order.

    Attributes:
        name: A parameter that they index, for people.
        units: Classes of units, or the blocks that are permuted as wholes, such as heads.
        families: Of blocks, the units inside that may be put into any order too, shape (block, unit) each.
    """

    name: str
    units: np.ndarray
    families: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        return len(self.units)

    @property
    def members(self) -> np.ndarray:
        """All classes that it moves."""
        return np.unique(np.concatenate([self.units, *(family.reshape(-1) for family in self.families)]))

    def words(self) -> str:
        """What it is, for people."""
        inside = ", ".join(str(family.shape[1]) for family in self.families)
        return f"{self.name} ({len(self)} {'blocks of ' + inside if inside else 'units'})"


@dataclass(frozen=True, eq=False)
class Symmetry:
    """How the units of a network may be exchanged.

    Attributes:
        groups: In the order of execution.
        layers: Classes by place of every tensor that has any, by name: parameters and buffers.
        carriers: What submodules give, with the classes there.
        count: Numbers of classes are below it.
        fixed: Classes that may not be exchanged with any other.
    """

    groups: tuple[Group, ...]
    layers: dict[str, tuple[np.ndarray, ...]]
    carriers: tuple[Carrier, ...]
    count: int
    fixed: int = 0

    def identity(self) -> np.ndarray:
        """The permutation that leaves every unit where it is, as the class that comes to each one's place."""
        return np.arange(self.count)

    def random(self, seed: int, only: Sequence[Group] | None = None) -> np.ndarray:
        """A permutation drawn uniformly, of all groups or of some."""
        rng, source = np.random.default_rng(seed), self.identity()
        for group in self.groups if only is None else only:
            order = rng.permutation(len(group))
            source[group.units] = group.units[order]
            for family in group.families:
                for block, other in zip(family, family[order], strict=True):
                    source[block] = other[rng.permutation(len(other))]
        return source

    def count_of_permutations(self) -> float:
        """Natural logarithm of how many there are."""
        total = 0.0
        for group in self.groups:
            total += gammaln(len(group) + 1)
            total += sum(len(group) * gammaln(family.shape[1] + 1) for family in group.families)
        return float(total)


def settled(traced: Traced, buffers: dict[str, Tensor]) -> Symmetry:
    """The groups of what a trace found.

    Args:
        traced: The trace.
        buffers: Those of the network; units at which a constant differs are not exchanged.
    """
    units = traced.units
    fixed, blocks, marks = units.settled()
    layers = {
        name: tuple(units.find(compact(_found(units, layer)).numpy()) for layer in kept)
        for name, kept in traced.layers.items()
        if kept
    }
    seen, first = _signatures(layers, buffers, marks)
    members = sorted(one for one in {*seen, *blocks.values()} if not fixed[one])
    order = {
        one: place for place, one in enumerate(sorted(members, key=lambda one: first.get(one, (1 << 30, 0))))
    }
    inside: dict[int, list[int]] = defaultdict(list)
    for one in sorted(members, key=order.__getitem__):
        if one in blocks:
            inside[blocks[one]].append(one)
    groups = [group for group in _groups(members, seen, blocks, inside, first) if _moves(group)]
    carriers = []
    for carrier in traced.carriers:
        kept = tuple(_found(units, layer) for layer in carrier.layers)
        carriers.append(Carrier(carrier.name, tuple(map(compact, kept)), carrier.shape))
    return Symmetry(
        tuple(groups), layers, tuple(carriers), len(units), int(fixed[np.array(list(seen), int)].sum())
    )


def _found(units: Units, layer: Tensor) -> Tensor:
    return torch.from_numpy(units.find(layer.numpy()))


def _moves(group: Group) -> bool:
    return len(group) > 1 or any(family.shape[1] > 1 for family in group.families)


def _signatures(
    layers: dict[str, tuple[np.ndarray, ...]], buffers: dict[str, Tensor], marks: dict[int, tuple[int, ...]]
) -> tuple[dict[int, tuple], dict[int, tuple[int, int]]]:
    """What every class does, to be compared with others, and where it stands first.

    How often it stands in which layer of which tensor, which operators take it and leave others, and the
    values of constants there. BatchNorm's statistics are none.
    """
    does: dict[int, list] = defaultdict(list)
    first: dict[int, tuple[int, int]] = {}
    for place, (name, kept) in enumerate(layers.items()):
        constant = name in buffers and name.rpartition(".")[2] not in _STATISTICS
        for index, layer in enumerate(kept):
            ids, starts, counts = np.unique(layer, return_index=True, return_counts=True)
            for one, start, count in zip(ids.tolist(), starts.tolist(), counts.tolist(), strict=True):
                value = _digest(buffers[name], layer, one) if constant and one >= 0 else b""
                does[one].append((name, index, count, value))
                first.setdefault(one, (place, start))
    return {one: (*rows, marks.get(one, ())) for one, rows in does.items() if one >= 0}, first


def _digest(value: Tensor, layer: np.ndarray, one: int) -> bytes:
    at = torch.from_numpy(layer == one).expand(value.shape)
    return hashlib.sha256(value[at].contiguous().numpy().tobytes()).digest()


def _groups(
    members: list[int],
    seen: dict[int, tuple],
    blocks: dict[int, int],
    inside: dict[int, list[int]],
    first: dict[int, tuple[int, int]],
) -> Iterator[Group]:
    """Classes and blocks that do the same, in the order in which they first stand somewhere."""
    alike: dict[tuple, list[int]] = defaultdict(list)
    for one in members:
        if one not in blocks:
            own = sorted((seen.get(each, ()) for each in inside[one]), key=repr) if one in inside else []
            alike[(seen.get(one, ()), repr(own))].append(one)

    def start(one: int) -> tuple[int, int]:
        return min(
            [first.get(one, (1 << 30, 0)), *(first.get(each, (1 << 30, 0)) for each in inside.get(one, ()))]
        )

    for row in sorted(alike.values(), key=lambda row: min(map(start, row))):
        row = sorted(row, key=start)
        families: dict[str, list[list[int]]] = defaultdict(list)
        for one in row:
            kinds: dict[str, list[int]] = defaultdict(list)
            for each in inside.get(one, ()):
                kinds[repr(seen.get(each, ()))].append(each)
            for kind, inner in kinds.items():
                families[kind].append(inner)
        name = _name(row[0], seen, inside)
        yield Group(name, np.array(row), tuple(np.array(each) for each in families.values()))


def _name(one: int, seen: dict[int, tuple], inside: dict[int, list[int]]) -> str:
    rows = [*seen.get(one, ()), *(row for each in inside.get(one, ()) for row in seen.get(each, ()))]
    return next((row[0] for row in rows if row and isinstance(row[0], str)), "units")


def along(layer: np.ndarray) -> int | None:
    """The only axis along which classes change; None if there are several."""
    own = axes(torch.from_numpy(layer))
    return own[0] if len(own) == 1 else None


def fail(group: Group, name: str, off: float) -> LandscapeError:
    """A group that turned out to be none."""
    return LandscapeError(
        f"the units of {group.words()} of {name} were taken for a group, but permuting them changes "
        "the outputs by "
        f"{off:.1e} of the largest; alignment would compare other networks: leave out --align, and "
        "please report it"
    )
