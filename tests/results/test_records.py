"""Records of finished items: what is read is what was written, and nothing else is."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from landscape.errors import ResultError
from landscape.results import records
from landscape.results.records import Writer, entries, read
from landscape.work import Item

RUN, OTHER = bytes(range(32)), bytes(range(1, 33))
COUNT = 4


def item(index: int) -> Item:
    return {"nll": np.array(index + 0.25), "losses": np.arange(3, dtype=np.float32) + index}


def written(folder: Path, run: bytes = RUN, count: int = COUNT, writer: str = "host-1") -> Path:
    """One file of a few items."""
    pen = Writer(folder, run, writer)
    for index in range(count):
        pen.append("surface", index, item(index))
    pen.close()
    (path,) = folder.glob(f"{writer}-*.records")
    return path


def found(folder: Path, run: bytes = RUN) -> dict[tuple[str, int], Item]:
    """What a run would use; each item must be exactly what was written."""
    there = list(entries(folder, run))
    items = {
        (entry.label, entry.index): got for entry, got in zip(there, read(there, run), strict=True) if got
    }
    for (label, index), got in items.items():
        assert label == "surface"
        assert {name: (value.dtype, value.shape, value.tolist()) for name, value in got.items()} == {
            name: (value.dtype, value.shape, value.tolist()) for name, value in item(index).items()
        }
    return items


ARRAYS = {
    "numbers": np.array([1.5, np.nan, -np.inf, -0.0]),
    "payload of a NaN": np.array([0x7FF8DEADBEEF0001], np.uint64).view(np.float64),
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.array([0.1], np.float16),
    "other byte order": np.arange(3, dtype=">i4"),
    "complex": np.array([1 + 2j]),
    "truth": np.array([True, False]),
    "small": np.arange(3, dtype=np.int8),
    "whole": np.array(7),
    "one": np.array(0.5),
    "scalar": np.float32(2.5),
    "none": np.zeros((0, 2)),
    "words": np.array(["a", "ünï", ""]),
    "bytes": np.array([b"ab", b"c"]),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "every second": np.arange(10)[::2],
    "large": np.arange(100_000.0).reshape(2, -1),
}


def test_what_is_written_is_read(tmp_path: Path):
    pen = Writer(tmp_path / "run", RUN, "host/../1")
    for index, (name, value) in enumerate(ARRAYS.items()):
        pen.append("one each", index, {name: value})
    entry, kept = pen.append("all of them", 0, ARRAYS)
    pen.append("nothing", 0, {})
    pen.close()
    there = list(entries(tmp_path / "run", RUN))
    assert entry in there
    assert len(there) == len(ARRAYS) + 2
    assert there[-1].path.name.startswith("host..1-")
    items = list(read(there, RUN))
    assert items[-1] == {}
    for got in (*items[:-1], kept):
        for name, value in got.items():
            expected = np.asarray(ARRAYS[name])
            assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
            assert value.tobytes() == expected.tobytes()
            assert value.flags.c_contiguous
            assert value.flags.writeable
            assert value.flags.aligned
    assert list(items[-2]) == list(ARRAYS)


@pytest.mark.parametrize("value", [np.array([None]), np.array(["2020-01-01"], "M8[D]"), np.zeros(2, "f8,i4")])
def test_objects_are_refused(tmp_path: Path, value: np.ndarray):
    with pytest.raises(ResultError, match="an item of trace cannot be kept: 'value' is no array of numbers"):
        Writer(tmp_path, RUN, "host").append("trace", 0, {"value": value})
    assert not list(tmp_path.iterdir())


def forged(label: object = "surface", index: object = 1, size: int | None = None, **more: object) -> bytes:
    """A record whose digests are right and whose claims are not; whoever forges it knows the run."""
    payload = np.full(3, 666.0).tobytes()
    content = {
        "label": label,
        "index": index,
        "digest": records._hash(RUN, payload).hexdigest(),
        "arrays": [["nll", "<f8", [3]]],
        **more,
    }
    text = json.dumps(content).encode()
    lengths = struct.pack("<IQ", len(text), len(payload) if size is None else size)
    return records.MAGIC + lengths + records._hash(RUN, lengths + text).digest() + text + payload


def at(path: Path, index: int) -> slice:
    """Where the record of an item lies in its file."""
    data, entry = path.read_bytes(), next(e for e in entries(path.parent, RUN) if e.index == index)
    return slice(data.rindex(records.MAGIC, 0, entry.offset), entry.offset + entry.size)


def changed(change: Callable[[bytearray, slice, slice], object]) -> Callable[[Path], None]:
    """A damage of the bytes, told where the records of items 1 and 2 are."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        new = change(data, at(path, 1), at(path, 2))
        path.write_bytes(data if new is None else bytes(new))  # type: ignore[call-overload]

    return damage


