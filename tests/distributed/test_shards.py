"""An objective shared out among ranks is the objective; what stops one rank stops all, and says so."""

import signal
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from landscape.distributed import Group, joined, sharded
from landscape.distributed.group import digest
from landscape.errors import LandscapeError
from landscape.objective import Objective

from . import jobs
from .ranks import Rank


def found(ranks: list[Rank]) -> list[Any]:
    assert [(rank.status, rank.err) for rank in ranks] == [(0, "")] * len(ranks)
    return [rank.found for rank in ranks]


def apart(ours: Any, whole: Any) -> float:
    """Largest difference, relative to the largest value."""
    a, b = (torch.as_tensor(np.asarray(each), dtype=torch.float64) for each in (ours, whole))
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize(("dtype", "most"), [("float64", 1e-12), ("float32", 1e-6)])
def test_ranks_equal_one_process(ranks, tmp_path, dtype, most):
    names = ["plain", "attention", "weighted", "masks", "batches", "once"]
    if dtype == "float32":
        names = ["plain", "attention"]
    first, second = found(ranks("all_numbers", tmp_path, names, dtype))
    for name in names:
        whole = jobs.numbers(jobs.CASES[name].objective(dtype=dtype))
        assert first[name].keys() == second[name].keys() == whole.keys()
        for what, expected in whole.items():
            ours, theirs = first[name][what], second[name][what]
            if what == "value":
                assert ours == theirs
                assert (ours.nll, ours.l2) == pytest.approx((expected.nll, expected.l2), rel=most)
                continue
            # The same bits on every rank, and those of one process but for the order of additions.
            assert np.array_equal(np.asarray(ours), np.asarray(theirs)), (name, what)
            bound = 1e-5 if (name, what) == ("once", "eigenvalues") else most
            assert apart(ours, expected) <= bound, (name, what)


def test_three_ranks_equal_one_process(ranks, tmp_path):
    every = found(ranks("all_numbers", tmp_path, ["plain"], size=3))
    whole = jobs.numbers(jobs.CASES["plain"].objective())
    for rank in every:
        assert all(apart(rank["plain"][what], whole[what]) <= 1e-12 for what in ("hvp", "gradient", "losses"))


def test_each_rank_reads_its_own_samples(ranks, tmp_path):
    every = found(ranks("reading", tmp_path, 60))
    checked = set(range(16))  # what every rank looks at before the first number
    for rank, (read, protocol, later, line) in enumerate(every):
        block = set(range(30 * rank, 30 * rank + 30))
        assert block <= set(read) <= block | checked
        assert read == later
        assert protocol["ranks"] == 2
        assert line == ("shared out", f"rank {rank} of 2, 30 samples")
    assert every[0][1] == every[1][1]


def test_vectors_that_differ_by_a_bit_are_refused_on_every_rank(ranks, tmp_path):
    for words, again in found(ranks("coming_apart", tmp_path)):
        assert words.startswith("the ranks have come apart: vectors of rank 1 differ from those of rank 0")
        assert again == "True"


def test_what_fails_on_one_rank_is_said_on_all(ranks, tmp_path):
    for first, second, again in found(ranks("failing", tmp_path)):
        assert first == second == "rank 1 failed: no room left"
        assert again == "True"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("killed", "rank 1 ended without a word: it was killed, or its machine is lost; give the same"),
        ("gives up", "rank 1 failed: the disk is full; give the same command again"),
        ("sleeps", "rank 1 did not answer within 3 s; give the same command again"),
    ],
)
def test_a_rank_that_is_lost_is_named(ranks, tmp_path, how, words):
    first, second = ranks("dying", tmp_path, how)
    assert second.status == {"killed": -signal.SIGKILL, "gives up": 1, "sleeps": 0}[how]
    assert first.status == 0, first.err
    said, seconds = first.found
    assert said.startswith(words)
    assert seconds < 9


def test_items_that_one_rank_has_kept_are_known_to_all(ranks, tmp_path):
    first, second = found(ranks("items", tmp_path))
    assert first == second == ([0.0, -1.0, 20.0], [0, 2])


def test_more_ranks_than_samples_are_refused(ranks, tmp_path):
    for words in found(ranks("too_many", tmp_path)):
        assert words == "1 samples cannot be shared out among 2 ranks; start fewer ranks"


def test_without_ranks_there_is_no_group():
    objective = Objective(nn.Linear(3, 2), (torch.zeros(4, 3), torch.zeros(4).long()))
    with pytest.raises(LandscapeError, match=r"start with torchrun --nproc-per-node N"):
        sharded(objective)
    with pytest.raises(LandscapeError, match="there is no process group"):
        Group()
    with pytest.raises(LandscapeError, match="this process is not one of several ranks"):
        joined()


def test_the_patience_is_a_number(monkeypatch):
    monkeypatch.setenv("LANDSCAPE_PATIENCE", "soon")
    with pytest.raises(LandscapeError, match="LANDSCAPE_PATIENCE is 'soon', expected seconds"):
        joined()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_digest_sees_every_bit_and_every_place(dtype):
    values = torch.linspace(-1, 1, 2**20 + 3, dtype=dtype)
    own = digest([values[:5], values])
    assert torch.equal(digest([values[:5].clone(), values.clone()]), own)
    assert not torch.equal(digest([values, values[:5]]), own)
    for place in (0, 2**20 + 1):
        other = values.clone()
        other[place] = torch.nextafter(other[place], torch.tensor(9.0, dtype=dtype))
        assert not torch.equal(digest([values[:5], other]), own)
    swapped = values.clone()
    swapped[[1, 2]] = values[[2, 1]]
    assert not torch.equal(digest([values[:5], swapped]), own)
