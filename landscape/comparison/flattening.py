"""The fair test of flattening: two steps, each paired by seed, with the statistics of docs/protocol.md."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from landscape.comparison import changes
from landscape.comparison.changes import PRIMARY, Change
from landscape.comparison.identity import Results
from landscape.comparison.readings import BY_NAME, Kinds, largest_eigenvalue, positive_eigenvalue
from landscape.comparison.verdicts import is_distinguishable
from landscape.comparison.way import ARMS, along
from landscape.intervals import LEVEL
from landscape.results.reading import stored

STEPS = {f"{ARMS[one]} → {ARMS[other]}": (one, other) for one, other in pairwise(ARMS)}
"""Baseline and variant of each step."""

AGREES, CONTRADICTS, OPEN = "agrees", "contradicts", "not significant"
SEEDS = 3
"""Of every arm; before all are there no step has a verdict, or looking again would find one by chance."""
SECONDARY = "secondary"
MATCHED = "largest eigenvalue at equal training NLL"
_POWER = 0.8

Value = Callable[[Kinds], float]
"""From the results of one network to a number; NaN where it was not measured."""


@dataclass(frozen=True)
class Measure:
    """What is compared.

    Attributes:
        name: In words.
        role: `primary` or `secondary`.
        value: Reads it.
        logged: Whether steps are ratios; of shares they are differences.
    """

    name: str
    role: str
    value: Value
    logged: bool = True


@dataclass(frozen=True)
class Step:
    """What one step of smoothing did to one measure.

    Attributes:
        step: One of `STEPS`.
        measure: What was measured.
        seeds: Those of the pairs.
        ratios: Change of each pair, of the logarithm; of the measure itself where it is a share.
        change: Their mean, over seeds.
        adjusted: P-value, corrected for the others of its role.
    """

    step: str
    measure: Measure
    seeds: tuple[int, ...]
    ratios: tuple[float, ...]
    change: Change
    adjusted: float

    @property
    def verdict(self) -> str:
        """Whether it agrees with P1, which says that either step flattens."""
        if len(self.seeds) < SEEDS or not is_distinguishable(self.change, self.adjusted):
            return OPEN
        return AGREES if self.change.value < 0 else CONTRADICTS

    @property
    def detectable(self) -> float:
        """The smallest change of the logarithm that so many seeds of this spread find four times in five.

        At half the level, as the smaller of two primary p-values has to pass under Holm's procedure. NaN for
        one seed.
        """
        count = len(self.seeds)
        if count < 2:
            return math.nan
        quantile = stats.t.ppf(0.5 + LEVEL / 2, count - 1)
        error = (self.change.high - self.change.low) / 2 / quantile
        strict = stats.t.ppf(1 - (1 - LEVEL) / 4, count - 1)
        shift = brentq(lambda nc: stats.nct.sf(strict, count - 1, nc) - _POWER, 0.0, 10 * strict)
        return float(error * shift)


def _of(result: str, read: Callable) -> Value:
    """A reading of the result of this name."""

    def value(kinds: Kinds) -> float:
        found = read(kinds[result]) if result in kinds else None
        return found.mean if found is not None else math.nan

    return value


def _negative(kinds: Kinds) -> float:
    spectrum = kinds.get("spectrum-p2")
    return math.nan if spectrum is None else float(spectrum["nep"])


_CURVED = BY_NAME["curvature along random directions"].read
_RISE = BY_NAME["rise of the NLL at radius 0.2"].read

MEASURES = (
    Measure("largest eigenvalue", PRIMARY, _of("spectrum", largest_eigenvalue)),
    Measure("curvature along random directions, paper norm", SECONDARY, _of("flatness-paper", _CURVED)),
    Measure("rise of the NLL at radius 0.2, paper norm", SECONDARY, _of("flatness-paper", _RISE)),
    Measure("curvature along random directions, filter norm", SECONDARY, _of("flatness", _CURVED)),
    Measure("rise of the NLL at radius 0.2, filter norm", SECONDARY, _of("flatness", _RISE)),
    Measure("mean positive eigenvalue, batches of 16", SECONDARY, _of("spectrum-p2", positive_eigenvalue)),
    Measure("share of negative eigenvalues", SECONDARY, _negative, logged=False),
    Measure("trace", SECONDARY, _of("trace", stored("trace"))),
    Measure("largest eigenvalue in filter norms", SECONDARY, _of("spectrum-filter", largest_eigenvalue)),
    Measure("largest eigenvalue, dropout off", SECONDARY, _of("spectrum-off", largest_eigenvalue)),
)  # fmt: skip
"""Of the networks at the end of their training; `MATCHED` is measured along it."""


def network(arm: str, seed: int, epoch: int | None = None) -> str:
    """What the results of a network are called."""
    return f"{arm}-seed{seed}" + ("" if epoch is None else f"-epoch{epoch:03d}")


def steps(results: Results) -> list[Step]:
    """Every measure over both steps, primary ones first.

    Args:
        results: Network name → name of the result → dataset, as `landscape reproduce --size fair` names them,
            those along the training among them.
    """
    found = [
        (step, measure, *_pairs(results, measure, *arms))
        for measure in MEASURES
        for step, arms in STEPS.items()
    ]
    matched = Measure(MATCHED, SECONDARY, lambda kinds: math.nan)
    found += [(step, matched, *_matched(results, *arms)) for step, arms in STEPS.items()]
    kept = [(step, measure, seeds, np.array(values)) for step, measure, seeds, values in found if seeds]
    compared = [changes.paired(*values.T, over="seeds") for *_, values in kept]
    roles = [measure.role for _, measure, *_ in kept]
    adjusted = changes.corrected(roles, [change.p_value for change in compared])
    return [
        Step(step, measure, seeds, tuple((values[:, 1] - values[:, 0]).tolist()), change, value)
        for (step, measure, seeds, values), change, value in zip(kept, compared, adjusted, strict=True)
    ]


def seeds_of(results: Results, arm: str) -> list[int]:
    """Seeds of an arm that were measured at the end of their training, in order."""
    stem = f"{arm}-seed"
    return sorted(
        int(name.removeprefix(stem))
        for name in results
        if name.startswith(stem) and name.removeprefix(stem).isdecimal()
    )


def _pairs(
    results: Results, measure: Measure, baseline: str, variant: str
) -> tuple[tuple[int, ...], list[tuple[float, float]]]:
    """Seeds that both sides have, and the measure of both."""
    shared = [seed for seed in seeds_of(results, baseline) if seed in seeds_of(results, variant)]
    rows = {
        seed: tuple(measure.value(results[network(arm, seed)]) for arm in (baseline, variant))
        for seed in shared
    }
    return _known(rows, measure.logged)


def _known(
    rows: dict[int, tuple[float, ...]], logged: bool
) -> tuple[tuple[int, ...], list[tuple[float, float]]]:
    """Those with both numbers, as logarithms where steps are ratios."""
    able = {
        seed: row for seed, row in rows.items() if np.isfinite(row).all() and (not logged or min(row) > 0)
    }
    values = [tuple(map(math.log, row)) if logged else row for row in able.values()]
    return tuple(able), values  # type: ignore[return-value]


def _matched(
    results: Results, baseline: str, variant: str
) -> tuple[tuple[int, ...], list[tuple[float, float]]]:
    """The measure where both fit equally well: at the larger of the two final training NLLs.

    Of each side the checkpoint whose NLL is closest to it, in logarithms.
    """
    points = along(results)
    rows = {}
    for seed in dict.fromkeys(point.seed for point in points):
        sides = [[p for p in points if (p.arm, p.seed) == (arm, seed)] for arm in (baseline, variant)]
        if all(sides):
            target = math.log(max(max(side, key=lambda p: p.epoch).nll for side in sides))
            chosen = (min(side, key=lambda p: abs(math.log(p.nll) - target)) for side in sides)
            rows[seed] = tuple(point.eigenvalue for point in chosen)
    return _known(rows, logged=True)
