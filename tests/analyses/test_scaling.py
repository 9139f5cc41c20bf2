"""A plan counts what there is, and adds up as it says; what no workers can share is refused."""

import time

import pytest
from torch import Tensor, nn

from landscape.analyses import recipe
from landscape.analyses.scaling import EACH, START, TAIL, Plan, scaling
from landscape.errors import LandscapeError
from landscape.results import Journal
from tests.build import objective


def plan(**changes: float) -> Plan:
    given = {
        "items": 100, "item_seconds": 2.0, "measured": 5, "spread": 0.1, "start_seconds": 7.0,
        "memory_bytes": 0, "disk_bytes": 0,
    }  # fmt: skip
    return Plan(**(given | changes))


def test_a_plan_by_hand():
    kept = 100 * EACH
    assert plan().seconds(1, 1.5) == pytest.approx(1.5 + 7 + 101 * 2 + kept)
    assert plan().seconds(8, 1.5) == pytest.approx(1.5 + 7 + (12.5 + TAIL + 1) * 2 + kept / 8)
    # Nobody is behind anybody where each has one item, and more workers than items find nothing to do.
    assert plan().seconds(100, 1.5) == plan().seconds(1000, 1.5) == pytest.approx(1.5 + 7 + 4 + EACH)
    assert plan().seconds(8) == plan().seconds(8, START)


def test_no_workers_have_no_plan():
    with pytest.raises(LandscapeError, match="1 or more workers, got 0"):
        plan().seconds(0)


class Slow(nn.Module):
    """A network that takes a given time for each pass."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.linear, self.seconds = nn.Linear(4, 3), seconds

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(self.seconds)
        return self.linear(x.flatten(1)[:, :4])


@pytest.mark.parametrize(
    ("kind", "options", "items"),
    [
        ("surface", {"steps": 5}, 25),
        ("surface", {"steps": 5, "axes": 1}, 5),
        ("surface", {"steps": 3, "repeats": 2}, 18),
        ("flatness", {"repeats": 3}, 3),
        ("spectrum", {"batch_size": 2, "k": 1}, 3),
        ("trace", {"probes": 4}, 4),
    ],
)
def test_items_are_counted(kind, options, items):
    found = scaling(kind, objective(nn.Sequential(nn.Flatten(), nn.Linear(192, 10))), **options)
    assert found.items == items
    assert 1 <= found.measured < items
    assert found.item_seconds > 0
    assert found.memory_bytes > 0


def test_items_take_the_disk_that_was_said(tmp_path):
    one, options = objective(nn.Sequential(nn.Flatten(), nn.Linear(192, 10))), {"steps": 7}
    journal = Journal(tmp_path / "s.zarr", {})
    with journal:
        recipe("surface")(one, run=journal.runner(), **options)
        taken = sum(file.stat().st_size for file in journal.folder.iterdir())
    assert scaling("surface", one, **options).disk_bytes == pytest.approx(taken, rel=0.3)


def test_an_item_takes_as_long_as_it_takes():
    found = scaling("surface", objective(Slow(0.05), classes=3, micro_batch=3), steps=5)
    assert found.measured == 5
    assert 0.1 <= found.item_seconds < 0.2 + 0.1 * found.spread + 0.5
    assert found.start_seconds > 0.05  # a look at a few samples, at least


def test_a_time_that_is_given_is_taken():
    passes = []

    class Seen(Slow):
        def forward(self, x: Tensor) -> Tensor:
            passes.append(len(x))
            return super().forward(x)

    measured = objective(Seen(0.0), classes=3)
    scaling("surface", measured, steps=5)
    before = len(passes)
    found = scaling("surface", objective(Seen(0.0), classes=3), steps=5, item_seconds=20.0)
    assert (found.item_seconds, found.measured, found.spread) == (20.0, 0, 0.0)
    assert len(passes) - before < before  # none is timed
    assert found.seconds(1, 0) == pytest.approx(26 * 20 + found.start_seconds + 25 * EACH)
    for seconds in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(LandscapeError, match="an item takes seconds, more than 0, got"):
            scaling("surface", measured, steps=5, item_seconds=seconds)


def test_what_is_no_list_of_items_is_refused():
    one = objective(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)))
    with pytest.raises(LandscapeError, match="this eigenvalues is a single item"):
        scaling("eigenvalues", one)  # each product follows from the one before
    with pytest.raises(LandscapeError, match="'features' is no list of items"):
        scaling("features", one)
    with pytest.raises(LandscapeError, match="is no list of items that workers could share; known are"):
        scaling("nonsense", one)
    with pytest.raises(
        LandscapeError, match="this spectrum is a single item, which no two workers can share"
    ):
        scaling("spectrum", one, batch_size=6, k=1)