def put(data: bytearray, where: slice, content: bytes) -> None:
    data[where] = content


def claiming(**claims: object) -> Callable[[Path], None]:
    """A forged record in the place of item 1."""
    return changed(lambda data, one, two: put(data, one, forged(**claims)))


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Something else under the name of the file."""

    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def other_run(path: Path) -> None:
    path.write_bytes(written(path.parent / "other", OTHER).read_bytes())


def records_of_other_run(path: Path) -> None:
    head = len(records.prelude(RUN))
    other = written(path.parent / "other", OTHER).read_bytes()
    path.write_bytes(path.read_bytes()[:head] + other[head:])


ALL, NONE, BUT_ONE = {0, 1, 2, 3}, set(), {0, 2, 3}

DAMAGES: dict[str, tuple[Callable[[Path], object], set[int]]] = {
    "empty": (changed(lambda d, one, two: b""), NONE),
    "cut in its first line": (changed(lambda d, one, two: d[:10]), NONE),
    "nothing but zeros": (changed(lambda d, one, two: bytes(len(d))), NONE),
    "something else": (changed(lambda d, one, two: b"\x80\x04cos\nsystem\n(S'true'\ntR."), NONE),
    "an archive of NumPy": (instead(lambda path: np.savez(path.with_suffix(".npz"), nll=1)), NONE),
    "torn in a payload": (changed(lambda d, one, two: d[: two.stop - 1]), {0, 1}),
    "torn in a header": (changed(lambda d, one, two: d[: two.start + 50]), {0, 1}),
    "torn in a length": (changed(lambda d, one, two: d[: two.start + 9]), {0, 1}),
    "a torn tail that is zeros": (changed(lambda d, one, two: d[: two.start] + bytes(4096)), {0, 1}),
    "a record of zeros": (changed(lambda d, one, two: put(d, one, bytes(one.stop - one.start))), BUT_ONE),
    "a record cut short": (changed(lambda d, one, two: d[: one.stop - 5] + d[one.stop :]), BUT_ONE),
    "a payload of zeros": (
        changed(lambda d, one, two: put(d, slice(one.stop - 20, one.stop), bytes(20))),
        BUT_ONE,
    ),
    "a record left out": (changed(lambda d, one, two: d[: one.start] + d[one.stop :]), BUT_ONE),
    "a record twice": (changed(lambda d, one, two: d + d[one]), ALL),
    "one record in another's place": (changed(lambda d, one, two: put(d, one, d[two])), BUT_ONE),
    "swapped records": (
        changed(lambda d, one, two: d[: one.start] + d[two] + d[one] + d[two.stop :]),
        ALL,
    ),
    "swapped payloads": (
        changed(lambda d, one, two: put(d, slice(one.stop - 20, one.stop), d[two.stop - 20 : two.stop])),
        BUT_ONE,
    ),
    "another shape": (changed(lambda d, one, two: d.replace(b"[3]", b"[1]", 1)), {1, 2, 3}),
    "another type": (changed(lambda d, one, two: d.replace(b"<f4", b"<i4", 1)), {1, 2, 3}),
    "objects": (changed(lambda d, one, two: d.replace(b"<f4", b"|O8", 1)), {1, 2, 3}),
    "another index": (changed(lambda d, one, two: d.replace(b'"index": 1', b'"index": 9')), BUT_ONE),
    "a giant header": (
        changed(lambda d, one, two: put(d, slice(one.start + 8, one.start + 12), b"\xff" * 4)),
        BUT_ONE,
    ),
    "a giant payload": (
        changed(lambda d, one, two: put(d, slice(one.start + 12, one.start + 20), b"\xff" * 8)),
        BUT_ONE,
    ),
    "many beginnings of records": (
        changed(lambda d, one, two: d[: one.start] + 900 * (records.MAGIC + b"\xff" * 9) + d[one.start :]),
        ALL,
    ),
    "nothing but beginnings": (
        changed(lambda d, one, two: d[: one.start] + 2000 * (records.MAGIC + bytes(20)) + d[one.start :]),
        {0},
    ),
    "forged objects": (
        claiming(arrays=[["nll", "|O8", [3]]]),
        BUT_ONE,
    ),
    "forged fields": (
        claiming(arrays=[["nll", "f8,f8", [3]]]),
        BUT_ONE,
    ),
    "a forged type": (
        claiming(arrays=[["nll", "<f3", [8]]]),
        BUT_ONE,
    ),
    "a forged shape": (
        claiming(arrays=[["nll", "<f8", [2]]]),
        BUT_ONE,
    ),
    "a negative shape": (
        claiming(arrays=[["nll", "<f8", [-1, -3]]]),
        BUT_ONE,
    ),
    "an endless shape": (
        claiming(arrays=[["x", "<f8", [3]], ["y", "<f8", [0, 10**40]]]),
        BUT_ONE,
    ),
    "endless dimensions": (
        claiming(arrays=[["nll", "<f8", [3, *[1] * 999]]]),
        BUT_ONE,
    ),
    "no list of arrays": (claiming(arrays={"nll": 3}), BUT_ONE),
    "a forged digest": (claiming(digest=[]), BUT_ONE),
    "a forged label": (claiming(label=["surface"]), BUT_ONE),
    "a forged index": (claiming(index="1"), BUT_ONE),
    "a forged length": (claiming(size=2**62), BUT_ONE),
    "another run's file": (other_run, NONE),
    "another run's records": (records_of_other_run, NONE),
    "a folder": (instead(Path.mkdir), NONE),
    "a link": (instead(lambda path: path.symlink_to("/etc/passwd")), NONE),
    "a link to nowhere": (instead(lambda path: path.symlink_to("/nowhere/at/all")), NONE),
    "a link to itself": (instead(lambda path: path.symlink_to(path.name)), NONE),
    "a pipe": (instead(os.mkfifo), NONE),
    "nothing": (instead(lambda path: None), NONE),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_not_used_and_nothing_else_is_lost(tmp_path: Path, name: str):
    folder, (damage, left) = tmp_path / "run", DAMAGES[name]
    damage(written(folder))
    assert {index for _, index in found(folder)} == left
    # Whatever lies there, what is computed again is kept beside it.
    written(folder, writer="host-2")
    assert {index for _, index in found(folder)} == ALL


def test_no_flipped_byte_is_read(tmp_path: Path):
    path = written(tmp_path, count=2)
    data, head, (first, second) = path.read_bytes(), len(records.prelude(RUN)), (at(path, 0), at(path, 1))
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :])
        left = {index for _, index in found(tmp_path)}
        assert left == (set() if place < head else {1} if place < first.stop else {0}), place
    assert second.stop == len(data)


def test_a_file_cut_anywhere_keeps_what_is_whole(tmp_path: Path):
    path = written(tmp_path, count=2)
    data, first = path.read_bytes(), at(path, 0)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert len(found(tmp_path)) == (length >= first.stop)


def test_a_sparse_file_costs_nothing(tmp_path: Path):
    path = written(tmp_path)
    with open(path, "r+b") as stream:
        stream.truncate(2**36)
    assert {index for _, index in found(tmp_path)} == ALL


def test_a_folder_that_is_a_link_is_not_read_and_gives_way(tmp_path: Path):
    written(tmp_path / "elsewhere")
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    assert not found(tmp_path / "run")
    written(tmp_path / "run")
    assert len(found(tmp_path / "run")) == len(found(tmp_path / "elsewhere")) == COUNT
    assert not (tmp_path / "run").is_symlink()
    for make in (os.mkfifo, Path.touch):
        make(tmp_path / "pipe")
        assert not found(tmp_path / "pipe")
        written(tmp_path / "pipe")
        assert len(found(tmp_path / "pipe")) == COUNT
        (tmp_path / "pipe").rename(tmp_path / make.__name__)


def test_two_writers_have_a_file_each(tmp_path: Path):
    pens = [Writer(tmp_path, RUN, "host-1") for _ in range(2)]
    for index in range(COUNT):
        pens[index % 2].append("surface", index, item(index))
    assert len(list(tmp_path.iterdir())) == 2
    assert len(found(tmp_path)) == COUNT  # while both are written


def test_after_an_error_it_goes_on_in_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pen = Writer(tmp_path, RUN, "host")
    pen.append("surface", 0, item(0))
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError("no space")
        return write(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="no space"):
            pen.append("surface", 1, item(1))
    pen.append("surface", 2, item(2))
    assert {index for _, index in found(tmp_path)} == {0, 2}
    assert len(list(tmp_path.iterdir())) == 2


def test_the_disk_is_asked_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked, clock = [], [100.0]
    monkeypatch.setattr(records.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(os, "fsync", lambda descriptor: asked.append(os.fstat(descriptor).st_mode))
    pen = Writer(tmp_path / "run", RUN, "host")
    pen.append("surface", 0, item(0))
    assert len(asked) == 2  # both folders, whose names are new
    for index in range(10):
        clock[0] += 0.3
        pen.append("surface", index, item(index))
    assert len(asked) == 4
    pen.close()
    assert len(asked) == 5
