"""Which unit of one network corresponds to which of another: alignment modulo permutation by assignment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from landscape.connectivity.groups import Group, Symmetry, along
from landscape.connectivity.permuting import permuted
from landscape.errors import LandscapeError
from landscape.parameters import Parameters, dot

SWEEPS = 100
"""Rounds over all groups, at most; the inner product rises in every one, so that there is an end."""
STARTS = 3
SAME = 1e-12
"""Share of its largest value by which the inner product of two equal networks may be rounded."""


@dataclass(frozen=True, eq=False)
class Matching:
    """An alignment.

    Attributes:
        source: For each class the class of the second network that comes to its place.
        product: Inner product of the first network's parameters with the permuted ones of the second.
        sweeps: Rounds over all groups.
        settled: Whether the last round changed nothing.
    """

    source: np.ndarray
    product: float
    sweeps: int
    settled: bool


Gram = Callable[[Group, np.ndarray], np.ndarray]
"""How well units (or members) of the first network fit those of the second: (n,) classes → (n, n)."""


def assigned(fit: np.ndarray) -> tuple[np.ndarray, float]:
    """The permutation with the largest sum, as the column of each row, and that sum.

    Raises:
        LandscapeError: If a number is not finite.
    """
    if not np.isfinite(fit).all():
        raise LandscapeError(
            "units cannot be matched, as weights or activations are not finite; check the two networks"
        )
    rows, columns = linear_sum_assignment(fit, maximize=True)
    return columns, float(fit[rows, columns].sum())


def best(group: Group, gram: Gram, source: np.ndarray) -> np.ndarray:
    """A permutation of one group that fits best, exactly, the others being as they are.

    Of blocks the units inside are assigned for every pair of blocks, and then the blocks.

    Args:
        group: Which.
        gram: Fit of classes.
        source: Written into a copy of this one.
    """
    source = source.copy()
    fit = gram(group, group.units)
    inner: list[np.ndarray] = []
    for family in group.families:
        blocks, size = family.shape
        whole = gram(group, family.reshape(-1)).reshape(blocks, size, blocks, size)
        columns = np.empty((blocks, blocks, size), np.int64)
        for i in range(blocks):
            for j in range(blocks):
                columns[i, j], value = assigned(whole[i, :, j])
                fit[i, j] += value
        inner.append(columns)
    order, _ = assigned(fit)
    source[group.units] = group.units[order]
    for family, columns in zip(group.families, inner, strict=True):
        for i, j in enumerate(order):
            source[family[i]] = family[j][columns[i, j]]
    return source


def by_weights(
    first: Parameters,
    second: Parameters,
    found: Symmetry,
    *,
    starts: Sequence[np.ndarray] = (),
    random_starts: int = STARTS - 1,
    seed: int = 0,
    only: Sequence[Group] | None = None,
) -> Matching:
    """Weight matching (Ainsworth, Hayase & Srinivasa 2023, algorithm 1).

    Maximises ⟨θ_A, π(θ_B)⟩, which minimises ‖θ_A − π(θ_B)‖, by coordinate ascent: one group after the other
    is assigned exactly while the others stay. A step that does not raise the product, as may happen where a
    tensor has a group along two axes, is not taken. The end depends on the start, as the whole problem is
    NP-hard; the best of several is kept, and a copy that is recovered ends the search.

    Args:
        first: θ_A, parameters by name; BatchNorm's statistics do not count.
        second: θ_B.
        found: The symmetry of both.
        starts: Permutations to begin with, besides that which changes nothing.
        random_starts: How many random ones to begin with as well.
        seed: Of these, and of the order of the groups in them.
        only: Groups to assign, from the given starts alone; all groups by default.
    """
    rng = np.random.default_rng(seed)
    if only is not None:
        runs = [_ascended(first, second, found, start, only) for start in starts]
        return max(runs, key=lambda run: run.product)
    most = 0.5 * float(dot(first, first) + dot(second, second))  # reached where nothing is left between them
    runs = []
    for start in (*starts, found.identity(), *[None] * random_starts):
        order = rng if start is None else None
        start = found.random(int(rng.integers(2**31))) if start is None else start
        runs.append(_ascended(first, second, found, start, found.groups, order))
        if most - runs[-1].product <= SAME * most:
            break
    return max(runs, key=lambda run: run.product)


def _ascended(
    first: Parameters,
    second: Parameters,
    found: Symmetry,
    source: np.ndarray,
    groups: Sequence[Group],
    rng: np.random.Generator | None = None,
) -> Matching:
    names = [name for name in found.layers if name in first]
    own = {name: first[name] for name in names}
    rest = float(dot(first, second)) - float(dot(own, second)) if len(names) < len(first) else 0.0
    other = {name: second[name] for name in names}
    current = permuted(other, found, source)
    scale, touched = float(dot(own, own)), _touched(found, names)
    groups = [group for group in groups if touched[id(group)]]
    sweep, changed = 0, True
    while changed and sweep < SWEEPS:
        changed, sweep = False, sweep + 1
        for index in range(len(groups)) if rng is None else rng.permutation(len(groups)):
            group = groups[index]
            step = best(group, _of_weights(own, current, found, touched[id(group)]), found.identity())
            before = {name: current[name] for name, _ in touched[id(group)]}
            trial = permuted(before, found, step)
            rise = float(dot(trial, own) - dot(before, own))
            if rise > 1e-9 * scale:
                source, current, changed = source[step], current | trial, True
    return Matching(source, float(dot(own, current)) + rest, sweep, not changed)


def _touched(found: Symmetry, names: Sequence[str]) -> dict[int, list[tuple[str, np.ndarray]]]:
    """Tensors and layers that each group moves."""
    result = {}
    for group in found.groups:
        members = group.members
        result[id(group)] = [
            (name, layer) for name in names for layer in found.layers[name] if np.isin(layer, members).any()
        ]
    return result


def _of_weights(
    first: Parameters, second: Parameters, found: Symmetry, touched: Sequence[tuple[str, np.ndarray]]
) -> Gram:
    """Fit of classes: the sum over tensors of inner products of what belongs to each."""

    def gram(group: Group, classes: np.ndarray) -> np.ndarray:
        total = np.zeros((len(classes), len(classes)))
        for name, layer in touched:
            a, b = (taken(side[name], layer, classes) for side in (first, second))
            if a is not None and b is not None:
                total += (a @ b.T).cpu().numpy()
        return total

    return gram


def places(layer: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """Where classes stand in a layer, shape (class, times); None if they do not."""
    flat = layer.reshape(-1)
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], classes)
    counts = np.searchsorted(flat[order], classes, side="right") - starts
    if not counts.any() or np.ptp(counts):
        return None
    return order[starts[:, None] + np.arange(counts[0])]


def taken(value: Tensor, layer: np.ndarray, classes: np.ndarray) -> Tensor | None:
    """What belongs to each class of a tensor, float64, shape (class, entry); None if nothing does."""
    axis = along(layer)
    # Units that are others in each group of a convolution lie along two axes: entry by entry.
    rows = places(layer if axis is not None else np.broadcast_to(layer, value.shape), classes)
    if rows is None:
        return None
    index = torch.from_numpy(rows.reshape(-1)).to(value.device)
    flat = value.reshape(-1) if axis is None else value.movedim(axis, 0)
    return flat.index_select(0, index).reshape(len(rows), -1).double()


def by_correlations(tables: Sequence[np.ndarray], found: Symmetry) -> np.ndarray:
    """Units assigned by a table of each group, over all its members, shape (member, member)."""
    source = found.identity()
    for group, table in zip(found.groups, tables, strict=True):
        source = best(group, partial(_looked_up, table), source)
    return source


def _looked_up(table: np.ndarray, group: Group, classes: np.ndarray) -> np.ndarray:
    at = np.searchsorted(group.members, classes)
    return table[np.ix_(at, at)].copy()
