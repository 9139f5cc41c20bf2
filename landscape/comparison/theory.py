"""P1's theory of smoothing against measurements: averaging, and sharpness against the spread of the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from landscape.comparison.claims import AGREES, CONTRADICTS, OPEN
from landscape.comparison.identity import Results
from landscape.comparison.quantities import largest_ensemble, sharpest
from landscape.intervals import from_error, student

_EXPONENT = "nll_variance_exponent"


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

    Park & Kim (2022a), eq. 18–25. The mean over networks with the largest ensembles, with Student's
    interval over networks, or of one network its own; None without an ensemble of MC dropout.

    Args:
        results: Network name → name of the result → dataset.
    """
    largest = {name: largest_ensemble(kinds) for name, kinds in results.items()}
    size = max((each.sizes["size"] for each in largest.values() if each is not None), default=0)
    found = {
        name: each.attrs
        for name, each in largest.items()
        if each is not None and each.sizes["size"] == size and _EXPONENT in each.attrs
    }
    if not found:
        return None
    values = np.array([float(attrs[_EXPONENT]) for attrs in found.values()])
    value, _, low, high = map(float, student(values))
    if len(values) == 1:
        known = from_error(value, float(next(iter(found.values()))[f"{_EXPONENT}_standard_error"]))
        low, high = known.low, known.high
    return Slope(value, low, high, -1.0, tuple(found))


def sharpness(results: Results) -> Slope | None:
    """Slope of log variance of the NLL of one prediction against log squared sharpness, 1 in theory.

    Sharpness is the mean largest eigenvalue of mini-batches. Least squares over networks with MC dropout;
    None for fewer than four. Networks are few and related: this describes them.

    Args:
        results: Network name → name of the result → dataset.
    """
    rows = {
        name: (
            _log(kinds["ensemble"]["nll_variance"].values[0]),
            2 * _log(sharpest(kinds["spectrum"])[1].mean()),
        )
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


def _log(value: float) -> float:
    return math.log(value) if value > 0 else math.nan
