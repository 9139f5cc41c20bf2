"""The snapshots of tests/snapshot.py themselves: written, compared, and dropped with their test."""

from __future__ import annotations

import pytest

from tests import snapshot as snapshots


def test_sections_are_read_as_they_were_written(tmp_path):
    file = tmp_path / "test_words.txt"
    sections = {
        "test_a": "two\n\nlines",
        "test_b[x-1]": "± 2",
        "test_b[x-1]: part": "third",
        "test_gone": "-",
    }
    source = "def test_a():\n    ...\ndef test_b(x):\n    ..."
    snapshots.write(file, sections, source)
    assert snapshots.read(file) == {name: text for name, text in sections.items() if name != "test_gone"}
    assert snapshots.read(tmp_path / "none.txt") == {}


def test_a_text_is_compared_with_its_section(snapshot):
    snapshot("A caption.\n\nOf two paragraphs.")
    snapshot("Another text of the same test.", "part")
    if not snapshots.WRITE:
        with pytest.raises(pytest.fail.Exception, match=r"-A caption\.\n"):
            snapshot("A capital.\n\nOf two paragraphs.")
        with pytest.raises(pytest.fail.Exception, match="has no section"):
            snapshot("?", "unknown")
