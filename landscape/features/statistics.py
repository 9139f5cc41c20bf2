"""Spatial variance and Fourier amplitude of feature maps, in float64 and in one pass over the samples."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError

_EPSILON = 1e-6  # inside the logarithm, as in the code of Park & Kim 2022b
_CHUNK = 2**22  # elements of a map transformed at once: about 100 MiB of float64 and complex128


def spatial_variance(maps: Tensor) -> Tensor:
    """Unbiased variance over height and width, then the mean over channels (Park & Kim 2022b, Fig. 9).

    Args:
        maps: Shape (sample, channel, height, width).

    Returns:
        One value a sample, float64, shape (sample,), in squared units of the map; NaN for maps of one pixel,
        whose variance is undefined.
    """
    if maps.shape[2] * maps.shape[3] < 2:
        return torch.full((len(maps),), math.nan, dtype=torch.float64, device=maps.device)
    return maps.double().var((2, 3)).mean(1)


def log_amplitude(maps: Tensor) -> Tensor:
    """log(|fft2(z)| + 10⁻⁶) on the half diagonal from zero frequency upwards, then the mean over channels.

    The authors shift the spectrum by h/2 and keep ``diag[h//2:]``; that is the diagonal of the unshifted one
    at 0 … ⌈h/2⌉ − 1, which is read off directly (Park & Kim 2022b, Fig. 2). `frequencies` says where.

    Args:
        maps: Square maps, shape (sample, channel, size, size).

    Returns:
        Natural logarithms, float64, shape (sample, ⌈size/2⌉).

    Raises:
        LandscapeError: If the maps are not square: the two frequencies of their diagonal would differ.
    """
    height, width = maps.shape[2:]
    if height != width:
        raise LandscapeError(
            f"the Fourier analysis reads the diagonal of square feature maps, but these are "
            f"{height}×{width}; crop or resize the images to a square"
        )
    spectrum = torch.fft.rfft2(maps.double()).diagonal(dim1=2, dim2=3)[..., : (height + 1) // 2]
    return (spectrum.abs() + _EPSILON).log().mean(1)


def frequencies(size: int) -> np.ndarray:
    """Frequencies of `log_amplitude` for maps of this size, in units of π: 2i/size for i = 0 … ⌈size/2⌉ − 1.

    The last one is 1 − 2/size for an even size and 1 − 1/size for an odd one.
    """
    return 2 * np.arange((size + 1) // 2) / size


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


class MapStatistics:
    """What is measured on one layer's maps, batch by batch; memory does not grow with the number of samples.

    Attributes:
        shape: Channels, height and width of the maps; None before the first one.
        variance: Spatial variance.
        log_amplitude: Log amplitude by frequency.
        delta: Log amplitude minus its value at zero frequency, Δ log amplitude.
    """

    def __init__(self) -> None:
        self.shape: torch.Size | None = None
        self.variance = Running()
        self.log_amplitude = Running()
        self.delta = Running()

    @property
    def count(self) -> int:
        """Samples so far."""
        return self.variance.count

    def add(self, maps: Tensor) -> None:
        """Take in maps of shape (sample, channel, height, width).

        Raises:
            LandscapeError: If their shape differs from that of earlier ones, or they are not square.
        """
        self.shape = self.shape or maps.shape[1:]
        if maps.shape[1:] != self.shape:
            raise LandscapeError(
                f"the layer's maps change shape from {tuple(self.shape)} to {tuple(maps.shape[1:])}; "
                "measure layers that run once a forward pass, on images of one size"
            )
        for part in maps.detach().split(max(1, _CHUNK // maps[0].numel())):
            self.variance.add(spatial_variance(part))
            amplitude = log_amplitude(part)
            self.log_amplitude.add(amplitude)
            self.delta.add(amplitude - amplitude[:, :1])
