"""What is measured on one layer's maps, in one pass over the samples, accumulated in float64."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.features.fourier import (
    half_diagonal,
    highest,
    log_amplitudes,
    radial_average,
)
from landscape.features.variance import DrawVariance, SampleVariance, centred, spatial_deviation

QUANTITIES = (
    "mean",
    "spatial_variance",
    "spatial_deviation",
    "high_frequency",
    "model_variance",
    "model_deviation",
)
"""What each sample has one value of."""

SPECTRA = ("log_amplitude", "delta_log_amplitude", "radial_log_amplitude", "radial_delta_log_amplitude")

_CHUNK = 2**19  # elements of a map worked on at once


class Running:
    """Mean over samples that arrive in batches, and its standard error (Chan, Golub & LeVeque 1979).

    Attributes:
        count: Samples so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._squares = torch.zeros((), dtype=torch.float64)

    def add(self, values: Tensor) -> None:
        """Take in a batch of shape (sample, …)."""
        batch = len(values)
        mean = values.mean(0)
        squares = (values - mean).square().sum(0)
        if self._mean is None:
            self.count, self._mean, self._squares = batch, mean, squares
            return
        total = self.count + batch
        step = mean - self._mean
        self._mean = self._mean + step * (batch / total)
        self._squares = self._squares + squares + step.square() * (self.count * batch / total)
        self.count = total

    @property
    def mean(self) -> np.ndarray:
        """Mean over the samples, shape (…); NaN before the first one."""
        return np.array(math.nan) if self._mean is None else self._mean.cpu().numpy()

    @property
    def standard_error(self) -> np.ndarray:
        """Standard deviation over the samples / √count, shape (…); NaN for fewer than two samples."""
        if self.count < 2:
            return np.full_like(self.mean, math.nan)
        return (self._squares / (self.count - 1) / self.count).sqrt().cpu().numpy()


class LayerStatistics:
    """What is measured on one layer, micro-batch by micro-batch; memory does not grow with their number.

    For each micro-batch call `look` on its maps, `repeat` on those of every further draw, then `finish`.

    Attributes:
        shape: Channels, height and width of the maps; None before the first ones.
        changes: The differences of `QUANTITIES` from the layer before.
        over_samples: Variance over the samples.
    """

    def __init__(self, samples: int) -> None:
        """Say how many samples are to come."""
        self.shape: torch.Size | None = None
        self.changes = Running()
        self.over_samples = SampleVariance(samples)
        self._running = Running()
        self._columns: dict[str, slice] = {}
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        self._draws: DrawVariance | None = None

    @property
    def pending(self) -> int:
        """Samples of the micro-batch so far."""
        return sum(len(logs) for logs, _, _ in self._parts)

    def mean(self, name: str) -> np.ndarray:
        """Mean over the samples of one of `QUANTITIES`, shape (1,), or of `SPECTRA`, shape (frequency,)."""
        return self._running.mean[self._columns[name]]

    def standard_error(self, name: str) -> np.ndarray:
        """Its standard error over the samples."""
        return self._running.standard_error[self._columns[name]]

    def look(self, maps: Tensor, *, draws: int = 1) -> None:
        """Take in maps of shape (sample, channel, height, width), the first of so many draws.

        Raises:
            LandscapeError: If their shape differs from that of earlier ones.
        """
        if self.shape is None:
            self.shape = maps.shape[1:]
        if maps.shape[1:] != self.shape:
            raise LandscapeError(
                f"the layer's maps change shape from {tuple(self.shape)} to {tuple(maps.shape[1:])}; "
                "measure layers that run once a forward pass, on images of one size"
            )
        maps = maps.detach()
        for piece in maps.split(max(1, _CHUNK // self.shape.numel())):
            part = centred(piece)
            self._parts.append((log_amplitudes(part), part.mean, spatial_deviation(part)))
            self.over_samples.add(piece)
        if draws > 1:
            self._draws = DrawVariance()
            self._draws.add(maps)

    def repeat(self, maps: Tensor) -> None:
        """Take in the same samples' maps in another draw."""
        if self._draws is not None:
            self._draws.add(maps)

    def finish(self, before: Tensor | None = None) -> Tensor:
        """End a micro-batch.

        Args:
            before: What this method returned for the layer before.

        Returns:
            `QUANTITIES` of each sample, shape (sample, 6).
        """
        logs, mean, deviation = (torch.cat(each) for each in zip(*self._parts, strict=True))
        width = self.shape[2] if self.shape else 0
        diagonal, radial = half_diagonal(logs, width), radial_average(logs, width)
        delta = diagonal - diagonal[:, :1]
        over_space = torch.stack([mean.double().mean(1), deviation.square().mean(1), deviation.mean(1)], 1)
        over_draws = self._draws.value() if self._draws else torch.full_like(over_space[:, :2], math.nan)
        values = torch.cat([over_space, highest(delta)[:, None], over_draws], 1)
        spectra = (diagonal, delta, radial, radial - radial[:, :1])
        if not self._columns:
            self._name_columns([spectrum.shape[1] for spectrum in spectra])
        # One sum over everything: many small ones would cost as much as the transforms.
        self._running.add(torch.cat([values, *spectra], 1))
        self.changes.add(values - (math.nan if before is None else before))
        self._parts, self._draws = [], None
        return values

    def _name_columns(self, lengths: list[int]) -> None:
        ends = np.cumsum([*[1] * len(QUANTITIES), *lengths])
        starts = [0, *ends[:-1]]
        self._columns = dict(zip((*QUANTITIES, *SPECTRA), map(slice, starts, ends), strict=True))
