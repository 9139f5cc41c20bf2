"""Verdicts on pairs of networks as the page shows them: worded, tabled, and drawn as the chain of reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from landscape import figures
from landscape.comparison import Change, Pair, Verdict, correlations
from landscape.comparison.verdicts import SAME
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.comparison.chain import caption as chain_caption
from landscape.figures.comparison.correlations import caption as correlated_caption
from landscape.files import write_text
from landscape.report.numbers import number
from landscape.report.sections import FORMATS, REASONS, Section, Words, put_in
from landscape.report.summary import Results


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
        told: Whether the networks can be told apart.
        sentence: All of it in a sentence.
    """

    quantity: str
    values: str
    change: str
    interval: str
    over: str
    verdict: str
    told: bool
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
    for each in verdicts:
        by_pair.setdefault(each.pair, []).append(each)
    return [Group(_pair(pair), pair.factor, _lines(found)) for pair, found in by_pair.items()]


def _lines(verdicts: Sequence[Verdict]) -> list[Line]:
    return [
        Line(
            each.quantity.name,
            _with_unit(f"{number(each.change.baseline)} → {number(each.change.variant)}", each.quantity.unit),
            ("+" if each.change.value > 0 else "") + number(each.change.value),
            _interval(each.change),
            f"{each.change.count:,} {each.change.over}",
            each.verdict,
            each.verdict != SAME,
            each.sentence,
        )
        for each in verdicts
    ]


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
    told = sum(each.verdict != SAME for each in verdicts)
    sentence = f"{told} of {len(verdicts)} changes can be told from none."
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
    return put_in(folder, name, REASONS[2][0], Words(title, sentence, caption, alternative))


def _correlated_width(quantities: int) -> float:
    """Inches in which names and numbers of so many quantities have room."""
    return min(max(0.5 * quantities, style.ONE_COLUMN), style.TWO_COLUMN)


def _pair(pair: Pair) -> str:
    """`gap → gap-blur`, with the number of seeds where there are several."""
    seeds = len(pair.baseline), len(pair.variant)
    text = " → ".join(pair.labels)
    if seeds == (1, 1):
        return text
    return (
        f"{text} ({f'{seeds[0]} seeds each' if len(set(seeds)) == 1 else f'{seeds[0]} and {seeds[1]} seeds'})"
    )


def _with_unit(text: str, unit: str) -> str:
    return f"{text}\N{NO-BREAK SPACE}{unit}" if unit else text


def _interval(change: Change) -> str:
    if not (isfinite(change.low) and isfinite(change.high)):
        return "not known"
    return f"{number(change.low)} to {number(change.high)}"
