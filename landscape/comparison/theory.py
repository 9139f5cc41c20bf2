"""P1's theory of smoothing against measurements: averaging, and sharpness against the spread of the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from landscape.comparison.claims import AGREES, CONTRADICTS, OPEN
from landscape.comparison.identity import Results
from landscape.comparison.readings import largest_eigenvalue, largest_ensemble
from landscape.intervals import from_error
from landscape.results.estimate import Estimate

_EXPONENT = "nll_variance_exponent"


@dataclass(frozen=True)
class Slope(Estimate):
    """A slope that theory foretells, as measured.

    Attributes:
        theory: As foretold.
        networks: Which it was measured on.
    """

    theory: float = math.nan
    networks: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """`agrees` if the interval holds what is foretold, unless it holds zero as well: `cannot tell`."""
        if not self.low <= self.theory <= self.high:
            return CONTRADICTS
        return OPEN if self.low <= 0 <= self.high else AGREES


def averaging(results: Results) -> Slope | None:
    """Exponent of the variance of the NLL in the number of predictions averaged, −1 in theory.

    Park & Kim (2022a), eq. 18–25. The mean over networks with the largest ensembles, with Student's
    interval over networks, or of one network its own; None without an ensemble of MC dropout.

    Args:
        results: Network name → name of the result → dataset.
    """
    largest = {
        name: found for name, kinds in results.items() if (found := largest_ensemble(kinds)) is not None
    }
    size = max((ensemble.sizes["size"] for ensemble in largest.values()), default=0)
    fits = {
        name: ensemble.attrs
        for name, ensemble in largest.items()
        if ensemble.sizes["size"] == size and _EXPONENT in ensemble.attrs
    }
    if not fits:
        return None
    mean = Estimate.of(np.array([float(attrs[_EXPONENT]) for attrs in fits.values()]))
    low, high = mean.low, mean.high
    if len(fits) == 1:
        alone = from_error(mean.value, float(next(iter(fits.values()))[f"{_EXPONENT}_standard_error"]))
        low, high = alone.low, alone.high
    return Slope(mean.value, mean.error, low=low, high=high, theory=-1.0, networks=tuple(fits))


def sharpness(results: Results) -> Slope | None:
    """Slope of log variance of the NLL of one prediction against log squared sharpness, 1 in theory.

    Sharpness is the mean largest eigenvalue of mini-batches. Least squares over networks with MC dropout;
    None for fewer than four. Networks are few and related: this describes them.

    Args:
        results: Network name → name of the result → dataset.
    """
    rows = {}
    for name, kinds in results.items():
        eigenvalue = (
            largest_eigenvalue(kinds["spectrum"]) if {"ensemble", "spectrum"} <= kinds.keys() else None
        )
        variance = float(kinds["ensemble"]["nll_variance"].values[0]) if eigenvalue else 0.0
        if eigenvalue and 0 < variance < math.inf and 0 < eigenvalue.mean < math.inf:
            rows[name] = math.log(variance), 2 * math.log(eigenvalue.mean)
    if len(rows) < 4:
        return None
    y, x = np.array(list(rows.values())).T
    fit = stats.linregress(x, y)
    half = float(stats.t.ppf(0.975, len(rows) - 2) * fit.stderr)
    slope = float(fit.slope)
    return Slope(
        slope, float(fit.stderr), low=slope - half, high=slope + half, theory=1.0, networks=tuple(rows)
    )
