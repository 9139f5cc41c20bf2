"""P1's theory of smoothing against measurements: averaging, and sharpness against the spread of the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats

from landscape.comparison.claims import AGREES, CONTRADICTS, OPEN
from landscape.comparison.pairs import Results
from landscape.comparison.quantities import sharpest


@dataclass(frozen=True)
class Slope:
    """A slope that theory foretells.

    Attributes:
        value: As measured.
        low: Lower end of its 95 % interval; NaN if it is not known.
        high: Upper end.
        theory: As foretold.
        networks: Which it was measured on.
    """

    value: float
    low: float
    high: float
    theory: float
    networks: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`agrees` if the interval holds what is foretold, unless it holds zero as well: `cannot tell`."""
        if not self.low <= self.theory <= self.high:
            return CONTRADICTS
        return OPEN if self.low <= 0 <= self.high else AGREES


def averaging(results: Results) -> Slope | None:
    """Exponent of the variance of the NLL in the number of predictions averaged, −1 in theory.

    Park & Kim (2022a), eq. 18–25. The mean over networks of the exponent of each one's largest ensemble,
    weighted by its stated error, with a normal interval; None without an ensemble of MC dropout.

    Args:
        results: Network name → name of the result → dataset.
    """
    found = {name: _exponent(kinds) for name, kinds in results.items()}
    found = {name: each for name, each in found.items() if all(map(math.isfinite, each))}
    if not found:
        return None
    values, errors = np.array(list(found.values())).T
    weights = 1 / errors**2
    value = float(np.average(values, weights=weights))
    half = float(stats.norm.ppf(0.975) / math.sqrt(weights.sum()))
    return Slope(value, value - half, value + half, -1.0, tuple(found))


def _exponent(kinds: Mapping[str, xr.Dataset]) -> tuple[float, float]:
    """That of the largest ensemble, and its standard error; NaN without one."""
    ensembles = [each for each in kinds.values() if "nll_variance_exponent" in each.attrs]
    if not ensembles:
        return math.nan, math.nan
    attrs = max(ensembles, key=lambda each: each.sizes["size"]).attrs
    return float(attrs["nll_variance_exponent"]), float(attrs["nll_variance_exponent_standard_error"])


def sharpness(results: Results) -> Slope | None:
    """Slope of log variance of the NLL of one prediction against log squared sharpness, 1 in theory.

    Sharpness is the mean largest eigenvalue of mini-batches. Least squares over networks with MC dropout;
    None for fewer than four. Networks are few and related: this describes them.

    Args:
        results: Network name → name of the result → dataset.
    """
    rows = {
        name: (_log_variance(kinds), 2 * math.log(float(sharpest(kinds["spectrum"])[1].mean())))
        for name, kinds in results.items()
        if {"ensemble", "spectrum"} <= kinds.keys()
    }
    rows = {name: row for name, row in rows.items() if all(map(math.isfinite, row))}
    if len(rows) < 4:
        return None
    y, x = np.array(list(rows.values())).T
    fit = stats.linregress(x, y)
    half = float(stats.t.ppf(0.975, len(rows) - 2) * fit.stderr)
    return Slope(float(fit.slope), float(fit.slope) - half, float(fit.slope) + half, 1.0, tuple(rows))


def _log_variance(kinds: Mapping[str, xr.Dataset]) -> float:
    values = kinds["ensemble"]["nll_variance"].values
    return math.log(values[0]) if values[0] > 0 else math.nan
