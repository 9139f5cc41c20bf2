"""What a stochastic estimator returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.intervals import quantile


@dataclass(frozen=True)
class Estimate:
    """A stochastic estimate.

    Attributes:
        value: Its best guess.
        standard_error: Of the value, over test vectors; NaN with one.
        products: Operator products used.
        probes: Test vectors; with few, the interval is wider than ± two standard errors.
    """

    value: float
    standard_error: float
    products: int
    probes: int

    @property
    def interval(self) -> tuple[float, float]:
        """Student's 95 % interval over test vectors; NaN with one."""
        half = quantile(self.probes) * self.standard_error
        return self.value - half, self.value + half


def standard_error(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the first axis; NaN where there is but one value."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(values.std(0, ddof=1) / np.sqrt(len(values)))
