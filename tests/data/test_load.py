import numpy as np
import pytest
import torch

from landscape import data
from landscape.errors import DataError, LandscapeError
from landscape.samples import Samples


@pytest.mark.parametrize("form", ["cifar10", "cifar100", "npz", "images"])
def test_forms_reach_their_reader_with_the_place_as_given(monkeypatch, form):
    reached = Samples(torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64))
    calls = []
    monkeypatch.setitem(data._READERS, form, lambda *arguments: calls.append(arguments) or reached)
    assert data.load(f"{form}:some/place:with colon", "train") is reached
    assert calls == [("some/place:with colon", "train", 0)]


def test_demo():
    assert torch.equal(data.load("demo", "train").inputs, data.demo("train").inputs)
    assert data.load("demo").split == "test"


def test_a_relative_place_stays_relative(tmp_path, monkeypatch):
    np.savez(tmp_path / "set.npz", images=np.zeros((2, 3, 8, 8), np.uint8), labels=np.array([0, 1]))
    monkeypatch.chdir(tmp_path)
    assert data.load("npz:set.npz").source == "npz:set.npz"


def test_home_is_expanded_but_not_shown(tmp_path, monkeypatch):
    np.savez(tmp_path / "set.npz", images=np.zeros((2, 3, 8, 8), np.uint8), labels=np.array([0, 1]))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.load("npz:~/set.npz").source == "npz:~/set.npz"


@pytest.mark.parametrize("spec", ["", "mnist:here", "cifar10", "cifar10:", "demo:here", "Demo", ":", "here"])
def test_other_forms_are_listed(spec):
    forms = r"demo, cifar10:DIR, cifar100:DIR, npz:FILE, images:DIR\[,.*\], torchvision:.*, hf:.*, file.py"
    with pytest.raises(DataError, match=f"^unknown data set '{spec}'; expected one of: {forms}"):
        data.load(spec)


OWN = """
import numpy as np, torch
from torch.utils.data import TensorDataset

def made(split):
    return TensorDataset(torch.full((4, 2), float(split == "train")), torch.arange(4))

def pair():
    return np.zeros((3, 2), np.float32), np.array([0, 1, 2])

ready = TensorDataset(torch.ones(5, 2), torch.arange(5))
number = 3

def broken():
    raise OSError("no such disk")
"""


def test_a_users_own_data(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    train = data.load(f"{tmp_path}/own.py:made", "train")
    assert float(train.batch(0, 1)[0].mean()) == 1
    assert float(data.load(f"{tmp_path}/own.py:made", "test").batch(0, 1)[0].mean()) == 0
    assert len(data.load(f"{tmp_path}/own.py:pair")) == 3
    assert len(data.load(f"{tmp_path}/own.py:ready")) == 5
    for name, words in {
        "number": "gives a int, expected samples",
        "broken": "fails: OSError: no such disk",
        "missing": "has no 'missing'",
    }.items():
        with pytest.raises(LandscapeError, match=words):
            data.load(f"{tmp_path}/own.py:{name}")


@pytest.mark.parametrize(
    ("spec", "words"),
    [("torchvision:CIFAR10:DIR", "torchvision"), ("hf:FOLDER", "datasets")],
)
def test_a_library_that_is_missing_is_named(spec, words):
    with pytest.raises(DataError, match=f"this needs {words}.*pip install"):
        data.load(spec)


def test_public_names():
    for name in data.__all__:
        assert hasattr(data, name)


def test_a_path_alone_is_guessed_at(tmp_path):
    with pytest.raises(DataError, match=f"; for this folder, cifar10:{tmp_path} or images:{tmp_path}$"):
        data.load(str(tmp_path))
    (tmp_path / "a.npz").touch()
    with pytest.raises(DataError, match=f"; for this file, npz:{tmp_path}/a.npz$"):
        data.load(f"{tmp_path}/a.npz")
