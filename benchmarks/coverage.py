"""Coverage of the package's intervals, and false alarms of its comparisons, on simulated data.

    python -m benchmarks.coverage [--repetitions 2000]

Each table says in how many of a hundred repetitions an interval of 95 % held the truth. The tests run the
same simulations with few repetitions, see tests/test_coverage.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import torch
from scipy import stats

from landscape import intervals
from landscape.calibration import reliability
from landscape.comparison.changes import over_seeds, paired
from landscape.hessian import summary_statistics
from landscape.linalg import hutchinson, xtrace

Draw = Callable[[np.random.Generator, int], np.ndarray]
Rates = dict[int, float]

DIFFERENCES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "Student's t, 3 degrees of freedom": lambda rng, n: rng.standard_t(3, n),
    "lognormal, σ = 0.5": lambda rng, n: rng.lognormal(0, 0.5, n) - np.exp(0.125),
    "lognormal, σ = 1": lambda rng, n: rng.lognormal(0, 1, n) - np.exp(0.5),
}
"""Differences between two networks whose mean is zero."""


def _positive(rng: np.random.Generator, batches: int) -> np.ndarray:
    return rng.lognormal(0, 0.3, (batches, 1))


def _negative(rng: np.random.Generator, batches: int) -> np.ndarray:
    values = rng.lognormal(0, 0.7, (batches, 1))
    return np.where(rng.random((batches, 1)) < 0.2, -0.3 * values, values)


def _clustered(rng: np.random.Generator, batches: int) -> np.ndarray:
    """Five eigenvalues a mini-batch that are large and small together."""
    values = rng.lognormal(0, 0.5, (batches, 1)) * rng.lognormal(0, 0.3, (batches, 5))
    return values * np.where(rng.random((batches, 5)) < 0.1, -1, 1)


SPECTRA: dict[str, Draw] = {
    "lognormal, σ = 0.3": _positive,
    "lognormal, σ = 0.7, a fifth negative": _negative,
    "five a mini-batch with a common factor, a tenth negative": _clustered,
}
"""Eigenvalues of mini-batches, shape (batch, rank)."""


def of_pairs(name: str, counts: tuple[int, ...], repetitions: int) -> Rates:
    """How often the interval of a paired difference holds zero, by the number of items."""
    rng = np.random.default_rng(0)

    def held(count: int, seed: int) -> bool:
        found = paired(np.zeros(count), DIFFERENCES[name](rng, count), over="items", seed=seed)
        return not found.distinguishable

    return {count: _rate(held(count, seed) for seed in range(repetitions)) for count in counts}


def of_welch(ratio: float, counts: tuple[int, ...], repetitions: int) -> Rates:
    """How often the interval over seeds holds zero, by seeds a side, where one side spreads more."""
    rng = np.random.default_rng(1)
    return {
        count: _rate(
            not over_seeds(rng.standard_normal(count), ratio * rng.standard_normal(count)).distinguishable
            for _ in range(repetitions)
        )
        for count in counts
    }


def of_spectra(name: str, counts: tuple[int, ...], repetitions: int) -> dict[str, Rates]:
    """How often the intervals of APE, NEP and of a flatness hold the truth, by the number of mini-batches."""
    rng = np.random.default_rng(2)
    many = SPECTRA[name](rng, 400_000)
    truth = {"APE": many[many > 0].mean(), "NEP": (many < 0).mean(), "mean": many.mean()}
    found: dict[str, Rates] = {what: {} for what in truth}
    for count in counts:
        held = []
        for seed in range(repetitions):
            values = SPECTRA[name](rng, count)
            said = {key: each[1] for key, each in summary_statistics(values, seed=seed).items()}
            ends = (
                (said["ape_low"], said["ape_high"]),
                (said["nep_low"], said["nep_high"]),
                intervals.of_ratio(values.mean(1), np.ones(count), seed=seed),
            )
            held.append([low <= truth[what] <= high for what, (low, high) in zip(truth, ends, strict=True)])
        for what, share in zip(truth, np.mean(held, 0), strict=True):
            found[what][count] = float(share)
    return found


def of_calibration(truth: float, counts: tuple[int, ...], repetitions: int) -> dict[str, Rates]:
    """Means of the plain and the debiased calibration error, and how often its interval holds the truth."""
    rng = np.random.default_rng(3)
    found: dict[str, Rates] = {"mean plain": {}, "mean debiased": {}, "coverage": {}}
    for count in counts:
        rows = []
        for _ in range(repetitions):
            confidence = np.clip(1 - rng.beta(0.35, 2.5, count), 0.2, 1)
            hit = rng.random(count) < confidence - truth
            binned = reliability(torch.from_numpy(confidence), torch.from_numpy(hit))
            value, low, high = map(float, binned.debiased_error())
            rows.append((float(binned.error()), value, low <= truth <= high))
        for what, mean in zip(found, np.mean(rows, 0), strict=True):
            found[what][count] = float(mean)
    return found


def of_traces(counts: tuple[int, ...], repetitions: int) -> dict[str, Rates]:
    """How often Student's interval over probes holds the trace of a matrix with a few large eigenvalues."""
    rng = np.random.default_rng(4)
    vectors = np.linalg.qr(rng.standard_normal((150, 150)))[0]
    values = np.concatenate([100 * 0.5 ** np.arange(10), rng.normal(0, 0.3, 140)])
    matrix = torch.from_numpy((vectors * values) @ vectors.T)
    found: dict[str, Rates] = {}
    for estimator in (hutchinson, xtrace):
        for count in counts:
            ends = (
                estimator(lambda v: matrix @ v, 150, probes=count, seed=seed).interval
                for seed in range(repetitions)
            )
            rate = _rate(low <= values.sum() <= high for low, high in ends)
            found.setdefault(estimator.__name__, {})[count] = rate
    return found


