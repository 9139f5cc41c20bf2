"""The calibration error without the part that noise alone gives it, with an interval; torch-free.

The expected calibration error (ECE) sums absolute gaps between accuracy and confidence over bins. A gap that
is zero is measured as its noise, whose absolute value is not zero on average: with n samples the ECE of a
perfectly calibrated network is of the order of 1/√n, not zero.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from landscape.intervals import LEVEL

_MEAN, _VARIANCE = math.sqrt(2 / math.pi), 1 - 2 / math.pi
"""Of the absolute value of a standard normal number."""
_Z = float(stats.norm.ppf(0.5 + LEVEL / 2))


def debiased(count: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray) -> tuple[np.ndarray, ...]:
    """Expected calibration error without its bias.

    A measured gap is normal around the true one, with the binomial spread of the bin's hits. The estimate
    subtracts the mean excess of the error (the parametric bootstrap of Kumar, Liang & Ma 2019) of a predictor
    whose true gaps are those measured, shrunk by what noise contributes to their squares (James & Stein
    1961). The interval lies around the excess of unshrunk gaps, which is less biased where there are gaps;
    where the plain error is not above that of calibrated predictions (one-sided, 2.5 %), it begins at zero.
    For calibrated predictions it therefore covers more than 95 %.

    Args:
        count: Predictions in each bin, shape (…, bin).
        confidence: Their mean confidence, shape (…, bin); whatever it is where there are none.
        accuracy: The share that is right, likewise.

    Returns:
        The estimate, which may be a little below zero where the predictions are calibrated, and the lower and
        the upper end of its 95 % interval, each of shape (…). The lower end is zero where calibrated
        predictions would do as badly one time in forty. All are NaN where there is no prediction at all, or
        a number is NaN in a bin that has some.
    """
    filled, total = ~(count <= 0), count.sum(-1)
    # Half a hit and half a miss more, so that no bin seems to be without noise.
    hit = np.where(filled, (accuracy * count + 0.5) / (count + 1), 0.5)
    noise = np.where(filled, np.sqrt(count * hit * (1 - hit)), 1.0)
    gaps = np.where(filled, count * (accuracy - confidence) / noise, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(filled, noise, 0.0) / total[..., None]
        plain, error = (weight * np.abs(gaps)).sum(-1), np.sqrt((weight**2).sum(-1))
        shrunk = np.sqrt(np.clip(1 - weight.sum(-1) / (weight * gaps**2).sum(-1), 0, None))
        shrunk = np.nan_to_num(shrunk, nan=0.0, posinf=0.0, neginf=0.0)
        centre = plain - (weight * _excess(gaps)).sum(-1)
        value = plain - (weight * _excess(shrunk[..., None] * gaps)).sum(-1)
        calibrated = (plain - _MEAN * weight.sum(-1)) / (np.sqrt(_VARIANCE) * error) <= _Z
    low = np.where(calibrated, 0.0, np.maximum(centre - _Z * error, 0.0))
    return value, np.where(np.isnan(plain), np.nan, low), np.minimum(centre + _Z * error, 1.0)


def _excess(gap: np.ndarray) -> np.ndarray:
    """By how much the mean absolute value of a normal number of this mean and variance 1 exceeds the gap."""
    size = np.abs(gap)
    return 2 * (stats.norm.pdf(size) - size * stats.norm.sf(size))
