"""Data sets of PyTorch: read when asked for, in their order, with random transforms that a seed decides."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from landscape import trees
from landscape.errors import DataError, LandscapeError
from landscape.objective import Objective
from landscape.samples import Samples

COUNT = 20


class Counted(Dataset):
    """Random crops of numbers, which remembers what was read."""

    def __init__(self) -> None:
        self.values = torch.arange(COUNT * 4.0).reshape(COUNT, 4)
        self.seen: list[int] = []

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not 0 <= index < COUNT:
            raise IndexError(index)
        self.seen.append(index)
        noise = torch.rand(1) + float(np.random.rand()) + random.random()  # noqa: NPY002
        return self.values[index] + noise, index % 3


class Mapped(Counted):
    """Samples that are mappings, with a name that is no number."""

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        values, label = super().__getitem__(index)
        return {"pixel_values": values, "labels": label, "name": f"image {index}"}


def read(samples: Samples) -> tuple[Tensor, Tensor]:
    return samples.batch(0, len(samples))


def test_only_what_is_asked_for_is_read():
    data = Counted()
    samples = Samples.of(data).take(6, seed=1).select([4, 0])
    assert set(data.seen) == {0}  # the first sample tells the shapes
    inputs, targets = read(samples)
    expected = np.sort(np.random.default_rng(1).choice(COUNT, 6, replace=False))[[4, 0]]
    assert data.seen[1:] == expected.tolist()
    assert torch.equal(targets, torch.from_numpy(expected % 3))
    assert samples.indices is not None
    assert samples.indices.tolist() == expected.tolist()
    torch.testing.assert_close(inputs.diff(dim=1), torch.ones(2, 3))


def test_random_transforms_depend_on_seed_and_index_alone():
    state = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    whole, _ = read(Samples.of(Counted(), seed=3))
    part, _ = read(Samples.of(Counted(), seed=3).select([7, 2]))
    assert torch.equal(part, whole[[7, 2]])
    assert not torch.equal(whole, read(Samples.of(Counted(), seed=4))[0])
    assert torch.equal(state[0], torch.random.get_rng_state())
    assert state[1] == random.getstate()
    assert state[2] == np.random.get_state()[1].tolist()  # noqa: NPY002


def test_a_loader_gives_its_data_set_and_collation_and_not_its_order():
    def doubled(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
        return torch.stack([2 * x for x, _ in items]), torch.tensor([y for _, y in items])

    loader = DataLoader(Counted(), 4, shuffle=True, collate_fn=doubled)
    inputs, targets = read(Samples.of(loader))
    assert torch.equal(inputs, 2 * read(Samples.of(Counted()))[0])
    assert torch.equal(targets, torch.arange(COUNT) % 3)


@pytest.mark.parametrize("workers", [0, 2])
def test_values_are_those_of_tensors_and_the_digest_is_made_on_the_way(workers: int):
    torch.manual_seed(0)
    network, data = nn.Linear(4, 3), Counted()
    lazy = Objective(network, Samples.of(data, workers=workers), micro_batch=6)
    there = Objective(network, read(Samples.of(Counted())), micro_batch=6)
    assert lazy.value() == there.value()
    seen = len(data.seen)
    first = lazy.samples.describe()["content_sha256"]
    assert len(data.seen) == seen  # the pass has seen all samples
    assert first == Samples.of(Counted()).describe()["content_sha256"]
    assert first != Samples.of(Counted(), seed=1).describe()["content_sha256"]


def test_mappings_give_their_labels_and_leave_out_what_is_no_number():
    samples = Samples.of(Mapped())
    inputs, targets = read(samples)
    assert torch.equal(inputs, read(Samples.of(Counted()))[0])
    assert torch.equal(targets, torch.arange(COUNT) % 3)


class Odd(Counted):
    """Samples of different sizes."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.zeros(2 + index % 2), 0


