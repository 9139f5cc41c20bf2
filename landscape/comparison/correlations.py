"""Rank correlation between the links of the chain, across networks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from scipy import stats

from landscape.comparison.readings import LINKED
from landscape.comparison.seeds import members
from landscape.errors import ResultError

LEAST = 4
"""Networks under which a rank correlation says nothing."""


def values(results: Mapping[str, Mapping[str, xr.Dataset]]) -> dict[str, dict[str, float]]:
    """The mean of each quantity by network; what was not measured, or is not finite, is left out."""
    table: dict[str, dict[str, float]] = {}
    for quantity in LINKED:
        for name, kinds in results.items():
            found = quantity.read(kinds[quantity.kind]) if quantity.kind in kinds else None
            if found and np.isfinite(found.mean):
                table.setdefault(quantity.name, {})[name] = found.mean
    return table


def correlations(results: Mapping[str, Mapping[str, xr.Dataset]], *, seed: int = 0) -> xr.Dataset:
    """Spearman's rank correlation between all quantities, over the networks that have both.

    Networks are few and related to one another, so this describes them and proves no cause.

    Args:
        results: Network name → kind → dataset.
        seed: Random seed of the permutations.

    Returns:
        Dimensions `quantity_a`, `quantity_b`: `correlation`, `p_value` (two-sided, by permutation of the
        networks), `networks`; NaN where fewer than four networks have both, or one of them never changes. The
        attribute `seeds` says of how many seeds a network is the mean; it is empty if each is one network.

    Raises:
        ResultError: If no two quantities share four networks.
    """
    table = values(results)
    names = list(table)
    shape = (len(names), len(names))
    rho, p, count = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, int)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            shared = [name for name in table[a] if name in table[b]]
            count[i, j] = len(shared)
            first, second = (np.array([table[which][name] for name in shared]) for which in (a, b))
            if len(shared) >= LEAST and np.ptp(first) and np.ptp(second):
                rho[i, j], p[i, j] = _spearman(first, second, seed) if i != j else (1.0, np.nan)
    if len(names) < 2 or np.isnan(rho[~np.eye(len(names), dtype=bool)]).all():
        raise ResultError(f"rank correlations need at least {LEAST} networks that share two quantities")
    dims = ("quantity_a", "quantity_b")
    return xr.Dataset(
        {
            "correlation": (dims, rho, {"long_name": "Spearman's rank correlation", "units": "1"}),
            "p_value": (dims, p, {"long_name": "p-value by permutation", "units": "1"}),
            "networks": (dims, count, {"long_name": "networks", "units": "1"}),
        },
        coords={dim: np.array(names, dtype=object) for dim in dims},
        attrs={"seeds": _seeds({name: results[name] for row in table.values() for name in row})},
    )


def _seeds(results: Mapping[str, Mapping[str, xr.Dataset]]) -> str:
    counts = sorted(
        {max((len(members(dataset)) for dataset in kinds.values()), default=0) for kinds in results.values()}
    )
    if not counts[-1]:
        return ""
    return str(counts[0]) if len(counts) == 1 else f"{max(counts[0], 1)} to {counts[-1]}"


def _spearman(first: np.ndarray, second: np.ndarray, seed: int) -> tuple[float, float]:
    """Pearson's correlation of the ranks, and its p-value; all permutations at once."""
    ranks, others = stats.rankdata(first), stats.rankdata(second)
    ranks, others = ranks - ranks.mean(), others - others.mean()
    scale = float(np.linalg.norm(ranks) * np.linalg.norm(others))

    def statistic(order: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray((np.moveaxis(order, axis, -1) @ others) / scale)

    found = stats.permutation_test(
        (ranks,),
        statistic,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=999,
        rng=np.random.default_rng(seed),
    )
    return float(found.statistic), float(found.pvalue)
