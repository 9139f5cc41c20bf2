"""Values of options that are written in a grammar of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from landscape.errors import LandscapeError
from landscape.protocol import Dropout


class Written(click.ParamType):
    """An option whose value is written in a grammar of its own."""

    def __init__(self, name: str, read: Callable[[str], Any], wrong: str) -> None:
        """Say how it is read.

        Args:
            name: What stands for the value in ``--help``.
            read: Text to the value; raises ValueError, KeyError or LandscapeError.
            wrong: What to say of a text that cannot be read, after that text.
        """
        self.name, self._read, self._wrong = name, read, wrong

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Text to the value; a default that is one already stays."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except (ValueError, KeyError, LandscapeError):
            self.fail(f"{value!r} {self._wrong}", param, ctx)


def _whole(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ValueError(text)
    return tuple(int(part) for part in parts)


def _span(text: str) -> tuple[float, float]:
    """The span and the factor, one of which is 0."""
    name, _, factor = text.partition(":")
    return (0.0, float(factor or 10)) if name == "auto" else (float(text), 0.0)


_UNITS = {"b": 1} | {
    f"{letter}{end}": base**power
    for power, letter in enumerate("kmgt", 1)
    for end, base in (("b", 1000), ("ib", 1024))
}


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([0-9.e+-]+) ?([a-z]+)", text.strip().lower())
    if found is None:
        raise ValueError(text)
    size = float(found[1]) * _UNITS[found[2]]
    if not 1 <= size < float("inf"):
        raise ValueError(text)
    return int(size)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


Numbers = partial(Written, "x,y,z", _numbers, "is not a list of numbers such as 0.49,0.48,0.45")
Whole = partial(Written, "i,j", _whole, "is not a list of whole numbers such as 0,5")
Span = partial(Written, "SPAN", _span, "is neither a number nor auto:FACTOR")
Bytes = partial(Written, "SIZE", _bytes, "is not an amount of memory such as 4GB, 16GiB or 500MB")
DROPOUT = Written("off|fixed|fresh|ensemble:N", Dropout, "is none of off, fixed, fresh and ensemble:N")


class Precision(click.Choice):
    """The working precisions; a reduced one is refused with a reason."""

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The name of a working precision."""
        if value in ("bfloat16", "float16", "half", "tf32"):
            self.fail(
                f"rounding in {value} would drown small eigenvalues and differences of the loss; "
                "choose float32 or float64",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)
