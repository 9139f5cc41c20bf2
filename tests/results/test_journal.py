"""The journal of finished items: what is resumed, what is refused, and a run that is killed."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import landscape.results.holding
import landscape.results.journal
from landscape.errors import ResultError
from landscape.results.journal import Journal, sweep
from landscape.work import Item, in_memory
from tests.build import kept

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
    assert len(kept(tmp_path)) == 5
    assert len(list(journal.folder.iterdir())) == 1
    journal.close()
    assert not list(tmp_path.iterdir())
    journal.close()


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path):
    place = tmp_path / "result.zarr"
    with pytest.raises(KeyboardInterrupt), Journal(place, {"seed": 1}) as journal:
        journal.runner()(5, stopping(2), "spectrum")
    computed, shown = [], []

    def compute(index: int) -> Item:
        computed.append(index)
        return item(index)

    def progress(items, label, total):
        shown.append((label, total))
        return items

    with Journal(place, {"seed": 1}) as journal:
        found = journal.runner(progress)(5, compute, "spectrum")
    assert computed == [2, 3, 4]
    assert shown == [("spectrum", 3)]
    assert_identical(found, [item(index) for index in range(5)])
    # Once more: nothing is left to do, also for a shorter run.
    with Journal(place, {"seed": 1}) as journal:
        assert_identical(journal.runner()(3, stopping(0), "spectrum"), found[:3])
    assert Journal(place, {"seed": 1}).present()(6, stopping(0), "spectrum")[5] is None


def test_an_item_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Journal(tmp_path / "result.zarr", {}) as journal:
        run = journal.runner()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda descriptor: stopping(0)(descriptor))
            with pytest.raises(KeyboardInterrupt):
                run(2, item, "spectrum")
        assert not kept(tmp_path)
        assert_identical(journal.runner()(2, item, "spectrum"), [item(0), item(1)])


def test_a_disk_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(tmp_path / "result.zarr", {}) as journal:
        run = journal.runner()
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(ResultError, match=r"cannot write .*: No space left on device; choose another"):
            run(2, item, "spectrum")
    with pytest.raises(ResultError, match=r"cannot write .*result\.zarr: No space left on device"):
        Journal(tmp_path / "result.zarr", {}).runner()
    assert not list(tmp_path.glob("*.lock"))


def test_a_damaged_item_is_computed_again_once(tmp_path: Path):
    place = tmp_path / "result.zarr"
    with Journal(place, {}) as journal:
        journal.runner()(3, item, "spectrum")
        (path,) = journal.folder.iterdir()
    data = path.read_bytes()
    path.rename(path.with_name(f"0{path.name}"))  # the damaged one is always the first that is looked at
    path.with_name(f"0{path.name}").write_bytes(data[:-5] + b"wrong")
    for left in ([2], []):
        computed: list[int] = []
        with Journal(place, {}) as journal:
            found = journal.runner()(3, lambda i, c=computed: c.append(i) or item(i), "spectrum")
        assert computed == left
        assert_identical(found, [item(index) for index in range(3)])


def test_what_is_returned_lies_in_memory_as_what_is_read(tmp_path: Path):
    with Journal(tmp_path / "result.zarr", {}) as journal:
        (first,) = journal.runner()(1, lambda i: {"v": np.arange(6.0).reshape(2, 3).T}, "trace")
        (second,) = journal.runner()(1, stopping(0), "trace")
    assert first["v"].flags.c_contiguous
    assert_identical([first], [second])


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


@pytest.mark.parametrize("change", [{"ARITHMETIC": 10**6}, {"installed_version": lambda package: "99.0"}])
def test_another_version_has_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict):
    before = Journal(tmp_path / "result.zarr", {}).folder
    for name, value in change.items():
        monkeypatch.setattr(landscape.results.schema, name, value)
    assert Journal(tmp_path / "result.zarr", {}).folder != before


def test_items_of_another_run_are_not_used(tmp_path: Path):
    folders = []
    for seed in (1, 2):
        with Journal(tmp_path / "result.zarr", {"seed": seed}) as journal:
            journal.runner()(2, lambda index, s=seed: item(index + s), "trace")
            folders.append(journal.folder)
    shutil.copytree(folders[0], folders[1], dirs_exist_ok=True)
    with Journal(tmp_path / "result.zarr", {"seed": 2}) as journal:
        assert_identical(journal.runner()(2, stopping(0), "trace"), [item(2), item(3)])
    shutil.rmtree(folders[1])
    folders[0].rename(folders[1])
    with Journal(tmp_path / "result.zarr", {"seed": 2}) as journal:
        computed: list[int] = []
        journal.runner()(2, lambda index: computed.append(index) or item(index), "trace")
    assert computed == [0, 1]


def test_what_is_left_of_other_runs_goes_with_the_end(tmp_path: Path):
    place, other = tmp_path / "s.zarr", tmp_path / "s.zarr.zarr"
    for path, seed in ((place, 1), (place, 2), (other, 1)):
        with Journal(path, {"seed": seed}) as journal:
            journal.runner()(2, item, "trace")
    old = tmp_path / ".s.zarr.0123456789ab.part"
    old.mkdir()
    (old / "surface-000000.npz").write_bytes(b"of version 0.1")
    foreign = tmp_path / ".s.zarr.of-somebody.part"
    foreign.mkdir()
    os.utime(old, (1e9, 1e9))
    with Journal(place, {"seed": 3}) as journal:
        journal.runner()(2, item, "trace")
        assert len(list(tmp_path.glob(".s.zarr.????????????.part"))) == 4
        journal.close()
    assert sorted(tmp_path.iterdir()) == sorted([Journal(other, {"seed": 1}).folder, foreign])


def test_what_is_left_beside_a_finished_result_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(landscape.results.holding, "_PATIENCE", (3, 0.01))
    with Journal(tmp_path / "s.zarr", {}) as journal:
        journal.runner()(2, item, "trace")
        sweep(tmp_path / "s.zarr")
        assert len(kept(tmp_path)) == 2  # somebody is at work
    (tmp_path / ".s.zarr.lock").write_text("{")
    before = time.time() - 5
    os.utime(journal.folder, (before, before))
    sweep(tmp_path / "s.zarr")
    assert not list(tmp_path.iterdir())
    sweep(tmp_path / "s.zarr")


def test_a_runner_goes_on_after_a_release(tmp_path: Path):
    journal = Journal(tmp_path / "s.zarr", {})
    run = journal.runner()
    run(2, item, "trace")
    journal.release()
    other = Journal(tmp_path / "s.zarr", {})
    other.runner()
    with pytest.raises(ResultError, match="under way already"):
        run(3, item, "trace")
    other.release()
    assert_identical(run(3, stopping(1), "trace"), [item(index) for index in range(3)])


def test_a_second_run_is_refused_and_the_first_goes_on(tmp_path: Path):
    with Journal(tmp_path / "s.zarr", {"seed": 1}) as first:
        run = first.runner()
        run(2, item, "trace")
        for seed, words in ((1, "this very run is under way already"), (2, "another run writes there")):
            with pytest.raises(ResultError, match=rf"{words} \(process {os.getpid()} on "):
                Journal(tmp_path / "s.zarr", {"seed": seed}).runner()
        assert_identical(run(3, stopping(1), "trace"), [item(index) for index in range(3)])
        # Who only looks need not wait.
        assert len(Journal(tmp_path / "s.zarr", {"seed": 1}).present()(3, stopping(0), "trace")) == 3
        Journal(tmp_path / "s.zarr", {"seed": 2}).release()
    with Journal(tmp_path / "s.zarr", {"seed": 2}) as second:
        second.runner()
    Journal(tmp_path / "s.zarr", {"seed": 2}).runner()  # nobody keeps it
    assert not list(tmp_path.glob(".*.lock"))


def test_a_run_that_lost_its_right_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(landscape.results.holding, "BEAT", 0.01)
    with Journal(tmp_path / "s.zarr", {}) as journal:
        run = journal.runner()
        (tmp_path / ".s.zarr.lock").unlink()
        with pytest.raises(ResultError, match=r"another process has taken .* over"):
            run(1000, lambda index: time.sleep(0.02) or item(index), "trace")


# A run that is killed

COUNT = 40


def large(index: int) -> Item:
    """Some megabytes, so that a kill may well come while they are written."""
    return {"values": np.random.default_rng(index).normal(size=500_000)}


SCRIPT = f"""
import sys
import numpy as np
from landscape.results.journal import Journal
def large(index):
    return {{"values": np.random.default_rng(index).normal(size=500_000)}}
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
    while len(kept(tmp_path)) < 3 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    there = len(kept(tmp_path))
    assert 3 <= there < COUNT
    computed = []
    found = journal.runner()(COUNT, lambda index: computed.append(index) or large(index), "spectrum")
    assert computed == list(range(there, COUNT))
    assert_identical(found, [large(index) for index in range(COUNT)])
