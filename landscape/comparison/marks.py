"""Verdicts on measures that move when the function does not are marked, with a steady one beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import xarray as xr

from landscape.comparison.changes import Change
from landscape.comparison.identity import Results
from landscape.comparison.natural import in_words
from landscape.comparison.pairs import Pair
from landscape.results import attribute
from landscape.results.invariance import CHANGES, factor, furthest, known
from landscape.results.reading import Reading

FLAT = ("landscape", "sharpness")
"""Blocks of verdicts on how flat a minimum is."""


class Reached(Protocol):
    """What is marked: a verdict, see `landscape.comparison.Verdict`."""

    @property
    def pair(self) -> Pair:
        """The networks."""

    @property
    def quantity(self) -> Reading:
        """What was compared."""

    @property
    def change(self) -> Change:
        """By how much it changed."""

    @property
    def verdict(self) -> str:
        """The verdict in a word."""


def moved(quantity: Reading, pair: Pair, results: Results) -> dict[str, float | None]:
    """Changes under which a measure moves though the function does not, with the ratios that audits found.

    What an audit of the networks themselves says goes before what follows from the definition, whose ratios
    are not known. Nothing is said of quantities in other than raw coordinates.

    Args:
        quantity: What was compared.
        pair: The networks.
        results: What was measured of them.
    """
    found: dict[str, float | None] = {}
    audits = [each for each in _results(pair, results, "sharpness") if known(each, quantity.audited)]
    for audit in audits:
        worst = furthest(audit, quantity.audited)
        if worst:
            found.setdefault(*worst)
    if audits:
        return found
    if any(_coordinates(each) != "raw" for each in _results(pair, results, quantity.kind)):
        return {}
    return dict.fromkeys(quantity.moves)


def beside(verdict: Reached, verdicts: Sequence[Reached], results: Results) -> Reached | None:
    """The first verdict of the same networks on a measure of flatness that does not move; None without one.

    Args:
        verdict: On a measure that does.
        verdicts: All that were reached.
        results: What was measured.
    """
    others = (
        each
        for each in verdicts
        if each.pair.factor == verdict.pair.factor
        and each.pair.labels == verdict.pair.labels
        and each.quantity.block in FLAT
        and not moved(each.quantity, each.pair, results)
    )
    own = [each for each in others if each.quantity is not verdict.quantity]
    alike = [each for each in own if each.quantity.kind == verdict.quantity.kind]
    return next(iter(alike or own), None)


def mark(verdict: Reached, verdicts: Sequence[Reached], results: Results) -> str:
    """A sentence on a verdict whose measure moves for the same function; empty for others.

    Args:
        verdict: One of them.
        verdicts: All that were reached.
        results: What was measured.
    """
    changes = moved(verdict.quantity, verdict.pair, results)
    if not changes:
        return ""
    words = [
        CHANGES[name] + (f": {factor(ratio)}" if ratio is not None else "") for name, ratio in changes.items()
    ]
    text = f"The measure moves for the same function ({', '.join(words)})"
    other = beside(verdict, verdicts, results)
    if other is None:
        return f"{text}; none that does not was measured."
    return (
        f"{text}; beside it, {other.quantity.name} {in_words(other.quantity, other.change)}: {other.verdict}."
    )


def _results(pair: Pair, results: Results, kind: str) -> Iterator[xr.Dataset]:
    for name in (*pair.baseline, *pair.variant):
        if kind in results.get(name, {}):
            yield results[name][kind]


def _coordinates(dataset: xr.Dataset) -> str:
    options = attribute(dataset, "protocol").get("options") or {}
    return str(options.get("coordinates") or "raw")
