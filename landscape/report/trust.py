"""The trust report: every check of every result, failed ones first, and all protocols side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landscape.figures.captions import protocol_differences
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
