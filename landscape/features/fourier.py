"""Fourier amplitude of feature maps: on the half diagonal of P2, and over all directions by rings."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

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


def half_diagonal(logs: Tensor, width: int | None = None) -> Tensor:
    """The diagonal of a spectrum from zero frequency upwards; `frequencies` says where.

    The authors shift the spectrum by h/2 and keep ``diag[h//2:]``; that is the diagonal of the unshifted one
    at 0 … ⌈h/2⌉ − 1, which is read off directly (Park & Kim 2022b, Fig. 2). Of an oblong map it is where both
    directions have the same frequency: the frequencies are those of the shorter side, and where they fall
    between two of the longer side, the log amplitude is interpolated linearly between these.

    Args:
        logs: From `log_amplitudes`, shape (sample, height, width // 2 + 1).
        width: Width of the feature map; by default its height.

    Returns:
        Shape (sample, ⌈min(height, width)/2⌉).
    """
    height = logs.shape[1]
    width = width or height
    side = min(height, width)
    if height == width:
        return logs.diagonal(dim1=1, dim2=2)[:, : (side + 1) // 2]
    index = torch.arange((side + 1) // 2, device=logs.device)
    along = index.double() * (max(height, width) / side)
    low = along.floor().long()
    # Along the longer side there is always a next frequency: the highest one is that of the shorter side.
    ends = (logs[:, index, each] if width > height else logs[:, each, index] for each in (low, low + 1))
    below, above = ends
    return below + (above - below) * (along - low)


def frequencies(height: int, width: int | None = None) -> np.ndarray:
    """Frequencies of `half_diagonal`, in units of π: 2i/n for i = 0 … ⌈n/2⌉ − 1, n the shorter side.

    The last one is 1 − 2/n for an even n and 1 − 1/n for an odd one.
    """
    side = min(height, width or height)
    return 2 * np.arange((side + 1) // 2) / side


def radial_average(logs: Tensor, width: int | None = None) -> Tensor:
    """Mean over all frequencies of each ring around zero; `radial_frequencies` says where the rings are.

    A ring holds the frequencies whose distance from zero, in those of the shorter side, rounds to its number.

    Args:
        logs: From `log_amplitudes`, shape (sample, height, width // 2 + 1).
        width: Width of the feature map; by default its height.

    Returns:
        Shape (sample, ring).
    """
    return logs.flatten(1) @ _rings(logs.shape[1], width or logs.shape[1]).to(logs.device)


def radial_frequencies(height: int, width: int | None = None) -> np.ndarray:
    """Centres of the rings, in units of π: 2i/n as far as the corners, n the shorter side."""
    width = width or height
    return 2 * np.arange(_rings(height, width).shape[1]) / min(height, width)


@functools.lru_cache(maxsize=32)
def _rings(height: int, width: int) -> Tensor:
    """Weights of the half spectrum's frequencies in the mean of each ring, shape (frequency, ring)."""
    (k, m), twice = half_frequencies(height, width)
    side = min(height, width)
    ring = np.rint(np.hypot(k * (side / height), m * (side / width))).astype(int).ravel()
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
