"""How far confidence and accuracy are apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from landscape.errors import LandscapeError


def calibration_error(confidence: Tensor, hit: Tensor, *, bins: int = 10) -> float:
    """Expected calibration error: Σ over bins of share · |accuracy − mean confidence| (Guo et al. 2017).

    Bins have equal width and are closed below; the last one is closed on both sides.

    Args:
        confidence: Probability of the predicted class, float64, shape (sample,).
        hit: Whether the prediction is right, shape (sample,).
        bins: How many; the paper's is 10.

    Returns:
        From 0 to 1; NaN if a confidence is.

    Raises:
        LandscapeError: If `bins` is less than 1.
    """
    from torchmetrics.functional.classification import binary_calibration_error

    if bins < 1:
        raise LandscapeError(f"the calibration error needs at least 1 bin, got {bins}")
    if confidence.isnan().any():
        return math.nan
    # The top-label error is the binary one of (confidence, hit). torchmetrics' multiclass function would cast
    # to float32, and both would give a confidence of exactly 1 a bin of its own.
    below_one = confidence.clamp(max=1 - torch.finfo(confidence.dtype).eps)
    return float(binary_calibration_error(below_one, hit.long(), n_bins=bins, norm="l1"))
