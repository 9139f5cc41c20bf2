"""The three variances of feature maps: over space, over samples, over draws of MC dropout."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_GROUPS = 20  # of consecutive samples, whose spread gives standard errors: good to 16 %


@dataclass(frozen=True)
class Centred:
    """Maps with the mean of each taken off, so that what is computed from them loses no digits.

    Attributes:
        maps: As they came, float32 or float64, shape (sample, channel, height, width).
        rest: Without their means, contiguous, the same shape.
        mean: Shape (sample, channel).
        norm: √Σ rest² over the points, the same shape.
    """

    maps: Tensor
    rest: Tensor
    mean: Tensor
    norm: Tensor

    @property
    def points(self) -> int:
        """Points of a map."""
        return self.rest.shape[2] * self.rest.shape[3]


def centred(maps: Tensor) -> Centred:
    """Take the mean over height and width off maps of shape (sample, channel, height, width)."""
    maps = maps.detach()
    maps = maps if maps.dtype == torch.float64 else maps.float()
    mean = maps.mean((2, 3), keepdim=True)
    rest = torch.empty(maps.shape, dtype=maps.dtype, device=maps.device)
    torch.sub(maps, mean, out=rest)
    return Centred(maps, rest, mean[:, :, 0, 0], torch.linalg.vector_norm(rest, dim=(2, 3)))


def spatial_deviation(maps: Centred) -> Tensor:
    """Unbiased standard deviation over height and width.

    Returns:
        Shape (sample, channel), float64, in the map's units; NaN for maps of one pixel, which have none.
    """
    if maps.points < 2:
        return torch.full_like(maps.mean, math.nan, dtype=torch.float64)
    return maps.norm.double() / math.sqrt(maps.points - 1)


class Groups:
    """Splits samples that arrive in batches into up to 20 groups of consecutive ones.

    The spread of what each group gives by itself is the standard error of what has no value for each sample.
    """

    def __init__(self, samples: int) -> None:
        """Say how many samples are to come."""
        count = max(1, min(_GROUPS, samples // 2))
        self._edges = [(i + 1) * samples // count for i in range(count)]
        self._seen = 0

    def split(self, rows: Tensor) -> Iterator[tuple[Tensor, bool]]:
        """The next rows in parts that belong to one group, and whether the part ends it."""
        while len(rows):
            edge = next((edge for edge in self._edges if edge > self._seen), self._seen + len(rows))
            part, rows = rows[: edge - self._seen], rows[edge - self._seen :]
            self._seen += len(part)
            yield part, self._seen == edge


class SampleVariance:
    """Unbiased variance over the samples of each element, mean over elements, and the mean of its root.

    Sums run over differences from the mean of the first samples, in float64.

    Attributes:
        groups: Variance and deviation of each group of samples so far.
    """

    def __init__(self, samples: int) -> None:
        """Say how many samples are to come."""
        self.groups: list[Tensor] = []
        self._parts = Groups(samples)
        self._shift: Tensor | None = None
        self._total = self._group = _Sums()

    def add(self, maps: Tensor) -> None:
        """Take in the next maps, shape (sample, channel, height, width)."""
        rows = _rows(maps)
        if self._shift is None:
            self._shift = rows.mean(0)
            self._total, self._group = _Sums(), _Sums()
        for part, ends in self._parts.split(rows):
            self._group.add(part - self._shift)
            if ends:
                self.groups.append(self._group.spread())
                self._total.merge(self._group)
                self._group = _Sums()

    @property
    def value(self) -> np.ndarray:
        """Variance and deviation over all samples; NaN for fewer than two."""
        return self._total.spread().numpy()


class DrawVariance:
    """Unbiased variance of each element over repeated passes of the same samples.

    The first pass is the origin, so that a network that repeats itself has a variance of exactly zero.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first = self._sum = self._squares = torch.zeros(())

    def add(self, maps: Tensor) -> None:
        """Take in one pass, shape (sample, channel, height, width)."""
        rows = _rows(maps)
        self.count += 1
        if self.count == 1:
            self._first = rows.clone()  # layers that work in place overwrite it
            self._sum, self._squares = torch.zeros_like(rows), torch.zeros_like(rows)
            return
        step = rows - self._first
        self._sum += step
        self._squares.addcmul_(step, step)

    def value(self) -> Tensor:
        """Mean over elements of the variance and of its root, float64, shape (sample, 2)."""
        variance = self._squares.addcmul(self._sum, self._sum, value=-1 / self.count) / (self.count - 1)
        variance = variance.clamp_min_(0)  # below zero by rounding alone
        return torch.stack([_mean(variance), _mean(variance.sqrt_())], 1)


class _Sums:
    """Sums over samples of differences from a fixed shift and of their squares, by element."""

    def __init__(self) -> None:
        self.count = 0
        self.first = self.second = torch.zeros((), dtype=torch.float64)

    def add(self, steps: Tensor) -> None:
        """Take in differences of shape (sample, element), which are overwritten."""
        ones = torch.ones(1, len(steps), dtype=steps.dtype, device=steps.device)
        # A product with ones is several times faster than a sum over the first dimension.
        self.first = self.first + (ones @ steps)[0].double()
        self.second = self.second + (ones @ steps.square_())[0].double()
        self.count += len(steps)

    def merge(self, other: _Sums) -> None:
        """Take in the sums of other samples."""
        self.first = self.first + other.first
        self.second = self.second + other.second
        self.count += other.count

    def spread(self) -> Tensor:
        """Mean over elements of the unbiased variance and of its root; NaN for fewer than two samples."""
        if self.count < 2:
            return torch.full((2,), math.nan, dtype=torch.float64)
        # Below zero by rounding alone.
        variance = (self.second - self.first.square() / self.count).clamp_min_(0) / (self.count - 1)
        return torch.stack([variance.mean(), variance.sqrt_().mean()]).cpu()


def _mean(rows: Tensor) -> Tensor:
    return rows.mean(1).double()


def _rows(maps: Tensor) -> Tensor:
    """Maps as rows, the channel fastest, as they lie in memory in channels_last; shape (sample, element)."""
    maps = maps.detach()
    maps = maps if maps.dtype == torch.float64 else maps.float()
    return maps.movedim(1, -1).reshape(len(maps), -1)