class Broken(Counted):
    """A sample that cannot be read."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == 5:
            raise OSError("truncated file")
        return super().__getitem__(index)


class Streamed(IterableDataset):
    """Samples in the order in which they come."""

    def __iter__(self):
        yield torch.zeros(4), 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Odd(), "do not fit into one batch.*transform"),
        (Broken(), "sample 5 of the data set cannot be read: truncated file"),
        (Streamed(), "can only be read from the beginning"),
        (TensorDataset(torch.zeros(0, 4)), "holds no samples"),
        (3, "can only be read from the beginning"),
    ],
)
def test_data_sets_that_cannot_be_read_are_refused(data: Any, words: str):
    with pytest.raises(DataError, match=words):
        read(Samples.of(data))


def test_a_target_that_is_none_of_the_classes_is_refused_where_it_is_read():
    data = TensorDataset(torch.zeros(COUNT, 4), torch.arange(COUNT) // 15 * 3)
    with pytest.raises(LandscapeError, match="none of the network's 3 classes"):
        Objective(nn.Linear(4, 3), Samples.of(data), micro_batch=4).value()


@pytest.mark.full  # writes 92 MB
def test_a_memory_map_stays_in_its_file(tmp_path: Path):
    """30,000 images in a file of 92 MB: not even a pass over them holds them all."""
    script = """
import numpy as np, resource, sys, torch
from pathlib import Path
from landscape.objective import Objective
from landscape.samples import Samples
from torch import nn
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
images = np.lib.format.open_memmap(sys.argv[1], mode="r")
network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
Objective(network, (np.array(images[:8]), np.zeros(8, int))).value()
before = peak()
samples = Samples(images, np.zeros(len(images), int))
objective = Objective(network, samples, micro_batch=100)
objective.value(); objective.protocol()
print(peak() - before)
"""
    place = tmp_path / "images.npy"
    np.lib.format.open_memmap(place, "w+", np.uint8, (30_000, 3, 32, 32))
    done = subprocess.run(
        [sys.executable, "-c", script, str(place)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 40_000  # KiB


def values(count: int = COUNT) -> TensorDataset:
    return TensorDataset(torch.arange(count * 4.0).reshape(count, 4), torch.arange(count) % 3)


def test_a_subset_sampler_says_which_samples_there_are():
    chosen = [7, 3, 12]
    samples = Samples.of(DataLoader(values(), batch_size=2, sampler=SubsetRandomSampler(chosen)))
    assert samples.indices.tolist() == sorted(chosen)
    assert trees.read(samples.inputs)[:, 0].tolist() == [4.0 * each for each in sorted(chosen)]


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": WeightedRandomSampler([1.0] * COUNT, COUNT)},
        {"sampler": RandomSampler(values(), replacement=True)},
        {"sampler": RandomSampler(values(), num_samples=5)},
        {"batch_sampler": [[0, 1], [2]]},
    ],
)
def test_samplers_that_repeat_or_choose_in_a_way_of_their_own_are_refused(options: dict[str, Any]):
    with pytest.raises(DataError, match=r"the loader draws samples with a .* takes each of them once"):
        Samples.of(DataLoader(values(), **options))


def mixed(items: list) -> tuple[Tensor, Tensor]:
    """As mixup does it."""
    inputs, targets = torch.utils.data.default_collate(items)
    return 0.7 * inputs + 0.3 * inputs.flip(0), targets


def noisy(items: list) -> tuple[Tensor, Tensor]:
    inputs, targets = torch.utils.data.default_collate(items)
    return inputs + torch.rand(inputs.shape), targets


@pytest.mark.parametrize("collate", [mixed, noisy])
def test_samples_that_depend_on_their_batch_are_refused(collate):
    with pytest.raises(DataError, match="gives other samples in a batch of two than one by one"):
        Samples.of(DataLoader(values(), batch_size=4, collate_fn=collate))


def test_a_list_of_samples_is_no_pair():
    with pytest.raises(DataError, match="the data are a list of 3, expected a pair of inputs and targets"):
        Samples.of([(torch.ones(2), 0), (torch.ones(2), 1), (torch.ones(2), 2)])


@pytest.mark.parametrize("device", ["auto", "gpu", "cuda"])
def test_a_device_that_is_not_there_is_named(device: str):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("it is there")
    with pytest.raises(LandscapeError, match=f"the device is '{device}'"):
        Objective(nn.Linear(4, 3), (torch.ones(2, 4), torch.zeros(2).long()), device=device)
