"""Atomic writing: whole or not at all, and nothing of anybody else's is lost."""

import os
import signal
import subprocess
import sys

import pytest

from landscape import replacing
from landscape.errors import LandscapeError
from landscape.files import write_text
from landscape.replacing import atomic_path, settle


def test_a_file_appears_with_its_folders(tmp_path):
    target = tmp_path / "a" / "b" / "file.txt"
    write_text(target, "δ ≠ η\n")
    assert target.read_bytes() == "δ ≠ η\n".encode()
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_nothing_is_seen_at_the_target_before_the_block_ends(tmp_path):
    target = tmp_path / "file"
    with atomic_path(target) as draft:
        draft.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"


def test_a_file_replaces_a_file(tmp_path):
    write_text(tmp_path / "file", "old")
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


def test_a_directory_replaces_a_directory_whole(tmp_path):
    target = tmp_path / "store"
    for name in ("old", "new"):
        with atomic_path(target) as draft:
            draft.mkdir()
            (draft / name).write_text(name)
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    "interruption", [ValueError, KeyboardInterrupt, OSError(28, "No space left on device")]
)
def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path, interruption):
    target = tmp_path / "file"
    target.write_text("old")
    kind = LandscapeError if isinstance(interruption, OSError) else interruption

    def half_a_file():
        with atomic_path(target) as draft:
            draft.write_text("half")
            raise interruption

    with pytest.raises(kind):
        half_a_file()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failure_leaves_the_old_directory(tmp_path):
    target = tmp_path / "store"
    target.mkdir()
    (target / "old").touch()

    def half_a_directory():
        with atomic_path(target) as draft:
            draft.mkdir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_a_directory()
    assert [p.name for p in target.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_a_block_that_writes_nothing_takes_nothing_away(tmp_path):
    target = tmp_path / "store"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(LandscapeError, match="cannot write"), atomic_path(target):
        pass
    assert (target / "old").exists()


def replaced(target, name="new", **options):
    """Replace a directory by one with a file of this name in it."""
    with atomic_path(target, **options) as draft:
        draft.mkdir()
        (draft / name).touch()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old(tmp_path):
    replaced(tmp_path / "store", "old")
    return tmp_path / "store"


@pytest.fixture
def plain_renames(monkeypatch):
    """A system that cannot exchange names."""
    monkeypatch.setattr(replacing, "_call", lambda: None)


def test_an_exchange_that_fails_halfway_puts_the_old_directory_back(old, monkeypatch, plain_renames):
    replace = os.replace

    def failing(source, destination):
        if destination == old and source.name == "store" and (source / "new").exists():
            raise PermissionError(1, "no")
        replace(source, destination)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(LandscapeError, match="cannot write"):
        replaced(old)
    assert names(old) == ["old"]
    assert names(old.parent) == ["store"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may know no such call")
def test_names_are_exchanged_in_one_step_and_nothing_steps_aside(old, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: pytest.fail("a name was free for a moment"))
    replaced(old, lasting=True)
    assert names(old) == ["new"]
    assert names(old.parent) == ["store"]


def killed(place, moment):
    """Replace a directory in a process that kills itself, with the call named first patched to do so."""
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom landscape import replacing\n"
        "die, real = lambda *_: os.kill(os.getpid(), signal.SIGKILL), os.replace\n"
        f"{moment}\n"
        f"with replacing.atomic_path({str(place)!r}) as draft:\n"
        "    draft.mkdir()\n    (draft / 'new').touch()\n"
    )
    return subprocess.run([sys.executable, "-c", code], check=False).returncode


WRITTEN = "replacing._replace = die"
ASIDE = "replacing._call = lambda: None\nos.replace = lambda a, b: (real(a, b), die())"


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_kill_before_the_exchange_leaves_the_old_one_and_its_draft_is_swept(old):
    assert killed(old, WRITTEN) == -signal.SIGKILL
    assert names(old) == ["old"]
    assert len(names(old.parent)) == 2
    settle(old)
    assert names(old.parent) == ["store"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_kill_between_two_renames_is_put_right_by_whoever_comes_next(old):
    assert killed(old, ASIDE) == -signal.SIGKILL
    assert not old.exists()
    settle(old)
    assert names(old) == ["new"]
    assert names(old.parent) == ["store"]


def test_drafts_of_the_living_and_folders_of_others_stay(tmp_path):
    target = tmp_path / "file"
    (tmp_path / ".file.notours1x").mkdir()
    (tmp_path / ".other.abcdefgh").mkdir()
    with atomic_path(target) as draft:
        draft.write_text("first")
        write_text(target, "second")
        assert draft.read_text() == "first"
    assert target.read_text() == "first"
    assert names(tmp_path) == [".file.notours1x", ".other.abcdefgh", "file"]


def test_without_locks_a_draft_of_yesterday_is_swept_and_one_of_today_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing, "lock", lambda descriptor: None)
    old, new = tmp_path / ".file.abcdefgh", tmp_path / ".file.ijklmnop"
    for place in (old, new):
        place.mkdir()
    os.utime(old, (1, 1))
    settle(tmp_path / "file")
    assert names(tmp_path) == [new.name]


def test_a_file_never_replaces_a_directory(tmp_path):
    target = tmp_path / "precious"
    target.mkdir()
    (target / "thesis.tex").write_text("years of work")
    with pytest.raises(LandscapeError, match=r"cannot write .*precious"):
        write_text(target, "new")
    assert (target / "thesis.tex").read_text() == "years of work"


def test_a_directory_never_replaces_a_file(tmp_path):
    target = tmp_path / "precious"
    target.write_text("years of work")
    with pytest.raises(LandscapeError, match=r"cannot write .*precious"), atomic_path(target) as draft:
        draft.mkdir()
    assert target.read_text() == "years of work"


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LandscapeError, match=r"cannot write .*; choose another --out"):
        write_text(tmp_path / "file" / "below", "text")


@pytest.mark.parametrize("path", [".", "..", "/", "sub/.."])
def test_places_without_a_name_of_their_own_are_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    with pytest.raises(LandscapeError, match="cannot write"), atomic_path(path):
        pytest.fail("nothing may be written there")


def test_new_files_follow_the_umask(tmp_path):
    write_text(tmp_path / "ours", "")
    (tmp_path / "usual").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode
