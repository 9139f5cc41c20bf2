"""The trust report, all protocols side by side, and verdicts on pairs of networks, as the page shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from landscape.comparison import Pair, Verdict, correlations
from landscape.comparison.verdicts import SAME
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import protocol_differences
from landscape.numbers import number
from landscape.report.effects import Effect, effect
from landscape.report.sections import Panel, Section, section
from landscape.report.summary import Results, flatten
from landscape.results import attribute, plain


@dataclass(frozen=True)
class CheckLine:
    """One check of one result, as stored with it."""

    network: str
    kind: str
    name: str
    passed: bool
    message: str


def trust(results: Results) -> list[CheckLine]:
    """All checks, failed ones first, otherwise in the order of the results."""
    found = [
        CheckLine(network, kind, check["name"], bool(check["passed"]), check["message"])
        for network, kinds in results.items()
        for kind, dataset in kinds.items()
        for check in attribute(dataset, "checks")
    ]
    return sorted(found, key=lambda finding: finding.passed)


def verdict(findings: list[CheckLine]) -> str:
    """One sentence on all checks."""
    failed = sum(not finding.passed for finding in findings)
    if not findings:
        return "No checks were stored with these results."
    if not failed:
        return f"All {len(findings)} checks passed."
    return f"{failed} of {len(findings)} checks failed; read them before the figures."


@dataclass(frozen=True)
class Protocol:
    """The protocol of one kind of result.

    Attributes:
        kind: Kind of result.
        differences: Entries that are not the same for all networks.
        entries: Name of each entry and its value, in words.
        made: Who made it: for each network, when and with which versions, in words.
    """

    kind: str
    differences: list[str]
    entries: list[tuple[str, str]]
    made: list[tuple[str, str]]


def protocols(results: Results) -> list[Protocol]:
    """One protocol per kind of result, in the order the kinds first appear."""
    kinds = dict.fromkeys(kind for datasets in results.values() for kind in datasets)
    found = []
    for kind in kinds:
        datasets = {name: given[kind] for name, given in results.items() if kind in given}
        each = {name: flatten(attribute(dataset, "protocol")) for name, dataset in datasets.items()}
        keys = dict.fromkeys(key for entries in each.values() for key in entries)
        made = {name: attribute(dataset, "provenance") for name, dataset in datasets.items()}
        found.append(
            Protocol(
                kind,
                protocol_differences(datasets),
                [(key, _values({name: entries.get(key) for name, entries in each.items()})) for key in keys],
                [(name, _made(provenance)) for name, provenance in made.items()],
            )
        )
    return found


def _values(by_name: Mapping[str, Any]) -> str:
    words = {name: _word(value) for name, value in by_name.items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{name}: {word}" for name, word in words.items())


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, default=plain, ensure_ascii=False)


def _made(provenance: Mapping[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {version}" for name, version in provenance.get("versions", {}).items() if version
    )
    return f"{provenance.get('created', 'time unknown')}, {provenance.get('seconds', '?')} s; {versions}"


NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Line:
    """One printed row of the verdicts' table.

    Attributes:
        quantity: What was compared.
        values: Its two means.
        change: Variant minus baseline, in the quantity's own unit.
        interval: The 95 % interval of that.
        over: What the interval is over.
        verdict: In plain words.
        distinguishable: Whether the networks are.
        sentence: All of it in a sentence.
        effect: The change in its natural unit, its direction, and how sure it is.
    """

    quantity: str
    values: str
    change: str
    interval: str
    over: str
    verdict: str
    distinguishable: bool
    sentence: str
    effect: Effect


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
        effect(verdict),
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
    count = sum(verdict.verdict != SAME for verdict in verdicts)
    said = {"overview": f"{count} of {len(verdicts)} changes are distinguishable from none."}
    panels = [Panel("overview", verdicts), Panel("chain", verdicts)]
    with suppress(ResultError):  # too few networks for any
        found = correlations(results)
        panels.append(Panel("correlations", found, width=_correlated_width(found.sizes["quantity_a"])))
    seen = "{}: its numbers are in the table of verdicts."
    return [
        section(panel, folder, {}, said.get(panel.name, ""), seen.format(panel.drawing.title))
        for panel in panels
    ]


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
