"""Wording that tests hold on to, in one text file beside each test module.

`def test_the_caption(snapshot): snapshot(figures.caption("contours", data))` compares the text with the
section `test_the_caption` of test_NAME.txt. Run the tests with LANDSCAPE_SNAPSHOTS=write (without `-n`) to
write what they say now, and read the difference before committing it. Numbers belong in asserts of their own.
"""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

WRITE = os.environ.get("LANDSCAPE_SNAPSHOTS") == "write"
_HEADING = "=== "


def read(file: Path) -> dict[str, str]:
    """The sections of a snapshot file: test and part → text."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        if line.startswith(_HEADING):
            lines = sections.setdefault(line.removeprefix(_HEADING), [])
        else:
            lines.append(line)
    return {name: "\n".join(lines).strip("\n") for name, lines in sections.items()}


def write(file: Path, sections: dict[str, str], source: str) -> None:
    """Writes the sections, sorted, leaving out those of tests that `source` no longer has."""
    held = {name: text for name, text in sorted(sections.items()) if f"def {_function(name)}(" in source}
    blocks = [f"{_HEADING}{name}\n{text}\n" for name, text in held.items()]
    file.write_text("\n".join(blocks), encoding="utf-8")


def _function(name: str) -> str:
    return name.split("[")[0].split(": ")[0]


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`snapshot(text)`, or `snapshot(text, part)` where a test holds on to several texts."""
    file = request.path.with_suffix(".txt")
    test = request.node.name

    def compare(text: str, part: str = "") -> None:
        name = f"{test}: {part}" if part else test
        stored = read(file)
        text = text.strip("\n")
        if WRITE:
            assert "PYTEST_XDIST_WORKER" not in os.environ, "snapshots are written by one process: no -n"
            write(file, stored | {name: text}, request.path.read_text(encoding="utf-8"))
            return
        if name not in stored:
            pytest.fail(f"{file.name} has no section {name!r}; run with LANDSCAPE_SNAPSHOTS=write to add it")
        if stored[name] != text:
            lines = difflib.unified_diff(
                stored[name].splitlines(), text.splitlines(), "stored", "now", lineterm=""
            )
            pytest.fail("\n".join([f"{file.name}, {name}:", *lines]))

    return compare
