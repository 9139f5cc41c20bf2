"""Units of a network: places along its parameters, and which of them have to move together."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NOTHING = -1
"""Stands where a tensor holds one constant: whatever is permuted there, nothing changes."""
FIXED = -2
"""Stands where a tensor holds what no unit may be exchanged with."""


class Units:
    """Union–find over units, with what keeps units from being exchanged.

    A unit is a place along one axis of one parameter. Units that must move together, such as an output of a
    convolution and the same input of the next, are of one class. A class may belong to a block, such as the
    units of an attention head, which is a unit itself.
    """

    def __init__(self) -> None:
        self._root = np.arange(0)
        self._fixed: list[np.ndarray] = []
        self._within: list[np.ndarray] = []
        self._blocks: dict[bytes, int] = {}
        self._marked: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._root)

    def new(self, count: int) -> Tensor:
        """So many units, none of which moves with another."""
        first = len(self._root)
        self._root = np.concatenate([self._root, np.arange(first, first + count)])
        return torch.arange(first, first + count)

    def find(self, units: np.ndarray) -> np.ndarray:
        """The class of each, as one of its units; what is negative stays."""
        return np.where(units < 0, units, self._root[np.maximum(units, 0)]) if len(self._root) else units

    def join(self, pairs: np.ndarray) -> None:
        """Put the two units of each row, shape (pair, 2), into one class."""
        root = self._root

        def top(unit: int) -> int:
            while root[unit] != unit:
                root[unit] = root[root[unit]]
                unit = root[unit]
            return unit

        for one, other in pairs.tolist():
            one, other = top(one), top(other)
            root[max(one, other)] = min(one, other)
        while not np.array_equal(root, above := root[root]):
            root = above
        self._root = root

    def fix(self, units: np.ndarray) -> None:
        """Let these never be exchanged."""
        self._fixed.append(units[units >= 0].reshape(-1))

    def mark(self, units: np.ndarray) -> None:
        """Let these be exchanged with each other only: something reads them and not the others."""
        self._marked.append(np.unique(units[units >= 0]))

    def put(self, pairs: np.ndarray) -> None:
        """Say that the first unit of each row belongs to the block that the second is."""
        self._within.append(pairs)

    def blocks(self, rows: np.ndarray) -> np.ndarray:
        """The block of the units of each row, shape (row, unit) → (row,); a row of one unit is that unit."""
        found = np.empty(len(rows), np.int64)
        for i, row in enumerate(np.sort(self.find(rows), axis=1)):
            members = np.unique(row[row >= 0])
            if len(members) < 2:
                found[i] = members[0] if len(members) else NOTHING
                continue
            key = members.tobytes()
            if key not in self._blocks:
                self._blocks[key] = int(self.new(1)[0])
                self.put(np.stack([members, np.full_like(members, self._blocks[key])], 1))
            found[i] = self._blocks[key]
        return found

    def together(self, pairs: np.ndarray) -> None:
        """Put both units of each row, and whatever they are connected with, into one block."""
        keys: dict[int, int] = {}
        for one, other in pairs.tolist():
            keys[one] = min(keys.get(one, other), other)
        blocks = {key: int(self.new(1)[0]) for key in sorted(set(keys.values()))}
        rows = {(unit, blocks[keys[row[0]]]) for row in pairs.tolist() for unit in row}
        self.put(np.array(sorted(rows)))

    def settled(self) -> tuple[np.ndarray, dict[int, int], dict[int, tuple[int, ...]]]:
        """What is known in the end.

        Returns:
            Whether each unit's class is fixed, shape (unit,); the block's class by class; and marks by class.
        """
        within = self._agreed()
        fixed = np.zeros(len(self), bool)
        for units in self._fixed:
            fixed[self.find(units)] = True
        blocks = {int(one): int(other) for one, other in within}
        for one, other in within:  # blocks within blocks are left alone
            if int(other) in blocks or one == other:
                fixed[[one, other]] = True
        # Whatever belongs to something fixed is known by its place: so is the rest of it.
        for one, other in within:
            fixed[other] |= fixed[one]
        for one, other in within:
            fixed[one] |= fixed[other]
        marks: dict[int, tuple[int, ...]] = {}
        for mark, units in enumerate(self._marked):
            for one in np.unique(self.find(units)).tolist():
                marks[one] = (*marks.get(one, ()), mark)
        return fixed[self._root], blocks, marks

    def _agreed(self) -> np.ndarray:
        """Pairs of a class and its block; blocks of the same units become one, others fix what is in them."""
        pairs = self._pairs()
        while True:
            several: dict[int, list[int]] = {}
            for one, other in pairs.tolist():
                several.setdefault(one, []).append(other)
            twins = {(min(row), other) for row in several.values() for other in row if other != min(row)}
            if not twins:
                return pairs
            firsts, seconds = zip(*twins, strict=True)
            if len(set(firsts)) < len(firsts) or len(set(seconds)) < len(seconds):
                odd = [one for one, row in several.items() if len(row) > 1]
                self.fix(np.array([*odd, *firsts, *seconds]))
                return np.array([[one, row[0]] for one, row in several.items()]).reshape(-1, 2)
            self.join(np.array(sorted(twins)))
            pairs = self._pairs()

    def _pairs(self) -> np.ndarray:
        rows = [self.find(pairs) for pairs in self._within]
        return np.unique(np.concatenate(rows), axis=0) if rows else np.empty((0, 2), np.int64)
