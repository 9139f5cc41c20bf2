"""A full disk and a folder that cannot be written: one message, nothing half-written, and the run goes on."""

import errno
import os
import resource
import signal
import sys
from contextlib import contextmanager

import pytest
import xarray as xr

from landscape.results import load
from landscape.results.holding import Hold
from landscape.results.records import Writer
from tests.build import kept

from .test_kill import assert_identical


@pytest.fixture
def command(checkpoint):
    small = ("--samples", "16", "--batch-size", "8", "--steps", "3", "--span", "0.2", "--quiet")
    return ("surface", checkpoint, *small)


def full(*args, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def tired(*args, **options):
    raise KeyboardInterrupt


def after(patch, count, fails):
    """From so many points on, half of a record is written; gives a list of the points before."""
    append, written = Writer.append, []

    def until(writer, label, index, item):
        if len(written) == count:
            with torn(fails):
                append(writer, label, index, item)
        written.append(index)
        return append(writer, label, index, item)

    patch.setattr(Writer, "append", until)
    return written


@contextmanager
def torn(fails):
    """A system that takes half of what is to be written, and then no more."""
    write, given = os.write, []

    def half(descriptor, data):
        if given:
            fails()
        given.append(data)
        return write(descriptor, data[: len(data) // 2])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", half)
        yield


def assert_said(outcome, place, reason):
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("landscape: cannot write ")
    assert place in outcome.err
    assert reason in outcome.err


def test_a_disk_that_fills_up_between_points(run, command, tmp_path, monkeypatch):
    whole = load(run(*command, "--json", "--out", "whole.zarr").json["result"])
    with monkeypatch.context() as patch:
        after(patch, 4, full)
        assert_said(
            run(*command, "--out", "s/s.zarr"), "s/.s.zarr.", "No space left on device; choose another"
        )
    there = kept(tmp_path / "s")
    assert sorted(index for _, _, index in there) == [0, 1, 2, 3]
    assert len(list((tmp_path / "s").iterdir())) == 1
    computed = after(monkeypatch, 99, full)
    assert run(*command, "--out", "s/s.zarr").status == 0
    assert len(computed) == 5
    assert_identical(load("s/s.zarr"), whole)
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["s.zarr"]


def test_a_disk_that_is_full_when_the_result_is_written(run, command, tmp_path):
    older = load(run(*command, "--seed", 7, "--json", "--out", "s/s.zarr").json["result"])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # Points fit, the directions do not.
        resource.setrlimit(resource.RLIMIT_FSIZE, (32 * 1024, before[1]))
        outcome = run(*command, "--out", "s/s.zarr")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_said(outcome, "s.zarr", "File too large")
    assert_identical(load("s/s.zarr"), older)
    names = sorted(path.name for path in (tmp_path / "s").iterdir())
    assert len(names) == 2
    assert names[0].endswith(".part")
    assert run(*command, "--out", "s/s.zarr").status == 0
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["s.zarr"]
    assert float(abs(load("s/s.zarr").nll - older.nll).max()) > 0


def test_a_result_that_breaks_off_while_it_is_written_stays_away(run, command, tmp_path, monkeypatch):
    to_zarr = xr.Dataset.to_zarr

    def half(dataset, place, **options):
        to_zarr(dataset[["nll"]], place, **options)
        full()

    with monkeypatch.context() as patch:
        patch.setattr(xr.Dataset, "to_zarr", half)
        assert_said(run(*command, "--out", "s/s.zarr"), "s/s.zarr", "No space left on device")
    assert not (tmp_path / "s" / "s.zarr").exists()
    assert run(*command, "--out", "s/s.zarr").status == 0
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["s.zarr"]


def test_a_file_system_that_is_read_only(run, command, tmp_path, monkeypatch):
    (tmp_path / "s").mkdir()
    make = os.open

    def refused(path, flags, *more, **options):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return make(path, flags, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)
        outcome = run(*command, "--out", "s/s.zarr")
    assert_said(outcome, "s.zarr", "Read-only file system; choose another --out")
    assert not any((tmp_path / "s").iterdir())
    assert run(*command, "--out", "s/s.zarr").status == 0
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["s.zarr"]


def test_a_folder_that_is_a_file_is_said_before_anything_is_measured(run, command, tmp_path, monkeypatch):
    from landscape.objective import Objective

    (tmp_path / "file").write_text("years of work")
    monkeypatch.setattr(Objective, "scores", full)
    outcome = run(*command, "--out", "file/s.zarr")
    assert outcome.status == 1
    assert "cannot write file/s.zarr" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_second_run_is_told_of_the_first(run, command, tmp_path):
    hold = Hold(tmp_path / "s.zarr", "other work")
    outcome = run(*command, "--out", "s.zarr")
    assert outcome.status == 1
    assert outcome.err.startswith("landscape: cannot write s.zarr: another run writes there (process ")
    assert f"since {hold.holder.since}); wait for its end, or choose another --out" in outcome.err
    assert [path.name for path in tmp_path.glob("*.zarr")] == []
    hold.release()
    assert run(*command, "--out", "s.zarr").status == 0


def test_an_interruption_keeps_the_picture_so_far(run, command, monkeypatch):
    with monkeypatch.context() as patch:
        after(patch, 3, tired)
        outcome = run(*command, "--out", "s.zarr")
    said = "landscape: interrupted; the points so far are in s.partial.zarr, run again to go on"
    assert (outcome.status, outcome.err.strip()) == (130, said)
    assert not os.path.exists("s.zarr")
    assert int(load("s.partial.zarr").done.sum()) == 3
    assert run(*command, "--out", "s.zarr").status == 0
    assert bool(load("s.zarr").done.all())
    assert not os.path.exists("s.partial.zarr")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_no_signal_replaces_a_finished_result(run, command, monkeypatch, name, status):
    older = load(run(*command, "--json", "--out", "s.zarr").json["result"])
    number = getattr(signal, name)
    usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    before = signal.signal(number, usual)  # in the background and under nohup they are ignored

    def stopping(items, label="", total=None):
        for place, item in enumerate(items):
            if total == 25 and place == 3:
                signal.raise_signal(number)
            yield item

    try:
        with monkeypatch.context() as patch:
            patch.setattr("landscape.cli.options.silent", stopping)
            outcome = run(*command, "--steps", 5, "--out", "s.zarr")
        assert signal.getsignal(number) == usual
    finally:
        signal.signal(number, before)
    assert outcome.status == status
    assert "landscape: interrupted; the points so far are in s.partial.zarr" in outcome.err
    assert "Traceback" not in outcome.err
    assert_identical(load("s.zarr"), older)
    assert int(load("s.partial.zarr").done.sum()) == 3


def test_an_interruption_before_the_first_point_keeps_the_older_result(run, command, tmp_path, monkeypatch):
    older = load(run(*command, "--json", "--out", "s.zarr").json["result"])

    after(monkeypatch, 0, tired)
    assert run(*command, "--seed", 7, "--out", "s.zarr").status == 130
    assert_identical(load("s.zarr"), older)
    assert run(*command, "--seed", 7, "--out", "s.zarr", "--partial").status == 1
    assert_identical(load("s.zarr"), older)
