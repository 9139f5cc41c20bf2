"""A change in the unit that readers think in: a factor, per cent, percentage points, or nats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from landscape.comparison.changes import Change
from landscape.numbers import PERCENT, number, written
from landscape.results.reading import LOG, RATIO, Reading

POINTS = "points"
_SPACE = "\N{NO-BREAK SPACE}"
_TIMES = f"×{_SPACE}"
_LARGEST = 999.5
"""Per cent; larger changes are given in the quantity's own unit."""


@dataclass(frozen=True)
class Natural:
    """A change in words, as `−58 % [−66, −50]`, `× 0.61 [0.58, 0.64]` or `+1.2 points [+0.8, +1.6]`.

    Attributes:
        means: Of the baseline and of the variant.
        value: The change without its unit.
        low: Lower end of its 95 % interval; empty where it is not known.
        high: Upper end.
        unit: What follows a number: ` %`, ` points`, ` nats`; empty for factors.
        times: What stands before a factor, else empty.
    """

    means: str
    value: str
    low: str = ""
    high: str = ""
    unit: str = ""
    times: str = ""

    @property
    def change(self) -> str:
        """The change alone."""
        return f"{self.times}{self.value}{self.unit}"

    @property
    def interval(self) -> str:
        """Its interval alone; empty where it is not known."""
        return f"{self.times}{self.low} to {self.high}{self.unit}" if self.low else ""

    @property
    def both(self) -> str:
        """The change and its interval."""
        return f"{self.change} [{self.low}, {self.high}]" if self.low else self.change


def natural(quantity: Reading, change: Change) -> Natural:
    """The change of a quantity in its natural unit.

    - Logarithms: the factor of what they are logarithms of.
    - Shares, such as accuracy: percentage points.
    - What is positive and has no unit, or the scale `RATIO`: per cent of the baseline's mean, which is taken
      as known: the interval is that of the difference.
    - Anything else: the difference in its own unit, such as nats of the NLL.
    """
    values = [change.value]
    if math.isfinite(change.low) and math.isfinite(change.high):
        values += [change.low, change.high]
    means, form = _means(quantity, change), _form(quantity, change)
    if form == LOG:
        factors = [math.exp(min(each, 700.0)) for each in values]
        return _worded(means, [number(each, 3 if each > 0.1 else 2) for each in factors], times=_TIMES)
    if form == POINTS:
        points = [100 * each for each in values]
        texts = _signed(points, 1 if abs(points[0]) >= 0.1 else 2)
        return _worded(means, texts, unit=f"{_SPACE}points")
    if form == RATIO:
        shares = [100 * each / change.baseline for each in values]
        return _worded(means, _signed(shares, 0 if max(map(abs, shares)) >= 9.95 else 1), unit=PERCENT)
    return _worded(means, _signed(values, _decimals(values)), unit=_unit(quantity))


def _worded(means: str, texts: Sequence[str], unit: str = "", times: str = "") -> Natural:
    """The change, and its interval where that is known."""
    value, low, high = [*texts, "", ""][:3]
    return Natural(means, value, low, high, unit, times)


def in_words(quantity: Reading, change: Change) -> str:
    """Means, change, its interval where there is one, and what that is over, with plain spaces."""
    means = natural(quantity, change).means.replace(_SPACE, " ")
    return f"{means}, change {change_in_words(quantity, change)}"


def change_in_words(quantity: Reading, change: Change) -> str:
    """The same without the means."""
    found = natural(quantity, change)
    why = f": {change.reason}" if change.reason else ""
    text = f"{found.change}, without an interval{why}"
    if found.low:
        text = f"{found.both} over {change.count:,} {change.over}"
    return text.replace(_SPACE, " ")  # terminals are shown no others


def _form(quantity: Reading, change: Change) -> str:
    """In what a change is given: `LOG`, `RATIO`, `POINTS`, or its own unit (empty)."""
    if quantity.scale == LOG or quantity.percent:
        return LOG if quantity.scale == LOG else POINTS
    relative = not quantity.unit or quantity.scale == RATIO
    fits = change.baseline > 0 and 100 * abs(change.value) <= _LARGEST * change.baseline
    return RATIO if relative and fits else ""


def _unit(quantity: Reading) -> str:
    return f"{_SPACE}{quantity.unit}" if quantity.unit else ""


def _means(quantity: Reading, change: Change) -> str:
    if quantity.percent:
        return " → ".join(f"{number(100 * each)}{PERCENT}" for each in (change.baseline, change.variant))
    return f"{number(change.baseline)} → {number(change.variant)}{_unit(quantity)}"


def _signed(values: Sequence[float], decimals: int) -> list[str]:
    rounded = [round(each, decimals) for each in values]
    return [written(each, f"+.{decimals}f") if each else "0" for each in rounded]


def _decimals(values: Sequence[float]) -> int:
    """So many that the half width of the interval, or else the change, has two significant digits."""
    size = (values[2] - values[1]) / 2 if len(values) > 1 else abs(values[0])
    return min(max(1 - math.floor(math.log10(size)), 0), 6) if size else 0
