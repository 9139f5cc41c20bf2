"""Several items at once: the same bits, errors and interruptions that end all, and nothing left behind."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import landscape as ls
from landscape import analyses, concurrent
from landscape.concurrent import Items
from landscape.errors import LandscapeError
from landscape.parameters import flatten
from landscape.threads import SWITCH, width
from landscape.work import in_memory


class Recomputing(nn.Module):
    """A network that recomputes a segment in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 3)

    def forward(self, inputs):
        maps = checkpoint(lambda x: torch.tanh(self.norm(self.first(x))), inputs, use_reentrant=False)
        return self.last(maps.mean((2, 3)))


class Uncopied(nn.Module):
    """A network that cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def __deepcopy__(self, memo):
        raise TypeError("one of a kind")

    def forward(self, inputs):
        return self.layer(inputs)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def images(network: nn.Module | None = None, **fields) -> ls.Objective:
    generator = torch.Generator().manual_seed(0)
    samples = torch.rand(48, 3, 8, 8, generator=generator), torch.arange(48) % 3
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    network = network or Recomputing()
    torch.random.set_rng_state(torch_state)
    return ls.Objective(network, samples, **fields)


def alone(work):
    """What one thread computes, item by item."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def at_once(objective: ls.Objective, compute=lambda objective, index, steps: {}, count: int = 6) -> Items:
    return Items(objective, compute, count=count, memory=1000)


@pytest.mark.parametrize("dropout", ["off", "fresh"])
def test_a_spectrum_has_the_bits_of_one_thread(threads, dropout):
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))

    def spectrum():
        found = images(network, dropout=dropout)
        return ls.hessian.max_eigenvalue_spectrum(found, batch_size=8, k=2)

    several, one = spectrum(), alone(spectrum)
    assert several.identical(one)
    assert (np.diff(several.eigenvalue[:, 0]) != 0).all()  # each mini-batch is one of its own


def test_a_surface_has_the_bits_of_one_thread(threads):
    def surface():
        objective = images()
        return ls.surface.plane(objective, ls.surface.random_directions(objective, seed=1), steps=3)

    assert surface().identical(alone(surface))


def test_recomputed_segments_run_directly_in_every_thread(threads):
    objective = images()
    found = ls.hessian.max_eigenvalue_spectrum(objective, batch_size=8, tolerance=1e-6)
    for index in (0, 5):
        part = images().subset(8 * index, 8 * index + 8).replace(dtype="float64")
        dense = torch.stack([flat_product(part, unit) for unit in torch.eye(count(part)).double()])
        values = torch.linalg.eigvalsh(dense)
        largest = values[values.abs().argmax()]
        assert float(found.eigenvalue[index, 0]) == pytest.approx(float(largest), rel=1e-3)


def count(objective: ls.Objective) -> int:
    return sum(value.numel() for value in objective.free.values())


def flat_product(objective: ls.Objective, vector: torch.Tensor) -> torch.Tensor:
    return ls.hessian.Operator(objective)(vector)


def test_a_resumed_run_ends_with_the_bits_of_one_that_was_not_stopped(threads, tmp_path):
    def stopping(items, label="", total=None):
        for done, item in enumerate(items):
            if done == 3 and label == "spectrum":
                raise KeyboardInterrupt
            yield item

    options = {"batch_size": 8, "k": 1}
    whole = analyses.resumable("spectrum", images(), tmp_path / "whole.nc", **options)
    with pytest.raises(KeyboardInterrupt):
        analyses.resumable("spectrum", images(), tmp_path / "part.nc", progress=stopping, **options)
    assert [each.name for each in threading.enumerate() if each.name.startswith("landscape_")] == []
    resumed = analyses.resumable("spectrum", images(), tmp_path / "part.nc", **options)
    assert resumed.eigenvalue.equals(whole.eigenvalue)
    joined = analyses.resumable("spectrum", images(), tmp_path / "joined.nc", join=True, **options)
    assert joined.eigenvalue.equals(whole.eigenvalue)


def test_items_in_work_stop_when_one_fails(threads):
    entered, ended = threading.Event(), []

    def compute(objective, index, steps):
        if index == 0:
            entered.wait(10)
            raise LandscapeError("no")
        try:
            for _ in steps(iter(int, 1)):  # would go on for ever
                entered.set()
        except concurrent.Stopped:
            ended.append(index)
            raise

    with pytest.raises(LandscapeError, match="no"):
        in_memory()(6, at_once(images(), compute), "items")
    assert ended == [1]
    assert torch.get_num_threads() == 2


def test_settings_of_the_process_are_held_for_all_and_put_back(threads):
    seen = []

    def compute(objective, index, steps):
        for _ in range(5):
            objective.value()
            seen.append(torch.backends.mkldnn.conv.fp32_precision)
        return {}

    before = torch.backends.mkldnn.conv.fp32_precision
    torch.backends.mkldnn.conv.fp32_precision = "bf16"
    try:
        in_memory()(8, at_once(images(), compute, 8), "items")
        assert torch.backends.mkldnn.conv.fp32_precision == "bf16"
    finally:
        torch.backends.mkldnn.conv.fp32_precision = before
    assert set(seen) == {"ieee"}


def test_each_item_in_work_has_a_network_of_its_own(threads):
    objective = images()
    together = threading.Barrier(2, timeout=10)
    modules = set()

    def compute(objective, index, steps):
        together.wait()
        modules.add(id(objective.network.module))
        assert objective.forward.module is objective.network.module
        return {"value": np.array(objective.value().nll)}

    items = in_memory()(6, at_once(objective, compute), "items")
    assert len(modules) == 2
    assert {float(item["value"]) for item in items} == {alone(objective.value).nll}


def test_one_after_the_other_where_several_would_not_be_worth_it(threads, monkeypatch):
    objective = images()
    assert at_once(objective).at_once == 2
    assert at_once(objective, count=1).at_once == 1
    assert at_once(objective, count=3).at_once == 1  # the last one would keep a thread waiting
    assert Items(objective, lambda *_: {}, count=6, memory=concurrent.ROOM + 1).at_once == 1
    assert at_once(ls.Objective(Uncopied(), (torch.rand(6, 4), torch.arange(6) % 3))).at_once == 1
    ranks = images()
    ranks.group = "ranks that share the samples"
    assert at_once(ranks).at_once == 1
    torch.set_num_threads(9)
    assert at_once(objective, count=60).at_once == 4
    monkeypatch.setenv(SWITCH, "off")
    assert at_once(objective).at_once == 1


def test_kept_graphs_are_multiplied_at_once_and_to_the_same_bits_each_time(threads):
    def product():
        matrix = images(micro_batch=12).curvature()
        vector = {name: torch.ones_like(value) for name, value in matrix.free.items()}
        first, again = (flatten(matrix(vector)) for _ in range(2))
        assert torch.equal(first, again)  # so that a resumed search goes on with the same bits
        return first

    def dear():
        matrix = images(micro_batch=12).curvature(keep=0)
        return flatten(matrix({name: torch.ones_like(value) for name, value in matrix.free.items()}))

    several = product()
    assert width(4, torch.device("cpu")) == 2
    assert torch.allclose(several, alone(product), rtol=1e-4, atol=1e-6)
    assert torch.allclose(several, dear(), rtol=1e-4, atol=1e-6)
