"""What smoothing layers do to the variances of feature maps, read from stored statistics in one place."""

from __future__ import annotations

import numpy as np
import xarray as xr


def smoothing_layers(features: xr.Dataset) -> np.ndarray:
    """Places of the smoothing layers that have a layer before them, shape (smoothing,)."""
    places = np.flatnonzero(features["kind"].values.astype(str) == "smoothing")
    return places[places > 0]


def smoothing_ratios(features: xr.Dataset, variable: str = "spatial_variance") -> tuple[np.ndarray, ...]:
    """A variance after each smoothing layer over that before it (Park & Kim 2022a, Fig. 5).

    The standard error of a ratio r = a/b is that of a − r·b over b, to first order. The covariance of a and b
    comes from the error of their paired change, var(a) + var(b) − 2 cov(a, b), where that is stored: the two
    share their samples. Without it they are taken as independent.

    Args:
        features: Result of kind `features`.
        variable: Which variance.

    Returns:
        Places of the smoothing layers, the ratios, NaN where the variance before is not positive, and their
        standard errors, NaN where none is known. Each has shape (smoothing,).
    """
    values, errors, changes = (
        features[name].values.astype(float) if name in features else np.full(features.sizes["layer"], np.nan)
        for name in (variable, f"{variable}_standard_error", f"{variable}_change_standard_error")
    )
    after = smoothing_layers(features)
    before = after - 1
    divisor = np.where(values > 0, values, np.nan)[before]
    ratios = values[after] / divisor
    covariance = (errors[after] ** 2 + errors[before] ** 2 - changes[after] ** 2) / 2
    covariance = np.where(np.isfinite(covariance), covariance, 0.0)
    squared = errors[after] ** 2 + (ratios * errors[before]) ** 2 - 2 * ratios * covariance
    return after, ratios, np.sqrt(np.maximum(squared, 0)) / divisor  # below zero by rounding alone