def of_ranks(rho: float, counts: tuple[int, ...], repetitions: int) -> Rates:
    """How often the interval of Spearman's correlation holds that of a bivariate normal, by pairs."""
    rng = np.random.default_rng(5)
    truth = 6 / np.pi * np.arcsin(rho / 2)
    found: Rates = {}
    for count in counts:
        first, second = rng.standard_normal((2, repetitions, count))
        ranks = [stats.rankdata(x, axis=1) for x in (first, rho * first + np.sqrt(1 - rho**2) * second)]
        apart = ((ranks[0] - ranks[1]) ** 2).sum(1)
        values = 1 - 6 * apart / (count * (count**2 - 1))
        ends = (intervals.of_rank_correlation(float(value), count) for value in values)
        found[count] = _rate(each.low <= truth <= each.high for each in ends)
    return found


def of_members(counts: tuple[int, ...], repetitions: int) -> Rates:
    """How often the jackknife over seeds holds the mean over all pairs of them, by seeds."""
    rng = np.random.default_rng(6)

    def held(count: int) -> bool:
        own, pairs = rng.standard_normal(count), list(combinations(range(count), 2))
        values = np.array([own[a] + own[b] + 0.3 * rng.standard_normal() for a, b in pairs])
        found = intervals.of_pairs(values, pairs)
        return found.low <= 0 <= found.high

    return {count: _rate(held(count) for _ in range(repetitions)) for count in counts}


def _rate(held: Iterator[bool]) -> float:
    return float(np.mean([*held]))


def _line(name: str, rates: Rates, factor: float = 100, digits: int = 1) -> str:
    return f"{name:58s} " + "  ".join(f"{n}: {factor * rate:.{digits}f}" for n, rate in rates.items())


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=500)
    repetitions = parser.parse_args().repetitions
    print("paired differences, by items")
    for name in DIFFERENCES:
        print(_line(name, of_pairs(name, (3, 5, 10, 20, 30, 100, 200, 2000), repetitions)))
    print("\nWelch's interval, by seeds a side")
    for ratio in (1, 3):
        print(_line(f"spreads 1 : {ratio}", of_welch(ratio, (2, 3, 5, 10), repetitions)))
    print("\nspectra and flatness, by mini-batches or directions")
    for name in SPECTRA:
        for what, rates in of_spectra(name, (3, 5, 8, 10, 30), repetitions).items():
            print(_line(f"{name}: {what}", rates))
    print("\ncalibration error, by samples")
    for truth in (0.0, 0.03):
        for what, rates in of_calibration(truth, (500, 2000, 10_000), repetitions).items():
            mean = what != "coverage"
            print(_line(f"truth {truth}: {what}", rates, 1 if mean else 100, 4 if mean else 1))
    print("\ntrace, by probes")
    for name, rates in of_traces((5, 10, 30), min(repetitions, 200)).items():
        print(_line(name, rates))
    print("\nrank correlations, by pairs")
    for rho in (0.0, 0.3, 0.6, 0.8, 0.9, 0.95):
        print(_line(f"ρ = {rho}", of_ranks(rho, (4, 6, 9, 18, 30, 180), repetitions)))
    print("\nmeans over all pairs of seeds, by seeds")
    print(_line("what a seed has, twice, and noise of a pair", of_members((3, 5, 10), repetitions)))


if __name__ == "__main__":
    main()
