"""Fourier amplitude of feature maps: on the half diagonal of P2, and over all directions by rings."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.features.variance import Centred

SMALL = 8
"""Maps with fewer points a side have so few frequencies that their spectra say little."""

_EPSILON = 1e-6  # inside the logarithm, as in the code of Park & Kim 2022b
_FAINT = 1e-12  # power of a frequency relative to the map's, below which float32's rounding would show
_LARGE = 24  # points a side from which a transform of both directions at once is faster


def log_amplitudes(maps: Centred) -> Tensor:
    """log(|fft2(z)| + 10⁻⁶) of each map, then the mean over channels (Park & Kim 2022b, Fig. 2).

    Maps in float32 are transformed in it, but for those in which a frequency is so faint that rounding would
    show, such as the zeros of a blur: these are transformed in float64.

    Returns:
        Natural logarithms, float64, at the frequencies that `torch.fft.rfft2` gives, shape
        (sample, height, width // 2 + 1).
    """
    power = half_power(maps.rest)
    power[..., 0, 0] = (maps.mean * maps.points).square()
    faint = power.amin((2, 3)) < _FAINT * maps.points * maps.norm.square()  # by Parseval, that of the map
    logs = power.sqrt_().add_(_EPSILON).log_()
    if power.dtype == torch.float32 and faint.any():
        exact = torch.fft.rfft2(maps.maps[faint].double()).abs()
        logs[faint] = exact.add_(_EPSILON).log_().to(logs.dtype)
    return logs.mean(1).double()


def half_power(maps: Tensor) -> Tensor:
    """|fft2(z)|² at the frequencies of `torch.fft.rfft2`, shape (sample, channel, height, width // 2 + 1)."""
    # Of small maps, one direction after the other is up to twice as fast.
    small = maps.shape[-1] < _LARGE
    spectrum = torch.fft.fft(torch.fft.rfft(maps), dim=2) if small else torch.fft.rfft2(maps)
    parts = torch.view_as_real(spectrum).square_()  # in place, the cheapest way
    return parts[..., 0] + parts[..., 1]


def half_diagonal(logs: Tensor) -> Tensor:
    """The diagonal of a spectrum from zero frequency upwards; `frequencies` says where.

    The authors shift the spectrum by h/2 and keep ``diag[h//2:]``; that is the diagonal of the unshifted one
    at 0 … ⌈h/2⌉ − 1, which is read off directly (Park & Kim 2022b, Fig. 2).

    Args:
        logs: From `log_amplitudes`, shape (sample, size, size // 2 + 1).

    Returns:
        Shape (sample, ⌈size/2⌉).
    """
    return logs.diagonal(dim1=1, dim2=2)[:, : (logs.shape[1] + 1) // 2]


def check_square(height: int, width: int) -> None:
    """Refuse maps whose diagonal has two frequencies at each point.

    Raises:
        LandscapeError: If the sides differ.
    """
    if height != width:
        raise LandscapeError(
            f"the Fourier analysis reads the diagonal of square feature maps, but these are "
            f"{height}×{width}; crop or resize the images to a square"
        )


def frequencies(size: int) -> np.ndarray:
    """Frequencies of `half_diagonal` for maps of this size, in units of π: 2i/size for i = 0 … ⌈size/2⌉ − 1.

    The last one is 1 − 2/size for an even size and 1 − 1/size for an odd one.
    """
    return 2 * np.arange((size + 1) // 2) / size


def radial_average(logs: Tensor) -> Tensor:
    """Mean over all frequencies of each ring around zero; `radial_frequencies` says where the rings are.

    A ring holds the frequencies (k, m) whose distance from zero rounds to its number.

    Args:
        logs: From `log_amplitudes`, shape (sample, size, size // 2 + 1).

    Returns:
        Shape (sample, ring).
    """
    return logs.flatten(1) @ _rings(logs.shape[1]).to(logs.device)


def radial_frequencies(size: int) -> np.ndarray:
    """Centres of the rings for maps of this size, in units of π: 2i/size, as far as the corners."""
    return 2 * np.arange(_rings(size).shape[1]) / size


@functools.lru_cache(maxsize=32)
def _rings(size: int) -> Tensor:
    """Weights of the half spectrum's frequencies in the mean of each ring, shape (frequency, ring)."""
    k, twice = half_frequencies(size, size)
    ring = np.rint(np.hypot(*k)).astype(int).ravel()
    weights = np.zeros((ring.size, ring.max() + 1))
    weights[np.arange(ring.size), ring] = twice.ravel()
    return torch.from_numpy(weights / weights.sum(0))


def half_frequencies(height: int, width: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Wave numbers of the half spectrum and how many of the whole one each stands for, 1 or 2.

    Returns:
        Vertical and horizontal wave numbers (cycles a map), and the multiplicities, each of shape
        (height, width // 2 + 1).
    """
    vertical = np.fft.fftfreq(height, 1 / height)
    horizontal = np.arange(width // 2 + 1)
    own = (horizontal == 0) | (2 * horizontal == width)
    k, m = np.meshgrid(vertical, horizontal, indexing="ij")
    return (k, m), np.broadcast_to(np.where(own, 1, 2), k.shape)


def highest(spectrum: Tensor) -> Tensor:
    """The last value of each row, NaN where zero is the only frequency; shape (sample,)."""
    return spectrum[:, -1] if spectrum.shape[1] > 1 else torch.full_like(spectrum[:, 0], math.nan)
