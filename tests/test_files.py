"""What a file is, told from its first bytes; texts and digests."""

import hashlib
import io
import json
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from landscape.files import folder_kind, kind, sha256, write_text


def test_a_lone_surrogate_is_written_as_its_escape(tmp_path):
    write_text(tmp_path / "file", "a\ud800b δ\n")
    assert (tmp_path / "file").read_bytes() == b"a\\ud800b " + "δ\n".encode()


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
