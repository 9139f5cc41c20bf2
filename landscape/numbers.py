"""Numbers as they are written, in tables, sentences, captions and on axes: a true minus, no false digits."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, isfinite, log10

PM = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"
PERCENT = "\N{NO-BREAK SPACE}%"


def written(value: float, form: str = ".3g") -> str:
    """A number in one of Python's formats, with a true minus: `−0.312`, and `+0.312` by `+.3g`."""
    return f"{value:{form}}".replace("-", "\N{MINUS SIGN}")


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits; exponents only under 0.001 or from a million on."""
    if value == 0:
        return "0"
    if not isfinite(value):
        return "not finite"
    magnitude = floor(log10(abs(value)))
    if not -4 < magnitude < 6:
        return written(value, f".{digits - 1}e")
    return written(value, f",.{max(digits - 1 - magnitude, 0)}f")


def plain_number(value: float) -> str:
    """A tick label, without exponents where that is short: −0.02, 5, 2000, 1e+06."""
    return written(value, ".0f" if 1000 <= abs(value) < 1e5 else ".3g")


def plain_numbers(values: Iterable[float]) -> list[str]:
    """Tick labels of one axis, with as many digits as tell different ones apart."""
    listed = [float(value) for value in values]
    texts, digits = [plain_number(value) for value in listed], 3
    while len(set(texts)) < len(set(listed)) and digits < 15:
        digits += 1
        texts = [written(value, f".{digits}g") for value in listed]
    return texts


def plus_minus(value: float, standard_error: float | None) -> str:
    """A number with ± two standard errors, both to the second digit of the interval, if there is an error."""
    if not standard_error or not isfinite(standard_error):
        return number(value)
    interval = 2 * standard_error
    decimals = max(1 - floor(log10(interval)), 0)
    if decimals > 6:
        return f"{number(value)}{PM}{number(interval, 2)}"
    return f"{written(value, f',.{decimals}f')}{PM}{interval:,.{decimals}f}"


def percent(value: float, standard_error: float | None = None) -> str:
    """A share as a percentage, without the sign."""
    return plus_minus(100 * value, 100 * standard_error if standard_error else None)


def with_interval(value: float, low: float, high: float, form: str = "+.3g") -> str:
    """A number and its interval, `+0.31 [+0.1, +0.52]`; alone where the interval is not known."""
    if not isfinite(low):
        return written(value, form)
    return f"{written(value, form)} [{written(low, form)}, {written(high, form)}]"
