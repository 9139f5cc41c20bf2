"""The trust report: every check of every result, failed ones first."""

from __future__ import annotations

from dataclasses import dataclass

from landscape.report.summary import Results
from landscape.results import attribute


@dataclass(frozen=True)
class Finding:
    """One check of one result, as stored with it."""

    network: str
    kind: str
    name: str
    passed: bool
    message: str


def trust(results: Results) -> list[Finding]:
    """All checks, failed ones first, otherwise in the order of the results."""
    found = [
        Finding(network, kind, check["name"], bool(check["passed"]), check["message"])
        for network, kinds in results.items()
        for kind, dataset in kinds.items()
        for check in attribute(dataset, "checks")
    ]
    return sorted(found, key=lambda finding: finding.passed)


def verdict(findings: list[Finding]) -> str:
    """One sentence on all checks."""
    failed = sum(not finding.passed for finding in findings)
    if not findings:
        return "No checks were stored with these results."
    if not failed:
        return f"All {len(findings)} checks passed."
    return f"{failed} of {len(findings)} checks failed; read them before the figures."
