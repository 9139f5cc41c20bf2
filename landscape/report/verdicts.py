"""Verdicts on pairs of networks as the page shows them; they are judged elsewhere, here they are worded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from landscape.report.numbers import number

SIGNS = {"flatter": "▽", "sharper": "△", "better": "✓", "worse": "✕"}
"""A sign beside the word, so that a verdict does not hang on its colour."""


class Verdict(Protocol):
    """What is known of one change from a baseline to a variant."""

    @property
    def baseline(self) -> str:
        """Name of the network without the factor."""

    @property
    def variant(self) -> str:
        """Name of the network with it."""

    @property
    def factor(self) -> str:
        """What was changed, in words."""

    @property
    def quantity(self) -> str:
        """What was measured, in words."""

    @property
    def change(self) -> float:
        """Variant minus baseline."""

    @property
    def low(self) -> float | None:
        """Lower end of its interval."""

    @property
    def high(self) -> float | None:
        """Upper end of its interval."""

    @property
    def unit(self) -> str:
        """Unit of the change; empty if it has none."""

    @property
    def verdict(self) -> str:
        """`flatter`, `sharper`, `better`, `worse` or `not distinguishable`."""

    @property
    def sentence(self) -> str:
        """The whole in a plain sentence."""


@dataclass(frozen=True)
class Line:
    """One printed row of the verdicts' table."""

    pair: str
    factor: str
    quantity: str
    change: str
    interval: str
    verdict: str
    told: bool
    sentence: str


def lines(verdicts: Sequence[Verdict]) -> list[Line]:
    """The verdicts in words, in the order given."""
    return [
        Line(
            f"{each.baseline} → {each.variant}",
            each.factor,
            each.quantity,
            _signed(each.change, each.unit),
            _interval(each.low, each.high),
            f"{SIGNS.get(each.verdict, '')} {each.verdict}".strip(),
            each.verdict in SIGNS,
            each.sentence,
        )
        for each in verdicts
    ]


def _signed(value: float, unit: str) -> str:
    sign = "+" if value > 0 else ""
    return f"{sign}{number(value)}\N{NO-BREAK SPACE}{unit}".strip()


def _interval(low: float | None, high: float | None) -> str:
    if low is None or high is None or not (isfinite(low) and isfinite(high)):
        return "not known"
    return f"{number(low)} to {number(high)}"
