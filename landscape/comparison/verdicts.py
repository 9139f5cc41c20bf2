"""A verdict in plain words for each quantity that a factor may change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landscape.comparison.conditions import require_alike
from landscape.comparison.identity import Results, record_of
from landscape.comparison.intervals import Change, over_seeds, paired, unpaired
from landscape.comparison.multiplicity import EXPLORATORY, corrected, family_of, in_words
from landscape.comparison.pairs import Pair, comparable, pairs
from landscape.comparison.quantities import ERROR, QUANTITIES, Quantity
from landscape.errors import ResultError
from landscape.intervals import distinguishable
from landscape.results import attribute

SAME = "not distinguishable"


@dataclass(frozen=True)
class Verdict:
    """What a factor did to a quantity.

    Attributes:
        pair: Baseline and variant.
        quantity: What was compared.
        change: By how much, with its interval.
        verdict: `flatter`, `sharper`, `better`, …, or `not distinguishable`.
        sentence: All of it in words, with what would be needed where nothing can be told.
        family: What it was corrected with: `primary`, a block of comparisons, or `exploratory`.
        adjusted: Its p-value, corrected for the others of its family; NaN if it is not known.
    """

    pair: Pair
    quantity: Quantity
    change: Change
    verdict: str
    sentence: str
    family: str = ""
    adjusted: float = math.nan


def verdicts(
    results: Results, *, mix: bool = False, seed: int = 0, exploratory: bool = False
) -> list[Verdict]:
    """Every pair's change in every quantity that both have.

    With several seeds on both sides the interval is Welch's over seeds. With one, it is a paired interval
    over the mini-batches, directions or samples that two networks share, of one seed where there are such,
    and says nothing of other seeds; the pair of the verdict is then these two.

    Verdicts are corrected for how many there are (`landscape.comparison.multiplicity`): largest Hessian
    eigenvalue and NLL of all pairs are the primary family, the others secondary, block by block.

    Args:
        results: Network name → kind → dataset.
        mix: Whether networks measured under different protocols may be compared.
        seed: Of the resampling.
        exploratory: Whether each is judged by itself, as the cells of the map of conditions are.

    Raises:
        ResultError: If a pair was measured under different protocols, and `mix` does not allow it, or seeds
            were pooled: what spreads over seeds is told from the seeds themselves.
    """
    merged = [name for name, kinds in results.items() if kinds and record_of(kinds).get("seeds")]
    if merged:
        raise ResultError(f"verdicts need each seed by itself, but {', '.join(merged)} were pooled")
    found: list[tuple[Pair, Quantity, Change]] = []
    for pair in pairs(results):
        for quantity in QUANTITIES:
            chosen = comparable(pair, results, quantity.kind)
            if chosen is None:
                continue
            baseline, variant = (
                [results[name][quantity.kind] for name in side] for side in (chosen.baseline, chosen.variant)
            )
            if not mix:
                require_alike(quantity.kind, chosen.labels, [*baseline, *variant])
            change = change_between(quantity, baseline, variant, seed)
            if change is not None:
                found.append((chosen, quantity, change))
    families = [EXPLORATORY if exploratory else family_of(quantity) for _, quantity, _ in found]
    adjusted = corrected(families, [change.p_value for _, _, change in found])
    return [
        _verdict(*each, family, value, families.count(family))
        for each, family, value in zip(found, families, adjusted, strict=True)
    ]


def told(change: Change, adjusted: float) -> bool:
    """Whether a change can be told from none, given its corrected p-value; without one, by its interval."""
    return distinguishable(adjusted) if math.isfinite(adjusted) else change.distinguishable


def change_between(
    quantity: Quantity, baseline: Sequence[xr.Dataset], variant: Sequence[xr.Dataset], seed: int = 0
) -> Change | None:
    """Of one quantity between two networks, each with its seeds, by the rule that all comparisons share.

    None where numbers are missing, not finite or all zero, or the items are not the same.
    """
    read = [[quantity.read(dataset) for dataset in side] for side in (baseline, variant)]
    if any(each is None or not np.isfinite(each[1]).all() for side in read for each in side):
        return None
    values = [[each for each in side if each is not None] for side in read]
    if not any(np.any(numbers) for side in values for _, numbers in side):
        return None  # as the model variance of networks without dropout
    alone = list(values[0][0][0]) == [ERROR]
    if min(map(len, values)) > 1:
        means = [[float(numbers[0] if alone else numbers.mean()) for _, numbers in side] for side in values]
        return over_seeds(*means)
    (labels, first), (others, second) = values[0][0], values[1][0]
    if alone:
        record = attribute(baseline[0], "protocol")
        count = int((record["data"] if quantity.items == "samples" else record["options"])[quantity.items])
        errors = (float(first[1]), float(second[1]))
        return unpaired(float(first[0]), float(second[0]), errors, over=quantity.items, count=count)
    if not np.array_equal(labels, others):
        return None
    return paired(first, second, over=quantity.items, seed=seed)


def _verdict(
    pair: Pair, quantity: Quantity, change: Change, family: str, adjusted: float, count: int
) -> Verdict:
    known = told(change, adjusted)
    verdict = (quantity.lower if change.value < 0 else quantity.higher) if known else SAME
    unit = f" {quantity.unit}" if quantity.unit else ""
    means = f"{change.baseline:.4g} → {change.variant:.4g}".replace("-", "−")
    who = f"{pair.factor} ({' → '.join(pair.labels)})"
    text = f"{who}: {quantity.name} {means}{unit}, change {change.in_words}: {verdict}."
    if change.distinguishable and not known:
        text += f" By itself the interval excludes no change; {in_words(family, count)}, p = {adjusted:.2g}."
    if change.effort:
        text += f" {change.effort}"
    return Verdict(pair, quantity, change, verdict, text, family, adjusted)
