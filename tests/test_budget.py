"""What an input may declare to take in memory, in Python and on the command line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landscape import budget, checkpoint, data
from landscape.cli.options import Bytes
from landscape.errors import CheckpointError, DataError
from tests import build


def npz(path, count=40, size=32):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 3, size, size), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(count) % 10)
    return f"npz:{path}"


def test_the_bound_holds_within_its_block():
    assert budget.allowed() == 2**34
    with budget.max_input(10):
        with budget.max_input(20):
            budget.require(20, "it has", DataError)
        with pytest.raises(DataError, match="it has 11 bytes, and up to 10 are read; allow more with --max"):
            budget.require(11, "it has", DataError)
    budget.require(11, "it has", DataError)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_checkpoints(tmp_path, suffix):
    path = build.checkpoint(tmp_path / "x.safetensors")
    if suffix == ".pt":
        state = checkpoint.load(path).module.state_dict()
        path = tmp_path / "x.pt"
        torch.save(state, path)
    with budget.max_input(10**6):
        checkpoint.load(path, build.SHORT)
    with (
        budget.max_input(10**4),
        pytest.raises(CheckpointError, match=r"bytes, and up to 10,000 are read"),
    ):
        checkpoint.load(path, build.SHORT)


def test_data_and_how_the_number_of_samples_bounds_it(tmp_path):
    spec = npz(tmp_path / "x.npz")
    with budget.max_input(20_000):
        with pytest.raises(DataError, match=r"declares arrays of 123,200 bytes, and up to 20,000 are read"):
            data.load(spec)
        assert len(data.load(spec, "test", 4)) == 4


@pytest.mark.parametrize(
    ("text", "size"),
    [("16GiB", 2**34), ("4GB", 4 * 10**9), (" 1.5 mib ", 3 * 2**19), ("2TiB", 2**41), ("10b", 10)],
)
def test_sizes(text, size):
    assert Bytes().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "4", "GB", "-1GB", "nanGB", "infGB", "1e300GB", "0.1B", "4XB", "1eGB"])
def test_what_is_no_size(text):
    with pytest.raises(Exception, match="is not an amount of memory"):
        Bytes().convert(text, None, None)
