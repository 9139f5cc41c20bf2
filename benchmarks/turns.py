"""Works that take turns, so that all of them meet the same machine, and what is compared of them."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Works = Mapping[str, Callable[[], Any]]


@dataclass
class Turned:
    """Works done in turns.

    Attributes:
        seconds: By name, one for each turn.
        results: By name, of the last turn.
        errors: By name, of works that failed, in a few words; they have neither seconds nor results.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float | None:
        """Median seconds of a work; None where it failed."""
        return statistics.median(self.seconds[name]) if name in self.seconds else None

    def ratio(self, first: str, second: str) -> float | None:
        """Median over turns of the seconds of the first over those of the second; None where one failed."""
        if first not in self.seconds or second not in self.seconds:
            return None
        pairs = zip(self.seconds[first], self.seconds[second], strict=True)
        return statistics.median(one / other for one, other in pairs)


def turned(works: Works, turns: int, *, guests: tuple[str, ...] = ()) -> Turned:
    """Do every work once in each turn.

    Args:
        works: By name.
        turns: How many.
        guests: Works of other packages: where one fails, its error is kept and the others go on.
    """
    found = Turned()
    for _ in range(turns):
        for name, work in works.items():
            if name in found.errors:
                continue
            started = time.perf_counter()
            try:
                found.results[name] = work()
            except Exception as error:
                if name not in guests:
                    raise
                found.errors[name] = in_words(error)
                found.seconds.pop(name, None)
                found.results.pop(name, None)
                continue
            found.seconds.setdefault(name, []).append(time.perf_counter() - started)
    return found


def in_words(error: Exception) -> str:
    """The kind of an error and the beginning of its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:120]}" if lines else type(error).__name__


def missing(*modules: str) -> str:
    """Why a package cannot be used, in one sentence; empty where it can."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            return f"{name.partition('.')[0]} cannot be imported here ({in_words(error)})."
    return ""
