"""How the activations of units of two networks correlate over the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from landscape.connectivity.groups import Group, Symmetry, along
from landscape.connectivity.matching import by_correlations, by_weights, places
from landscape.connectivity.permuting import Copy
from landscape.layout import first_tensor
from landscape.objective import Objective
from landscape.work import Progress, silent


@dataclass
class Moments:
    """Sums over samples and places from which correlations follow, float64."""

    count: int = 0
    first: Tensor = field(default_factory=lambda: torch.zeros(0))
    second: Tensor = field(default_factory=lambda: torch.zeros(0))
    squares: list[Tensor] = field(default_factory=list)
    cross: Tensor = field(default_factory=lambda: torch.zeros(0))

    def add(self, a: Tensor, b: Tensor) -> None:
        """Activations of both, shape (unit, value)."""
        a, b = a.double(), b.double()
        parts = (a.sum(1), b.sum(1), [a.square().sum(1), b.square().sum(1)], a @ b.T)
        if not self.count:
            self.first, self.second, self.squares, self.cross = parts
        else:
            self.first += parts[0]
            self.second += parts[1]
            self.squares = [old + new for old, new in zip(self.squares, parts[2], strict=True)]
            self.cross += parts[3]
        self.count += a.shape[1]

    def correlation(self) -> np.ndarray:
        """Pearson's, shape (unit, unit); 0 where a unit does not vary."""
        n = self.count
        covariance = self.cross / n - torch.outer(self.first, self.second) / n**2
        spreads = [
            (square / n - (total / n).square()).clamp(min=0).sqrt()
            for square, total in zip(self.squares, (self.first, self.second), strict=True)
        ]
        scale = torch.outer(*spreads)
        return torch.where(
            scale > 1e-12, covariance / scale.clamp(min=1e-12), torch.zeros_like(scale)
        ).numpy()


_ROUNDS = 5
Seen = tuple[int, int, np.ndarray]
"""Place of a group whose units a submodule gives, the axis of its output, and the classes along it."""


def correlations(
    objective: Objective,
    first: Copy,
    second: Copy,
    found: Symmetry,
    *,
    progress: Progress = silent,
) -> list[np.ndarray]:
    """Correlation of the activations of every member of every group, summed over the submodules that give it.

    Args:
        objective: The samples and the module of both networks.
        first: Parameters and buffers of the first.
        second: Of the second.
        found: Their symmetry.
        progress: Shows the micro-batches.

    Returns:
        Of each group, shape (member, member).
    """
    watched = _watched(found)
    sums: dict[tuple[int, str, int], Moments] = {}
    module, small = objective.network.module, objective.replace(dropout="off", batch_norm="eval")
    batches = list(small.batches())
    for start, inputs, _ in progress(batches, "activations", len(batches)):
        seen: list[dict[str, Tensor]] = []
        for copy in (first, second):
            outputs: dict[str, Tensor] = {}
            forward = small.forward.replace(buffers=copy.buffers)
            with watching(module, watched, outputs.__setitem__), torch.no_grad():
                forward(copy.parameters, start, inputs, 0)
            seen.append(outputs)
        for name, rows in watched.items():
            for which, axis, row in rows:
                for times, own in _alike(found.groups[which], row):
                    where = places(row, own)
                    assert where is not None
                    a, b = (_units(outputs[name], axis, where) for outputs in seen)
                    sums.setdefault((which, name, times), Moments()).add(a, b)
    return [_summed(which, group, watched, sums) for which, group in enumerate(found.groups)]


def by_activations(
    objective: Objective, first: Copy, second: Copy, found: Symmetry, *, progress: Progress = silent
) -> np.ndarray:
    """Activation matching: units assigned by how their activations correlate (Li et al. 2015).

    Activations with units along two axes, such as tokens and channels of a mixer, can be compared along one
    only once the other is aligned: alignments are repeated until nothing changes. Units that no submodule
    gives, as those inside PyTorch's own attention, are matched by weights.

    Args:
        objective: The samples and the module of both networks.
        first: Parameters and buffers of the first.
        second: Of the second.
        found: Their symmetry.
        progress: Shows the micro-batches.

    Returns:
        For each class the class of the second network that comes to its place.
    """
    source = found.identity()
    twice = any(sum(layer.numel() > 1 for layer in carrier.layers) > 1 for carrier in found.carriers)
    for _ in range(_ROUNDS if twice else 1):
        copy = second.permuted(found, source)
        tables = correlations(objective, first, copy, found, progress=progress)
        step = by_correlations(tables, found)
        if np.array_equal(step, found.identity()):
            break
        source = source[step]
    unseen = [group for group, table in zip(found.groups, tables, strict=True) if not table.any()]
    if unseen:
        match = by_weights(first.parameters, second.parameters, found, starts=[source], only=unseen)
        source = match.source
    return source


def _alike(group: Group, row: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Members of a group that stand in a row equally often, with how often."""
    classes, counts = np.unique(row[np.isin(row, group.members)], return_counts=True)
    for times in np.unique(counts):
        yield int(times), classes[counts == times]


def _watched(found: Symmetry) -> dict[str, list[Seen]]:
    """What to look at in the output of each submodule."""
    watched: dict[str, list[Seen]] = {}
    for carrier in found.carriers:
        for layer in carrier.layers:
            axis = along(layer.numpy())
            if axis is None:
                continue
            row = layer.numpy().reshape(-1)
            for which, group in enumerate(found.groups):
                if np.isin(row, group.members).any():
                    watched.setdefault(carrier.name, []).append((which, axis, row))
    return watched


@contextmanager
def watching(
    module: nn.Module, names: Iterable[str], receive: Callable[[str, Tensor], None]
) -> Iterator[None]:
    """While open, outputs of submodules are handed on as they are computed, copied."""

    def hook(name: str) -> Callable[..., None]:
        def after(_part: nn.Module, _args: object, output: object) -> None:
            tensor = first_tensor(output)
            if tensor is not None:
                receive(name, tensor.detach().clone())

        return after

    handles = [module.get_submodule(name).register_forward_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _units(tensor: Tensor, axis: int, where: np.ndarray) -> Tensor:
    """Activations of classes, shape (class, value)."""
    index = torch.from_numpy(where.reshape(-1)).to(tensor.device)
    return tensor.movedim(axis, 0).index_select(0, index).reshape(len(where), -1)


def _summed(
    which: int, group: Group, watched: dict[str, list[Seen]], sums: dict[tuple[int, str, int], Moments]
) -> np.ndarray:
    members = group.members
    total = np.zeros((len(members), len(members)))
    for name, rows in watched.items():
        for other, _, row in rows:
            for times, own in _alike(group, row) if other == which else ():
                at = np.searchsorted(members, own)
                total[np.ix_(at, at)] += sums[which, name, times].correlation()
    return total
