"""Atomic writing: whole or not at all, and nothing of anybody else's is lost."""

import hashlib
import os

import pytest

from landscape.errors import LandscapeError
from landscape.files import atomic_path, sha256, write_text


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


def test_an_exchange_that_fails_halfway_puts_the_old_directory_back(tmp_path, monkeypatch):
    target = tmp_path / "store"
    target.mkdir()
    (target / "old").touch()
    replace = os.replace

    def failing(source, destination):
        if destination == target and source.name == "store" and (source / "new").exists():
            raise PermissionError(1, "no")
        replace(source, destination)

    def new_directory():
        with atomic_path(target) as draft:
            draft.mkdir()
            (draft / "new").touch()

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(LandscapeError, match="cannot write"):
        new_directory()
    assert [p.name for p in target.iterdir()] == ["old"]


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


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"\0" * 3_000_000)
    assert sha256(tmp_path / "file") == hashlib.sha256(b"\0" * 3_000_000).hexdigest()
