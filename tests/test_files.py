"""Atomic writing: whole or not at all, and nothing of anybody else's is lost."""

import hashlib
import io
import json
import os
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from landscape.errors import LandscapeError
from landscape.files import atomic_path, folder_kind, kind, sha256, write_text


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


def archive(path, *names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "x")


def tar(path):
    with tarfile.open(path, "w") as file:
        file.addfile(tarfile.TarInfo("weights"), io.BytesIO())


def shards(path):
    index = {"weight_map": {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}}
    path.write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: h5py.File(path, "w").close(), "HDF5 file, as Keras"),
        (lambda path: Image.new("RGB", (2, 2)).save(path, "PNG"), "PNG image"),
        (lambda path: Image.new("RGB", (2, 2)).save(path, "JPEG"), "JPEG image"),
        (lambda path: np.savez(path.open("wb"), a=np.ones(2)), "NumPy archive"),
        (lambda path: np.save(path.open("wb"), np.ones(2)), "single NumPy array"),
        (lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch onnx"), "ONNX model"),
        (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(9)), "compressed by gzip"),
        (lambda path: path.write_text("<!DOCTYPE html><title>404</title>"), "web page"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "Git LFS"),
        (lambda path: path.write_bytes(b""), "an empty file"),
        (lambda path: path.write_text('{"a": 1}'), "JSON text without weights"),
        (lambda path: archive(path, "model.weights.h5", "config.json"), "Keras model"),
        (lambda path: archive(path, "net.pt", "readme"), "zip archive that holds net.pt, readme"),
        (tar, "tar archive"),
        (shards, r"index of weights in several shards \(m-00001-of-00002"),
    ],
)
def test_other_kinds_are_named(tmp_path, write, words):
    from landscape.checkpoint import load
    from landscape.errors import CheckpointError

    write(tmp_path / "file")
    with pytest.raises(CheckpointError, match=f"file is .*{words}") as caught:
        load(tmp_path / "file")
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_files_of_tensors_have_no_other_name(tmp_path):
    tensors = {"a": torch.ones(2)}
    torch.save(tensors, tmp_path / "new.pt")
    torch.save(tensors, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(tensors, tmp_path / "a.safetensors")
    assert [kind(tmp_path / name) for name in ("new.pt", "old.pt", "a.safetensors")] == ["", "", ""]


def test_folders_say_what_to_name(tmp_path):
    assert folder_kind(tmp_path) == "a folder; name the file in it"
    (tmp_path / "best.pt").touch()
    assert folder_kind(tmp_path).endswith("name the file in it (best.pt)")
    (tmp_path / "model.safetensors.index.json").touch()
    assert "several sets of weights" in folder_kind(tmp_path)
    distributed = tmp_path / "distributed"
    distributed.mkdir()
    (distributed / "__0_0.distcp").touch()
    assert "dcp_to_torch_save" in folder_kind(distributed)
