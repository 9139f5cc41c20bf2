"""The journal of finished items: what is resumed, what is refused, and a run that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from landscape.errors import ResultError
from landscape.results.journal import Journal
from landscape.work import Item, in_memory

ROOT = Path(__file__).resolve().parents[2]


def item(index: int) -> Item:
    """Every kind of array that an analysis yields."""
    rng = np.random.default_rng(index)
    return {
        "values": np.array([rng.normal(), np.nan, -np.inf, -0.0]),
        "narrow": rng.normal(size=(2, 3)).astype(np.float32),
        "converged": rng.random(3) > 0.5,
        "products": np.array(index),
        "none": np.zeros((0, 2)),
    }


def assert_identical(found: list[Item], expected: list[Item]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert list(ours) == list(theirs)
        for name, value in theirs.items():
            assert (ours[name].dtype, ours[name].shape) == (value.dtype, value.shape)
            assert ours[name].tobytes() == value.tobytes()


def stopping(after: int):
    """A computation that the user stops."""
    done = []

    def compute(index: int) -> Item:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(index)
        return item(index)

    return compute


def test_a_whole_run_gives_what_memory_gives(tmp_path: Path):
    journal = Journal(tmp_path / "result.zarr", {"seed": 1})
    assert not journal.folder.exists()
    found = journal.runner()(5, item, "mini batches")
    assert_identical(found, in_memory()(5, item, "mini batches"))
    assert journal.folder.parent == tmp_path
    assert len(list(journal.folder.iterdir())) == 5
    journal.close()
    assert not list(tmp_path.iterdir())
    journal.close()


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path):
    place = tmp_path / "result.zarr"
    with pytest.raises(KeyboardInterrupt):
        Journal(place, {"seed": 1}).runner()(5, stopping(2), "spectrum")
    computed, shown = [], []

    def compute(index: int) -> Item:
        computed.append(index)
        return item(index)

    def progress(items, label, total):
        shown.append((label, total))
        return items

    found = Journal(place, {"seed": 1}).runner(progress)(5, compute, "spectrum")
    assert computed == [2, 3, 4]
    assert shown == [("spectrum", 3)]
    assert_identical(found, [item(index) for index in range(5)])
    # Once more: nothing is left to do, also for a shorter run.
    assert_identical(Journal(place, {"seed": 1}).runner()(3, stopping(0), "spectrum"), found[:3])


def test_an_item_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = Journal(tmp_path / "result.zarr", {})

    def half(stream, **arrays):
        stream.write(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", half)
        with pytest.raises(KeyboardInterrupt):
            journal.runner()(2, item, "spectrum")
    assert not list(journal.folder.iterdir())
    assert_identical(journal.runner()(2, item, "spectrum"), [item(0), item(1)])


def test_labels_do_not_meet(tmp_path: Path):
    journal = Journal(tmp_path / "result.zarr", {})
    first = journal.runner()(2, item, "trace")
    second = journal.runner()(2, lambda index: item(index + 7), "layers")
    assert_identical(second, [item(7), item(8)])
    assert_identical(journal.runner()(2, stopping(0), "trace"), first)


def test_other_work_has_another_folder(tmp_path: Path):
    identity = {"protocol": {"seed": 1, "mean": (0.5, np.float32(0.25))}, "network": "a" * 64}
    folder = Journal(tmp_path / "result.zarr", identity).folder
    again = {"network": "a" * 64, "protocol": {"mean": (0.5, np.float32(0.25)), "seed": 1}}
    assert Journal(tmp_path / "result.zarr", again).folder == folder
    others = [
        {**identity, "network": "b" * 64},
        {**identity, "protocol": {"seed": 2, "mean": (0.5, 0.25)}},
        {**identity, "protocol": {"seed": 1, "mean": (0.5, 0.5)}},
        {**identity, "more": None},
    ]
    folders = {Journal(tmp_path / "result.zarr", other).folder for other in others}
    folders.add(Journal(tmp_path / "other.zarr", identity).folder)
    assert len(folders) == 5
    assert folder not in folders


DAMAGES = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "cut in its first bytes": lambda data: data[:3],
    "something else": lambda data: b"not an archive at all",
    "a flipped byte": lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_item_is_named(tmp_path: Path, damage):
    journal = Journal(tmp_path / "result.zarr", {})
    journal.runner()(3, item, "spectrum")
    path = journal.folder / "spectrum-000001.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        ResultError, match=r"spectrum-000001\.npz is damaged .*delete it, and the item is comp"
    ):
        journal.runner()(3, stopping(0), "spectrum")
    path.unlink()
    assert_identical(journal.runner()(3, stopping(1), "spectrum"), [item(i) for i in range(3)])


# A run that is killed

COUNT = 40


def large(index: int) -> Item:
    """Some megabytes, so that a kill may well come while they are written."""
    return {"values": np.random.default_rng(index).normal(size=500_000)}


SCRIPT = f"""
import sys
from landscape.results.journal import Journal
from tests.results.test_journal import COUNT, large
Journal(sys.argv[1], {{}}).runner()({COUNT}, large, "spectrum")
"""


def test_a_killed_run_ends_bit_identical(tmp_path: Path):
    journal = Journal(tmp_path / "spectrum.zarr", {})
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "spectrum.zarr")],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    until = time.monotonic() + 60
    while len(list(journal.folder.glob("*.npz"))) < 3 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    there = len(list(journal.folder.glob("*.npz")))
    assert 3 <= there < COUNT
    computed = []
    found = journal.runner()(COUNT, lambda index: computed.append(index) or large(index), "spectrum")
    assert computed == list(range(there, COUNT))
    assert_identical(found, [large(index) for index in range(COUNT)])
