"""What Park & Kim claim of smoothing, held against what was measured: agrees, contradicts, or cannot tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from landscape.comparison import attention, effects
from landscape.comparison.changes import Change, corrected
from landscape.comparison.identity import Results, record_of
from landscape.comparison.natural import change_in_words
from landscape.comparison.readings import APE, BY_NAME, largest_eigenvalue, largest_ensemble
from landscape.comparison.verdicts import Verdict, is_distinguishable, verdicts
from landscape.intervals import from_error
from landscape.results.estimate import Estimate
from landscape.results.reading import Reading

AGREES, CONTRADICTS, OPEN = "agrees", "contradicts", "cannot tell"
_AVERAGES, _OTHERS = "means of passes", "other claims"
"""Blocks of the comparisons that are no verdicts."""


@dataclass(frozen=True)
class Claim:
    """A statement of the papers that a family of networks can test.

    Attributes:
        text: What is said, in our words.
        source: Where; P1 is Park & Kim 2022a, P2 is Park & Kim 2022b.
        factor: The factor of the pairs that it speaks of, as in `Pair`; empty for other comparisons.
        quantity: What it is said of.
        sign: +1 if that is said to rise, −1 if it is said to fall.
        averaged: Name of that in the ensembles: the papers' predictions with MC dropout are means of passes.
        measured: What is compared otherwise than one factor between two networks.
    """

    text: str
    source: str
    factor: str
    quantity: str
    sign: int
    averaged: str = ""
    measured: effects.Measured | None = None

    @property
    def reading(self) -> Reading:
        """The number that the quantity names."""
        return BY_NAME.get(self.quantity) or (effects.OWN | attention.OWN)[self.quantity]


@dataclass(frozen=True)
class Finding:
    """What was measured of a claim.

    Attributes:
        claim: The claim.
        where: Which networks.
        change: By how much, with its interval.
        verdict: `agrees`, `contradicts` or `cannot tell`.
        family: What it was corrected with, as in `Verdict`; comparisons that are no verdicts have their own.
        adjusted: Its p-value, corrected for the others of its family.
    """

    claim: Claim
    where: str
    change: Change
    verdict: str
    family: str = ""
    adjusted: float = math.nan

    @property
    def sentence(self) -> str:
        """All of it in words."""
        claim = self.claim
        change = f"{claim.quantity} {change_in_words(claim.reading, self.change)}"
        return f"{claim.text} ({claim.source}; {self.where}): {change}: {self.verdict}."


_BLUR, _GAP, _PRE, _RELU6 = "blur", "global average pooling", "pre-activation", "ReLU6"
_SHARPEST, _CURVED = "largest Hessian eigenvalue", "curvature along random directions"
_RISE, _GAP_TABLE = "rise of the NLL at radius 0.2", "P1 Table C.1, MCD"
_SPATIAL, _CALIBRATION, _ACCURACY = "spatial variance", "calibration error", "accuracy"
_HIGH, _MORE, _DROP, _ERROR = effects.OWN

PAIRED: tuple[Claim, ...] = (
    Claim("Smoothing lowers the variance within feature maps", "P1 Fig. 5, MCD", _BLUR, _SPATIAL, -1),
    Claim("Smoothing lowers the model's variance in feature maps", "P1 Fig. 5", _BLUR, "model variance", -1),
    Claim("Smoothing filters high frequencies", "P1 Figs. 6, D.2", _BLUR, "high frequencies", -1),
    Claim("Smoothing makes predictions vary less", "P1 eq. 18–25", _BLUR, "variance of predictions", -1),
    Claim("Smoothing makes the loss vary less", "P1 eq. 18–25", _BLUR, "variance of the NLL", -1),
    Claim("Smoothing shrinks the Hessian's outliers", "P1 Fig. 8, MCD", _BLUR, _SHARPEST, -1),
    Claim("Smoothing flattens the loss surface", "P1 Fig. 7, MCD", _BLUR, _CURVED, -1),
    Claim("Smoothing makes the loss rise less", "P1 Fig. 7, MCD", _BLUR, _RISE, -1),
    Claim("Smoothing improves the likelihood", "P1 Table E.1", _BLUR, "NLL", -1, "nll"),
    Claim("Smoothing improves the accuracy", "P1 Table E.1", _BLUR, _ACCURACY, +1, "accuracy"),
    Claim("Smoothing improves the calibration", "P1 Table E.1: 6 of 12", _BLUR, _CALIBRATION, -1, "ece"),
    Claim("Global average pooling shrinks the Hessian's outliers", "P1 Fig. 8, MCD", _GAP, _SHARPEST, -1),
    Claim("Global average pooling flattens the loss surface", "P1 Fig. 7, MCD", _GAP, _CURVED, -1),
    Claim("Global average pooling makes the loss rise less", "P1 Fig. 7, MCD", _GAP, _RISE, -1),
    Claim("Global average pooling improves the likelihood", _GAP_TABLE, _GAP, "NLL", -1, "nll"),
    Claim("Global average pooling improves the accuracy", _GAP_TABLE, _GAP, _ACCURACY, +1, "accuracy"),
    Claim("Global average pooling improves the calibration", _GAP_TABLE, _GAP, _CALIBRATION, -1, "ece"),
    Claim("Pre-activation smooths the landscape", "P1 C.2", _PRE, _SHARPEST, -1),
    Claim("Pre-activation flattens the loss surface", "P1 C.2", _PRE, _CURVED, -1),
    Claim("Pre-activation improves the likelihood", "P1 Table C.2", _PRE, "NLL", -1, "nll"),
    Claim("Pre-activation improves the accuracy", "P1 Table C.2: 3 of 4", _PRE, _ACCURACY, +1, "accuracy"),
    Claim("ReLU6 smooths the landscape", "P1 C.3, MCD", _RELU6, _SHARPEST, -1),
    Claim("ReLU6 flattens the loss surface", "P1 C.3, MCD", _RELU6, _CURVED, -1),
    Claim("ReLU6 improves the likelihood", "P1 Table B.1, MCD", _RELU6, "NLL", -1, "nll"),
)
"""Claims of what one factor does; MCD where the papers looked at networks with MC dropout alone."""

_VARIANCE = effects.within_stages("spatial_variance")

OTHER: tuple[Claim, ...] = (
    Claim("MC dropout sharpens the Hessian", "P1 Fig. D.3", "", _SHARPEST, +1, "", effects.of_dropout),
    Claim("MC dropout adds high frequencies", "P1 Fig. 6", "", _HIGH, +1, "", effects.of_masks),
    Claim("MC dropout adds high frequencies more than low", "P1 Fig. 6", "", _MORE, +1, "",
          effects.of_high_masks),
    Claim("Five smoothed predictions are better than fifty others", "P1 Fig. 3", "", "NLL", -1, "",
          effects.of_few_smoothed),
    Claim("Variance grows within a stage of convolutions", "P2 Fig. 9", "", _SPATIAL, +1, "", _VARIANCE),
    Claim("Convolutions amplify high frequencies", "P2 Fig. 8", "", "high frequencies", +1, "",
          effects.within_stages("high_frequency")),
    Claim("High-frequency noise harms more than low", "P2 Fig. 2", "", _DROP, +1, "", effects.of_frequency),
    Claim("Smoothing protects from high-frequency noise", "P1 Fig. 6", "", _DROP, -1, "",
          effects.of_smoothed_noise),
    Claim("Smoothing makes robust to corruptions", "P1 Fig. C.1", "", _ERROR, -1, "",
          effects.of_smoothed_corruption),
)  # fmt: skip
"""Claims that compare otherwise."""

_LOWER, _HIGHER = attention.VARIANCE, attention.FREQUENCIES

ATTENTION: tuple[Claim, ...] = (
    Claim("Attention flattens the loss landscape", "P2 Fig. 1", "", APE, -1, "", attention.between(APE)),
    Claim("Attention flattens the loss surface", "P2 Fig. 1", "", _CURVED, -1, "",
          attention.between(_CURVED)),
    Claim("Transformers have more negative eigenvalues", "P2 Fig. 1", "", attention.NEGATIVE, +1, "",
          attention.between(attention.NEGATIVE, alternating=False)),
    Claim("High-frequency noise harms attention less", "P2 Fig. 2", "", _DROP, -1, "",
          attention.of_high_frequency_noise),
    Claim("Attention at the ends of stages improves the likelihood", "P2 AlterNet", "", "NLL", -1, "",
          attention.between("NLL", alternating=True)),
    Claim("Attention at the ends of stages improves the accuracy", "P2 AlterNet", "", _ACCURACY, +1, "",
          attention.between(_ACCURACY, alternating=True)),
    Claim("Attention filters high frequencies", "P2 Fig. 8", "", _HIGHER, -1, "",
          attention.across(_HIGHER, "attention")),
    Claim("The MLPs between amplify high frequencies", "P2 Fig. 8", "", _HIGHER, +1, "",
          attention.across(_HIGHER, "mlp")),
    Claim("Attention lowers the variance within feature maps", "P2 Fig. 9", "", _LOWER, -1, "",
          attention.across(_LOWER, "attention")),
    Claim("The MLPs between raise the variance", "P2 Fig. 9", "", _LOWER, +1, "",
          attention.across(_LOWER, "mlp")),
)  # fmt: skip
"""Claims of attention against convolutions."""


def findings(results: Results, *, mix: bool = False) -> list[Finding]:
    """What was measured of every claim that these networks can test, in the order of the claims.

    Args:
        results: Network name → name of the result → dataset, each seed by itself.
        mix: Whether networks measured under different protocols may be compared.

    Raises:
        ResultError: As `landscape.comparison.verdicts`.
    """
    changes = verdicts(results, mix=mix)
    found = [_finding(claim, *each) for claim in PAIRED for each in _paired(claim, results, changes, mix)]
    for claim in (*OTHER, *ATTENTION):
        if claim.measured:
            found += [_finding(claim, *each, _OTHERS) for each in claim.measured(results, mix)]
    for family in (_AVERAGES, _OTHERS):
        places = [place for place, finding in enumerate(found) if finding.family == family]
        values = corrected([family] * len(places), [found[place].change.p_value for place in places])
        for place, value in zip(places, values, strict=True):
            old = found[place]
            found[place] = _finding(old.claim, old.where, old.change, family, value)
    return found


def _finding(claim: Claim, where: str, change: Change, family: str, adjusted: float = math.nan) -> Finding:
    verdict = OPEN
    if is_distinguishable(change, adjusted):
        verdict = AGREES if change.value * claim.sign > 0 else CONTRADICTS
    return Finding(claim, where, change, verdict, family, adjusted)


def _paired(
    claim: Claim, results: Results, changes: Sequence[Verdict], mix: bool
) -> Iterator[tuple[str, Change, str, float]]:
    """Changes of one factor; of predictions with MC dropout, those of the means of passes where measured."""
    means = list(effects.of_averages(results, claim.factor, claim.averaged, mix)) if claim.averaged else []
    for each in changes:
        if each.pair.factor == claim.factor and each.quantity.name == claim.quantity:
            rate = record_of(results[each.pair.variant[0]])["config"].get("dropout")
            if not (rate and means):
                where = " → ".join(each.pair.labels) + (f", MC dropout {rate:g}" if rate else "")
                yield where, each.change, each.family, each.adjusted
    for where, change in means:
        yield where, change, _AVERAGES, math.nan


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
