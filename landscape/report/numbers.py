"""Numbers as they are printed: rounded to their uncertainty, intervals of two standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite, log10

PM = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"
PERCENT = "\N{NO-BREAK SPACE}%"


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error, if one was measured."""

    name: str
    value: float
    standard_error: float | None = None

    @property
    def text(self) -> str:
        """`0.312 ± 0.010`, the interval being two standard errors."""
        return plus_minus(self.value, self.standard_error)


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits; exponents only under 0.001 or from a million on."""
    if value == 0:
        return "0"
    if not isfinite(value):
        return "not finite"
    magnitude = floor(log10(abs(value)))
    if not -4 < magnitude < 6:
        return f"{value:.{digits - 1}e}".replace("-", "\N{MINUS SIGN}")
    decimals = max(digits - 1 - magnitude, 0)
    return f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def plus_minus(value: float, standard_error: float | None) -> str:
    """A number with ± two standard errors, both to the second digit of the interval."""
    if not standard_error:
        return number(value)
    interval = 2 * standard_error
    decimals = max(1 - floor(log10(interval)), 0)
    if decimals > 6:
        return f"{number(value)}{PM}{number(interval, 2)}"
    return f"{value:,.{decimals}f}{PM}{interval:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def percent(value: float, standard_error: float | None = None) -> str:
    """A share as a percentage, without the sign."""
    return plus_minus(100 * value, 100 * standard_error if standard_error else None)
