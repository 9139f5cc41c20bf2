"""Verdicts on pairs of networks as the page shows them: worded, tabled, and drawn as the chain of reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from landscape import figures
from landscape.comparison import Pair, Verdict, correlations
from landscape.comparison.verdicts import SAME
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.comparison.chain import caption as chain_caption
from landscape.figures.comparison.correlations import caption as correlated_caption
from landscape.files import write_text
from landscape.numbers import number
from landscape.report.sections import FORMATS, REASONS, Section, Words, put_in
from landscape.report.summary import Results

NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Line:
    """One printed row of the verdicts' table.

    Attributes:
        quantity: What was compared.
        values: Its two means.
        change: Variant minus baseline.
        interval: The 95 % interval of that.
        over: What the interval is over.
        verdict: In plain words.
        distinguishable: Whether the networks are.
        sentence: All of it in a sentence.
    """

    quantity: str
    values: str
    change: str
    interval: str
    over: str
    verdict: str
    distinguishable: bool
    sentence: str


@dataclass(frozen=True)
class Group:
    """The rows of one pair: what it is, such as `gap → gap-blur`, what the variant has, and its lines."""

    pair: str
    factor: str
    lines: list[Line]


def groups(verdicts: Sequence[Verdict]) -> list[Group]:
    """The verdicts in words, by pair, in the order given."""
    by_pair: dict[Pair, list[Verdict]] = {}
    for verdict in verdicts:
        by_pair.setdefault(verdict.pair, []).append(verdict)
    return [Group(_pair(pair), pair.factor, list(map(_line, found))) for pair, found in by_pair.items()]


def _line(verdict: Verdict) -> Line:
    change, unit = verdict.change, verdict.quantity.unit
    known = isfinite(change.low) and isfinite(change.high)
    return Line(
        verdict.quantity.name,
        f"{number(change.baseline)} → {number(change.variant)}{f'{NO_BREAK}{unit}' if unit else ''}",
        ("+" if change.value > 0 else "") + number(change.value),
        f"{number(change.low)} to {number(change.high)}" if known else "not known",
        f"{change.count:,} {change.over}",
        verdict.verdict,
        verdict.verdict != SAME,
        verdict.sentence,
    )


def write_reasons(verdicts: Sequence[Verdict], results: Results, folder: Path) -> list[Section]:
    """Draw and save the overview, the chain of every pair and, with enough networks, rank correlations.

    Args:
        verdicts: All verdicts; without any, nothing is drawn.
        results: What they were reached from.
        folder: Where the files go.
    """
    if not verdicts:
        return []
    said = chain_caption(verdicts)
    count = sum(verdict.verdict != SAME for verdict in verdicts)
    sentence = f"{count} of {len(verdicts)} changes are distinguishable from none."
    drawn: list[tuple[str, str, Callable[[Any], Any], Any, str, str]] = [
        ("overview", "All factors and quantities", figures.overview, verdicts, said, sentence),
        ("chain", "Factor by factor", figures.chain, verdicts, said, ""),
    ]
    try:
        found = correlations(results)
        caption = correlated_caption(found)
        wide = partial(figures.correlations, width=_correlated_width(found.sizes["quantity_a"]))
        drawn.append(("correlations", "Links of the chain", wide, found, caption, ""))
    except ResultError:
        pass  # too few networks for any
    return [_written(folder, *each) for each in drawn]


def _written(
    folder: Path, name: str, title: str, draw: Callable[[Any], Any], what: Any, caption: str, sentence: str
) -> Section:
    figures.save(draw(what), folder / name, formats=FORMATS)
    write_text(folder / f"{name}.txt", caption + "\n")
    alternative = f"{title}: its numbers are in the table of verdicts. {sentence}".strip()
    return put_in(folder, name, REASONS[2], Words(title, sentence, caption, alternative))


def _correlated_width(quantities: int) -> float:
    """Inches in which names and numbers of so many quantities have room."""
    return min(max(0.5 * quantities, style.ONE_COLUMN), style.TWO_COLUMN)


def _pair(pair: Pair) -> str:
    """`gap → gap-blur`, with the number of seeds where there are several."""
    seeds = len(pair.baseline), len(pair.variant)
    text = " → ".join(pair.labels)
    if seeds == (1, 1):
        return text
    counted = f"{seeds[0]} seeds each" if len(set(seeds)) == 1 else f"{seeds[0]} and {seeds[1]} seeds"
    return f"{text} ({counted})"
