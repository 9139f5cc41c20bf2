"""How long tests take: the longest begin first and are marked `slow`, by the seconds of durations.txt.

The table holds each file with the seconds of all its tests, and each test function that is worth a line with
those of its slowest case. A file that is not in it is taken for a long one, so that new tests need no edit.
`make durations` measures all tests and writes the table anew, as is well after many have changed.
"""

import os
from collections import defaultdict
from pathlib import Path

import pytest

SLOW = 0.5
"""Seconds from which on a test is marked `slow`, and left out of `make quick`; it has a line of its own."""

_TABLE = Path(__file__).with_name("durations.txt")
_WRITE = os.environ.get("LANDSCAPE_DURATIONS") == "write"

_measured: dict[str, float] = defaultdict(float)


def read(table: Path = _TABLE) -> dict[str, float]:
    """Seconds by file, and by file::function."""
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    return {name: float(seconds) for seconds, name in (line.split(maxsplit=1) for line in lines)}


def summed(cases: dict[str, float]) -> dict[str, float]:
    """What the table says of cases that took so long: file::function[parameters] → seconds."""
    files: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    for name, seconds in cases.items():
        files[name.split("::")[0]] += seconds
        function = name.split("[")[0]
        functions[function] = max(functions[function], seconds)
    return files | {name: seconds for name, seconds in functions.items() if seconds >= SLOW}


def slowest(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds of the slowest test in each file."""
    found: dict[str, float] = defaultdict(float)
    for name, value in seconds.items():
        file, *function = name.split("::")
        found[file] = max(found[file], value if function else 0.0)
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the slow tests; where several processes share the work, puts files with long tests in front."""
    seconds = read()
    for item in items:
        if seconds.get(item.nodeid.split("[")[0], 0.0) >= SLOW:
            item.add_marker("slow")
    if "PYTEST_XDIST_WORKER" in os.environ:
        longest = slowest(seconds)
        items.sort(key=lambda item: -longest.get(item.nodeid.split("::")[0], float("inf")))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Adds up what a test and its fixtures take."""
    if _WRITE:
        _measured[report.nodeid] += report.duration


def pytest_sessionfinish() -> None:
    """Writes the table, by file, once all tests have run."""
    if _WRITE and "PYTEST_XDIST_WORKER" not in os.environ:
        rows = sorted(summed(_measured).items())
        _TABLE.write_text("".join(f"{seconds:6.1f} {name}\n" for name, seconds in rows), encoding="utf-8")
