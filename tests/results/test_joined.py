"""Runs that several workers share: everything once, whoever comes, leaves or dies, and nobody between."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import landscape.results.holding
import landscape.results.sharedlist
from landscape.errors import ResultError
from landscape.leases import Lease
from landscape.results import Journal
from landscape.results.joined import Joined
from landscape.results.sharedlist import Twice, apart
from landscape.results.shelf import FolderShelf, GoneError
from landscape.work import Item, in_memory, silent
from tests.results.test_journal import ROOT, assert_identical, item, stopping

ABOUT = {"device": "cpu"}


def joined(place: Path, seed: int = 1, about: dict = ABOUT) -> Joined:
    return Joined(place, {"seed": seed}, about)


def together(workers: list) -> list:
    """What each gives, all at once; the first error of one is raised."""
    found: list = [None] * len(workers)

    def call(place: int) -> None:
        try:
            found[place] = workers[place]()
        except BaseException as error:
            found[place] = error

    threads = [threading.Thread(target=call, args=(k,)) for k in range(len(workers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return found


def test_workers_share_the_items_and_each_has_all(tmp_path: Path):
    computed: list[int] = []

    def compute(index: int) -> Item:
        computed.append(index)
        time.sleep(0.002)
        return item(index)

    journals = [joined(tmp_path / "s.zarr") for _ in range(3)]
    found = together([lambda j=j: j.runner()(60, compute, "surface") for j in journals])
    expected = in_memory()(60, item, "surface")
    for each in found:
        assert_identical(each, expected)
    assert sorted(set(computed)) == list(range(60))
    assert len(computed) < 70  # at the end a few may be computed twice
    authors = {path.name.split("-")[0] for path in journals[0].folder.glob("*.records")}
    assert len(authors) == 3
    assert journals[0].report()["workers"] == 3
    for journal in journals[1:]:
        journal.release()
    assert (tmp_path / ".s.zarr.lock").exists()
    journals[0].close()
    assert not list(tmp_path.iterdir())


def test_cheap_items_are_not_computed_again_by_who_has_not_looked(tmp_path: Path):
    computed: list[int] = []
    journals = [joined(tmp_path / "s.zarr") for _ in range(3)]

    def compute(index: int) -> Item:
        computed.append(index)
        return {"nll": np.array(float(index))}

    together([lambda j=j: j.runner()(3000, compute, "surface") for j in journals])
    assert set(computed) == set(range(3000))
    assert len(computed) < 3300
    for journal in journals:
        journal.release()


def test_progress_is_that_of_all(tmp_path: Path):
    with joined(tmp_path / "s.zarr") as first, pytest.raises(KeyboardInterrupt):
        first.runner()(10, stopping(4), "trace")
    seen: list[tuple[str, int, int]] = []

    def progress(items, label, total):
        rows = list(items)
        seen.append((label, total, len(rows)))
        return rows

    journals = [joined(tmp_path / "s.zarr") for _ in range(2)]
    bars = [progress, silent]
    together([lambda j=j, b=b: j.runner(b)(10, item, "trace") for j, b in zip(journals, bars, strict=True)])
    ((label, total, shown),) = seen
    assert label == "trace"
    assert shown == total <= 6
    for journal in journals:
        journal.release()


def test_who_stops_leaves_the_rest_to_others_at_once(tmp_path: Path):
    with joined(tmp_path / "s.zarr") as first:
        with pytest.raises(KeyboardInterrupt):
            first.runner()(8, stopping(3), "surface")
        first.release()
        computed: list[int] = []
        with joined(tmp_path / "s.zarr") as second:
            started = time.monotonic()
            found = second.runner()(8, lambda i: computed.append(i) or item(i), "surface")
        assert time.monotonic() - started < 5
    assert sorted(computed) == list(range(3, 8))
    assert_identical(found, [item(index) for index in range(8)])
    assert not (tmp_path / ".s.zarr.lock").exists()
    assert list(tmp_path.glob(".s.zarr.*.part"))  # what is finished stays


def test_a_worker_may_come_late_and_another_leave(tmp_path: Path):
    begun, left = threading.Event(), threading.Event()
    by: dict[str, list[int]] = {"early": [], "leaving": [], "late": []}

    def computing(name: str, most: int = 10**6):
        def compute(index: int) -> Item:
            if len(by[name]) == most:
                left.set()
                raise KeyboardInterrupt
            by[name].append(index)
            begun.set()
            time.sleep(0.01)
            return item(index)

        return compute

    def worker(name: str, most: int = 10**6, after: threading.Event | None = None):
        def work():
            if after:
                assert after.wait(20)
            with joined(tmp_path / "s.zarr") as journal:
                try:
                    return journal.runner()(80, computing(name, most), "surface")
                except KeyboardInterrupt:
                    return None

        return work

    found = together([worker("early"), worker("leaving", 5), worker("late", after=left)])
    assert found[1] is None
    for each in (found[0], found[2]):
        assert_identical(each, [item(index) for index in range(80)])
    assert len(by["leaving"]) == 5
    assert by["late"]
    assert set(by["early"] + by["leaving"] + by["late"]) == set(range(80))


@pytest.mark.parametrize("other", ["joined", "single"])
def test_another_run_on_the_same_output_is_refused(tmp_path: Path, other: str):
    place = tmp_path / "s.zarr"

    def second():
        return joined(place, 2) if other == "joined" else Journal(place, {"seed": 1})

    with joined(place) as first:
        run = first.runner()
        with pytest.raises(ResultError, match=r"another run, of workers that joined, writes there"):
            second().runner()
        assert_identical(run(2, item, "trace"), [item(0), item(1)])
    with second() as later:
        later.runner()(1, item, "trace")
        with pytest.raises(ResultError, match="another run"):
            joined(place).runner()
    assert not (tmp_path / ".s.zarr.lock").exists()


def test_of_two_runs_at_once_one_goes_on(tmp_path: Path):
    def worker(seed: int):
        def work():
            try:
                with joined(tmp_path / "s.zarr", seed) as journal:
                    run = journal.runner()
                    time.sleep(0.3)
                    return seed, run(3, lambda index: item(index + seed), "trace")
            except ResultError:
                return seed, None

        return work

    found = together([worker(seed) for seed in (1, 2, 1, 2, 1, 2)])
    went_on = {seed for seed, items in found if items is not None}
    assert len(went_on) == 1
    for seed, items in found:
        if items is not None:
            assert_identical(items, [item(index + seed) for index in range(3)])
    assert sum(items is not None for _, items in found) == 3


def test_a_run_that_was_taken_over_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(landscape.results.holding, "BEAT", 0.01)
    with joined(tmp_path / "s.zarr") as journal:
        run = journal.runner()
        lock = tmp_path / ".s.zarr.lock"
        lock.write_text(json.dumps({**json.loads(lock.read_text()), "work": "another"}))
        with pytest.raises(ResultError, match="another run has taken"):
            run(1000, lambda index: time.sleep(0.02) or item(index), "trace")


def test_kinds_of_workers_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(landscape.results.sharedlist, "EVERY", 10)

    def worker(journal: Joined, change: float):
        def compute(index: int) -> Item:
            time.sleep(0.002)
            return {"nll": np.array([2.0, 1.0 + change]), "samples": np.array(3)}

        def work():
            found = journal.runner()(50, compute, "surface")
            return found, journal.report()

        return work

    journals = [joined(tmp_path / "s.zarr", about={"device": name}) for name in ("cpu", "gpu")]
    for journal in journals:
        journal.enter()
    (first, report), (second, _) = together(
        [worker(journal, change) for journal, change in zip(journals, (0.0, 1e-4), strict=True)]
    )
    assert_identical(first, second)
    assert report["kinds"] == [{"device": "cpu"}, {"device": "gpu"}]
    assert report["workers"] == 2
    assert report["computed_twice"] >= 5
    assert report["largest_difference"] == pytest.approx(1e-4 / 2)
    assert report["largest_difference_in"] == "nll"
    for journal in journals:
        journal.close()


def test_workers_of_one_kind_compute_nothing_twice_for_that(tmp_path: Path):
    with joined(tmp_path / "s.zarr") as journal:
        journal.runner()(30, item, "surface")
        report = journal.report()
    assert (report["computed_twice"], report["largest_difference"]) == (0, None)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1.0, np.nan, np.inf], [1.0, np.nan, np.inf], 0.0),
        ([1.0, 4.0], [1.0, 3.0], 0.25),
        ([1.0], [np.nan], np.inf),
        ([1.0, 2.0], [1.0], np.inf),
        ([True], [False], np.inf),
        ([0.0], [-0.0], 0.0),
        ([2], [4], 0.5),
    ],
)
def test_how_far_two_arrays_are_apart(first: list, second: list, expected: float):
    assert apart(np.array(first), np.array(second)) == expected


def test_an_array_that_is_missing_is_infinitely_far():
    assert apart(np.array(1.0), None) == np.inf
    assert Twice().largest == 0


def test_a_damaged_item_is_computed_again(tmp_path: Path):
    with joined(tmp_path / "s.zarr") as journal:
        journal.runner()(3, item, "spectrum")
        (path,) = journal.folder.glob("*.records")
    data = path.read_bytes()
    path.write_bytes(data[:-5] + b"wrong")
    computed: list[int] = []
    with joined(tmp_path / "s.zarr") as journal:
        found = journal.runner()(3, lambda i: computed.append(i) or item(i), "spectrum")
    assert computed == [2]
    assert_identical(found, [item(index) for index in range(3)])


def test_a_record_that_is_being_written_comes_later(tmp_path: Path):
    with joined(tmp_path / "s.zarr") as writer, joined(tmp_path / "s.zarr") as reader:
        writer.runner()(2, item, "trace")
        (path,) = writer.folder.glob("*.records")
        whole = path.read_bytes()
        path.write_bytes(whole[:-100])
        shelf = reader._entered()
        assert shelf.news() == [("trace", 0)]
        assert shelf.news() == []
        path.write_bytes(whole)
        assert shelf.news() == [("trace", 1)]


def test_a_claim_that_was_never_written_claims_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(landscape.results.shelf, "_PAUSE", 0.001)
    with joined(tmp_path / "s.zarr") as journal:
        shelf = journal._entered()
        assert isinstance(shelf, FolderShelf)
        assert shelf.lease("trace", 0) is None
        assert shelf.claim("trace", 0, Lease("a", 0, 2, 0.5))
        assert not shelf.claim("trace", 0, Lease("b", 0, 2))
        assert shelf.lease("trace", 0) == Lease("a", 0, 2, 0.5)
        (path,) = journal.folder.glob("leases/*/0")
        path.with_name("1").write_text('["a", 0')
        assert shelf.lease("trace", 1) == Lease("", 0, 0)


def test_who_is_late_learns_that_the_run_is_over(tmp_path: Path):
    first, second = joined(tmp_path / "s.zarr"), joined(tmp_path / "s.zarr")
    run = second.runner()
    first.runner()(2, item, "trace")
    first.close()
    with pytest.raises(GoneError):
        run(4, item, "other")
    second.release()
    assert not list(tmp_path.iterdir())


def test_one_worker_makes_the_result(tmp_path: Path):
    made: list[int] = []

    def make() -> xr.Dataset:
        made.append(1)
        time.sleep(0.05)
        return xr.Dataset()

    def worker(journal: Joined):
        def work():
            try:
                journal.runner()(5, item, "trace")
                return journal.result(make)
            except GoneError:
                return "gone"
            finally:
                journal.close()

        return work

    journals = [joined(tmp_path / "s.zarr") for _ in range(3)]
    for journal in journals:  # before any of them has finished
        journal.enter()
    found = together([worker(journal) for journal in journals])
    assert len(made) == 1
    assert sum(isinstance(each, xr.Dataset) for each in found) == 1
    assert not list(tmp_path.iterdir())


# Workers that are killed

COUNT = 60
SCRIPT = """
import sys, time
import numpy as np
from landscape.results.joined import Joined
def compute(index):
    time.sleep(0.01)
    return {"values": np.random.default_rng(index).normal(size=1000)}
