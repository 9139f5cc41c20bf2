"""A verdict in plain words for each quantity that a factor may change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from landscape.comparison import changes
from landscape.comparison.identity import Results, record_of
from landscape.comparison.marks import mark, moved
from landscape.comparison.natural import in_words
from landscape.comparison.pairs import Pair, comparable, pairs, require_alike
from landscape.comparison.readings import QUANTITIES
from landscape.errors import ResultError
from landscape.intervals import distinguishable
from landscape.results import attribute
from landscape.results.estimate import Estimate
from landscape.results.reading import Reading

SAME = "not distinguishable"


@dataclass(frozen=True)
class Verdict:
    """What a factor did to a quantity.

    Attributes:
        pair: Baseline and variant.
        quantity: What was compared.
        change: By how much, with its interval.
        verdict: `flatter`, `sharper`, `better`, …, or `not distinguishable`.
        sentence: All of it in words, with what would be needed where nothing is distinguishable.
        family: What it was corrected with: `primary`, a block of comparisons, or `exploratory`.
        adjusted: Its p-value, corrected for the others of its family; NaN if it is not known.
        moves: Changes of the weights under which the quantity moves though the function does not, see
            `landscape.comparison.marks`.
    """

    pair: Pair
    quantity: Reading
    change: changes.Change
    verdict: str
    sentence: str
    family: str = ""
    adjusted: float = math.nan
    moves: tuple[str, ...] = ()


def verdicts(
    results: Results, *, mix: bool = False, seed: int = 0, exploratory: bool = False
) -> list[Verdict]:
    """Every pair's change in every quantity that both have.

    With several seeds on both sides the interval is Welch's over seeds. With a single seed on one side, it is
    a paired interval over the mini-batches, directions or samples that two networks share, if possible of the
    same seed. It says nothing about other seeds; the pair of the verdict is then these two networks.

    Verdicts are corrected for how many there are (`landscape.comparison.changes`): largest Hessian
    eigenvalue and NLL of all pairs are the primary family, the others secondary, block by block.

    A measure that moves when weights change and the function does not is marked in the sentence, with the
    verdict on one that does not beside it.

    Args:
        results: Network name → kind → dataset.
        mix: Whether networks measured under different protocols may be compared.
        seed: Random seed of the resampling.
        exploratory: Whether each change is judged by itself, as in the map of conditions.

    Raises:
        ResultError: If a pair was measured under different protocols, and `mix` does not allow it, or seeds
            were pooled: what spreads over seeds is measured on the seeds themselves.

    Examples:
        >>> from landscape import family
        >>> from landscape.comparison import verdicts
        >>> names = [f"{network}-seed{seed}" for network in ("gap", "gap-blur") for seed in range(3)]
        >>> results = family.measured()
        >>> found = verdicts({name: results[name] for name in names})
        >>> said = {each.quantity.name: each.verdict for each in found}
        >>> said["largest Hessian eigenvalue"], said["spatial variance"]
        ('not distinguishable', 'smoother')
    """
    merged = [name for name, kinds in results.items() if kinds and record_of(kinds).get("seeds")]
    if merged:
        raise ResultError(f"verdicts need each seed by itself, but {', '.join(merged)} were pooled")
    found: list[tuple[Pair, Reading, changes.Change]] = []
    for pair in pairs(results):
        for quantity in QUANTITIES:
            chosen = comparable(pair, results, quantity.kind)
            if chosen is None:
                continue
            baseline, variant = (
                [results[name][quantity.kind] for name in side] for side in (chosen.baseline, chosen.variant)
            )
            require_alike(quantity.kind, chosen.labels, [*baseline, *variant], mix)
            change = change_between(quantity, baseline, variant, seed)
            if change is not None:
                found.append((chosen, quantity, change))
    families = [
        changes.EXPLORATORY if exploratory else changes.family_of(quantity) for _, quantity, _ in found
    ]
    adjusted = changes.corrected(families, [change.p_value for _, _, change in found])
    reached = [
        _verdict(*each, family, value, families.count(family))
        for each, family, value in zip(found, families, adjusted, strict=True)
    ]
    marks = [mark(each, reached, results) for each in reached]
    return [
        replace(
            each, sentence=f"{each.sentence} {words}", moves=tuple(moved(each.quantity, each.pair, results))
        )
        if words
        else each
        for each, words in zip(reached, marks, strict=True)
    ]


def is_distinguishable(change: changes.Change, adjusted: float) -> bool:
    """Whether a change differs from none, by its corrected p-value; without one, by its interval."""
    return distinguishable(adjusted) if math.isfinite(adjusted) else change.distinguishable


def change_between(
    quantity: Reading, baseline: Sequence[xr.Dataset], variant: Sequence[xr.Dataset], seed: int = 0
) -> changes.Change | None:
    """Of one quantity between two networks, each with its seeds, by the rule that all comparisons share.

    None where numbers are missing, not finite or all zero, or the items are not the same.
    """
    sides = [[quantity.read(dataset) for dataset in side] for side in (baseline, variant)]
    estimates = [[each for each in side if each is not None] for side in sides]
    several = min(map(len, estimates)) > 1
    numbers = [_numbers(each, not several) for side in estimates for each in side]
    if len(numbers) < len(baseline) + len(variant) or not all(np.isfinite(each).all() for each in numbers):
        return None
    if not any(each.any() for each in numbers):
        return None  # as the model variance of networks without dropout
    if several:
        first, second = ([each.mean for each in side] for side in estimates)
        return changes.over_seeds(first, second)
    a, b = estimates[0][0], estimates[1][0]
    if a.items is None or b.items is None:
        record = attribute(baseline[0], "protocol")
        count = int((record["data"] if quantity.items == "samples" else record["options"])[quantity.items])
        return changes.unpaired(a.value, b.value, (a.error, b.error), over=quantity.items, count=count)
    if not a.items.index.equals(b.items.index):
        return None
    return changes.paired(a.items.to_numpy(), b.items.to_numpy(), over=quantity.items, seed=seed)


def _numbers(estimate: Estimate, alone: bool) -> np.ndarray:
    """What a comparison takes: the items, or the value, of a single network with its error."""
    if estimate.items is not None:
        return estimate.items.to_numpy()
    return np.array([estimate.value, estimate.error] if alone else [estimate.value])


def _verdict(
    pair: Pair, quantity: Reading, change: changes.Change, family: str, adjusted: float, count: int
) -> Verdict:
    known = is_distinguishable(change, adjusted)
    verdict = (quantity.lower if change.value < 0 else quantity.higher) if known else SAME
    who = f"{pair.factor} ({' → '.join(pair.labels)})"
    text = f"{who}: {quantity.name} {in_words(quantity, change)}: {verdict}."
    if change.distinguishable and not known:
        why = changes.correction_in_words(family, count)
        text += f" By itself the interval excludes no change; {why}, p = {adjusted:.2g}."
    if change.effort:
        text += f" {change.effort}"
    return Verdict(pair, quantity, change, verdict, text, family, adjusted)
