"""What tests are held together by: snapshots of wording, and the table of how long tests take."""

import pytest

from tests import durations
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


def test_seconds_are_added_by_file_and_the_slowest_case_counts(tmp_path):
    cases = {"a.py::test_x[1]": 2.0, "a.py::test_x[2::3]": 3.0, "a.py::test_y": 0.1, "b.py::test_z": 6.0}
    seconds = durations.summed(cases)
    assert seconds == {"a.py": 5.1, "b.py": 6.0, "a.py::test_x": 3.0, "b.py::test_z": 6.0}
    (tmp_path / "durations.txt").write_text(
        "".join(f"{value:6.1f} {name}\n" for name, value in seconds.items())
    )
    assert durations.read(tmp_path / "durations.txt") == seconds
    assert durations.read(tmp_path / "none.txt") == {}
    assert durations.slowest(seconds) == {"a.py": 3.0, "b.py": 6.0}


def test_what_is_slow_is_marked_and_long_files_begin(monkeypatch):
    class Item:
        def __init__(self, nodeid: str) -> None:
            self.nodeid, self.marks = nodeid, []

        def add_marker(self, mark: str) -> None:
            self.marks.append(mark)

    table = {"a.py": 1.0, "b.py": 9.0, "b.py::test_y": 8.0}
    monkeypatch.setattr(durations, "read", lambda: table)
    items = [Item(name) for name in ("a.py::test_x", "b.py::test_z", "b.py::test_y[1]", "new.py::test_n")]
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    durations.pytest_collection_modifyitems(items)
    order = ["new.py::test_n", "b.py::test_z", "b.py::test_y[1]", "a.py::test_x"]
    assert [item.nodeid for item in items] == order
    assert [item.marks for item in items] == [[], [], ["slow"], []]