with Joined(sys.argv[1], {"seed": 1}, {"device": "cpu"}) as journal:
    journal.runner()(60, compute, "spectrum")
"""


def values(index: int) -> Item:
    return {"values": np.random.default_rng(index).normal(size=1000)}


def started(place: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(place)], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def finished(folder: Path) -> int:
    return sum(path.stat().st_size // 8000 for path in folder.glob("*.records"))


def test_a_killed_worker_is_replaced_by_the_others(tmp_path: Path):
    place = tmp_path / "s.zarr"
    processes = [started(place) for _ in range(2)]
    folder, until = joined(place).folder, time.monotonic() + 60
    while finished(folder) < 10 and time.monotonic() < until:
        time.sleep(0.005)
    processes[0].send_signal(signal.SIGKILL)
    assert processes[0].wait() == -signal.SIGKILL
    assert processes[1].wait(60) == 0
    computed: list[int] = []
    with joined(place) as journal:  # everything is there
        found = journal.runner()(COUNT, lambda i: computed.append(i) or values(i), "spectrum")
    assert_identical(found, [values(index) for index in range(COUNT)])
    assert computed == []


def test_when_all_are_killed_it_goes_on_where_it_was(tmp_path: Path):
    place = tmp_path / "s.zarr"
    processes = [started(place) for _ in range(2)]
    folder, until = joined(place).folder, time.monotonic() + 60
    while finished(folder) < 10 and time.monotonic() < until:
        time.sleep(0.005)
    for process in processes:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    with Journal(place, {}) as other:  # the dead keep nobody out
        other.runner()
    there = finished(folder)
    computed: list[int] = []
    with joined(place) as journal:
        found = journal.runner()(COUNT, lambda i: computed.append(i) or values(i), "spectrum")
    assert_identical(found, [values(index) for index in range(COUNT)])
    assert 10 <= there < COUNT
    assert len(computed) == len(set(computed)) == COUNT - there
