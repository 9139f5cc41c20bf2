"""Parts of samples that are read when they are asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

Read = Callable[[np.ndarray], Sequence[Tensor]]
"""Positions in the source → its parts there, the first dimension of each the sample."""


KEPT_BYTES = 2**29
"""Memory that samples which have been read may take, so that a second pass need not read them again."""


class Source:
    """What several parts of the same samples are read from, and kept as far as memory allows."""

    def __init__(self, read: Read, kept_bytes: int = KEPT_BYTES) -> None:
        """Of a function from positions to parts, the `reader`."""
        self.reader, self._left = read, kept_bytes
        self._kept: dict[int, list[Tensor]] = {}
        self._last: tuple[bytes, Sequence[Tensor]] = (b"", ())

    def read(self, positions: np.ndarray) -> Sequence[Tensor]:
        """Every part of the samples at these positions."""
        key = positions.tobytes()
        if key != self._last[0] or not self._last[1]:
            self._last = (key, self._found(positions))
        return self._last[1]

    def _found(self, positions: np.ndarray) -> Sequence[Tensor]:
        places = positions.tolist()
        missing = [place for place in places if place not in self._kept]
        if len(missing) == len(places):
            parts = self.reader(positions)
            self._keep(places, parts)
            return parts
        if missing:
            new = self.reader(np.array(missing))
            rows = {place: [part[i] for part in new] for i, place in enumerate(missing)}
            self._keep(missing, new)
        else:
            rows = {}
        each = [rows.get(place) or self._kept[place] for place in places]
        return [torch.stack(part) for part in zip(*each, strict=True)]

    def _keep(self, places: list[int], parts: Sequence[Tensor]) -> None:
        size = sum(part.nbytes for part in parts) // max(1, len(places))
        for i, place in enumerate(places):
            if self._left < size:
                return
            self._kept[place] = [part[i].clone() for part in parts]
            self._left -= size

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_kept": {}, "_left": 0, "_last": (b"", ())}


class Lazy:
    """A tensor whose rows are not there yet; selections are views of indices.

    Attributes:
        shape: Its shape; the first dimension is the sample.
        dtype: Its type.
    """

    def __init__(self, source: Source, part: int, positions: np.ndarray, like: Tensor) -> None:
        """One part of a source.

        Args:
            source: What it is read from.
            part: Which part.
            positions: Of the samples in the source.
            like: The part of one sample, shape (1, …).
        """
        self._source, self._part, self._positions, self._like = source, part, positions, like
        self.shape = torch.Size([len(positions), *like.shape[1:]])
        self.dtype = like.dtype

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def reader(self) -> Read:
        """What reads it."""
        return self._source.reader

    def through(self, read: Read) -> Lazy:
        """The same samples, read in another way from which they come as one part."""
        (like,) = read(self._positions[:1])
        return Lazy(Source(read), 0, self._positions, like)

    def __getitem__(self, which: Any) -> Lazy:
        """The rows at a slice or at positions."""
        which = which.numpy() if isinstance(which, Tensor) else which
        return Lazy(self._source, self._part, self._positions[which], self._like)

    @property
    def nbytes(self) -> int:
        """Size of the tensor, were it there."""
        return self.shape.numel() * self.dtype.itemsize

    def dim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def is_floating_point(self) -> bool:
        """Whether it holds floating-point numbers."""
        return self.dtype.is_floating_point

    def read(self) -> Tensor:
        """The tensor."""
        return self._source.read(self._positions)[self._part]


@contextmanager
def seeded(seed: int, index: int) -> Iterator[None]:
    """Random numbers of torch, NumPy and Python that depend on seed and index alone, while open."""
    own = np.random.SeedSequence((seed, index)).generate_state(3)
    before = np.random.get_state(), random.getstate()  # noqa: NPY002 (transforms of others use it)
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(torch.Generator().manual_seed(int(own[0])).get_state())
        np.random.set_state(np.random.RandomState(own[1]).get_state())  # noqa: NPY002
        random.setstate(random.Random(int(own[2])).getstate())
        try:
            yield
        finally:
            np.random.set_state(before[0])  # noqa: NPY002
            random.setstate(before[1])
