"""Weights in several files: read together by index, number or folder, or refused with what is missing."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from landscape.checkpoint import load
from landscape.checkpoint.shards import read_all
from landscape.errors import CheckpointError


def network():
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


STATE = network().state_dict()


def write(folder, suffix="safetensors", *, first=1, index=True):
    """Three shards, as Hugging Face names them."""
    keys, end = list(STATE), first + 2
    names = [f"model-{i:05d}-of-00003.{suffix}" for i in range(first, end + 1)]
    for i, name in enumerate(names):
        part = {key: STATE[key] for key in keys[i::3]}
        save_file(part, folder / name) if suffix == "safetensors" else torch.save(part, folder / name)
    if index:
        places = {key: names[i % 3] for i, key in enumerate(keys)}
        (folder / f"model.{suffix}.index.json").write_text(json.dumps({"weight_map": places}))
    return names


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("first", [0, 1])
def test_all_shards_are_read_from_any_of_them(tmp_path, suffix, index, first):
    names = write(tmp_path, suffix, first=first, index=index)
    given = [tmp_path, *(tmp_path / name for name in names)]
    for path in [*given, *([tmp_path / f"model.{suffix}.index.json"] if index else [])]:
        found = load(path, network)
        assert all(torch.equal(found.module.state_dict()[key], value) for key, value in STATE.items())
        assert found.notes == (f"weights read from 3 files: {', '.join(names)}",)


def test_the_digest_is_that_of_all_shards(tmp_path):
    names = write(tmp_path)
    digests = "".join(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names)
    expected = hashlib.sha256(digests.encode()).hexdigest()
    assert {read_all(tmp_path / name)[1] for name in names} == {expected}


def test_a_folder_with_one_file_is_that_file(tmp_path):
    save_file(STATE, tmp_path / "model.safetensors")
    (tmp_path / "optimizer.pt").touch()
    _, digest = read_all(tmp_path)
    assert digest == hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()


def test_a_missing_shard_is_named(tmp_path):
    names = write(tmp_path)
    (tmp_path / names[1]).unlink()
    for path in (tmp_path, tmp_path / names[0], tmp_path / "model.safetensors.index.json"):
        with pytest.raises(CheckpointError, match=rf"3 shards, of which {names[1]} is not beside it"):
            load(path, network)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{", "is no JSON text"),
        ("[1]", "no 'weight_map'"),
        ('{"weight_map": {}}', "no 'weight_map'"),
        ('{"weight_map": {"a": 3}}', "no 'weight_map'"),
        ('{"weight_map": {"a": "../../other.safetensors"}}', "expected up to 4,096 beside it"),
        ('{"weight_map": {"a": "/other.safetensors"}}', "expected up to 4,096 beside it"),
        (json.dumps({"weight_map": {str(i): str(i) for i in range(5000)}}), "names 5,000 files"),
    ],
)
def test_hostile_indices_are_refused(tmp_path, index, words):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        with pytest.raises(CheckpointError, match=words):
            load(path)


def test_two_values_of_one_tensor_are_refused(tmp_path):
    for i in (1, 2):
        save_file(STATE, tmp_path / f"model-0000{i}-of-00002.safetensors")
    with pytest.raises(CheckpointError, match="which another shard of it holds, too"):
        load(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensors_of_a_torchscript_archive_are_read_and_its_code_is_not_run(tmp_path):
    module = network().eval()
    torch.jit.trace(module, torch.rand(2, 4)).save(str(tmp_path / "net.pt"))
    found = load(tmp_path / "net.pt", network)
    assert all(
        torch.equal(found.module.state_dict()[key], value) for key, value in module.state_dict().items()
    )
    assert "nothing of them was run: __torch__" in found.notes[0]
