"""The benchmark of minima in a tiny form: rows have their fields, and the plain loop is the one described."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import minima
from benchmarks.alignment import aligned, initialised, permuted_copy, shaken
from benchmarks.ascent import Batch, checkpoints, climb, climbed
from benchmarks.sampling import compared, sampled, trained
from benchmarks.turns import missing, turned
from landscape.network import Network
from tests import build

PEERS = {"rebasin": "rebasin", "devinterp": "devinterp.slt.sampler"}


def peer(name: str) -> None:
    pytest.importorskip(PEERS[name])


def plain() -> Network:
    """Two convolutions with BatchNorm between them."""
    layers = (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU())
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(5 * 16, 10))
    return Network(build.randomised(module, 0).float().eval(), name="plain")


def row_of(found: dict[str, Any], *fields: str) -> None:
    """It can be written, and has these fields beside a case and a peer."""
    json.dumps(found)
    assert {"case", "peer", "ratio", *fields} <= found.keys()


def test_a_permuted_copy_is_recovered_by_both():
    peer("rebasin")
    network, samples = plain(), build.images(8)
    row = aligned("a copy", network, permuted_copy(network, samples), samples, 1)
    row_of(row, "peer_seconds", "our_seconds", "our_seconds_one_start", "ratio_one_start")
    assert row["distance_before"] > 1
    assert row["our_distance"] == row["our_distance_one_start"] == 0
    assert row["our_outputs_moved"] < 1e-5
    assert row["says"].startswith("rebasin recovers the order; BatchNorm's statistics stay in the old order.")
    assert "landscape recovers the order; the outputs stay as they were." in row["says"]
    assert row["peer_distance"] < 1e-6
    assert row["peer_outputs_moved_batch_statistics"] < 1e-5


def test_an_initialised_network_has_statistics_of_the_samples():
    network = initialised("cifar-resnet20:width=2", build.images(6))
    assert not network.module.training
    for layer in network.module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.momentum == 0.1
            assert layer.running_mean.abs().max() > 0


def test_what_a_peer_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch):
    def fails(first: Any, second: Any) -> None:
        raise ValueError("no such layer\nand more")

    monkeypatch.setattr("benchmarks.alignment.theirs", fails)
    network, samples = plain(), build.images(8)
    row = aligned("noise", network, shaken(network), samples, 2)
    assert row["peer_seconds"] is row["ratio"] is row["peer_distance"] is None
    assert row["our_distance"] == pytest.approx(row["distance_before"])
    assert row["says"].startswith("rebasin fails (ValueError: no such layer). landscape leaves 100.0 % of")


def test_learning_coefficients_of_both():
    peer("devinterp")
    objective = trained("cifar-resnet20:width=2", build.images(24, 8, "bytes"), steps=1, batch=4)
    row = sampled("tiny", objective, 1, chains=2, steps=10, batch_size=8)
    row_of(row, "peer_seconds_per_draw", "our_seconds_per_draw", "peer_standard_error", "agree", "says")
    assert row["our_gradients_per_step"] == 1.4
    assert (row["chains"], row["steps"], row["draws"]) == (2, 10, 5)
    assert np.isfinite([row["peer_estimate"], row["our_estimate"]]).all()


def test_estimates_are_compared():
    near = compared(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    assert near["agree"]
    assert near["difference_in_errors"] == pytest.approx(1 / (2 / 3) ** 0.5)
    far = compared(np.array([1.0, 2.0, 3.0]), np.array([11.0, 12.0, 13.0]))
    assert not far["agree"]
    assert "differ by more" in far["says"]
    none = compared(None, np.array([1.0, 2.0]), "ValueError: no")
    assert none["agree"] is none["peer_estimate"] is None
    assert none["says"] == "devinterp fails (ValueError: no)."


def test_worst_cases_of_both():
    rows = climbed(Network(build.zoo("cifar-resnet20:width=2")), build.images(8), 1, steps=6, batch_size=4)
    for row in rows:
        row_of(row, "peer_seconds", "our_seconds", "share_of_value", "our_gradients", "our_passes")
        assert (row["peer_gradients"], row["peer_passes"]) == (48, 8)
        assert row["peer_value"] > 0
    assert [row["our_gradients"] for row in rows] == [48, 40]


def test_auto_pgd_finds_the_top_of_the_ball():
    assert checkpoints(20)[:4] == [5, 9, 12, 14]
    layer = nn.Linear(3, 2, bias=False).double()
    inputs, targets = torch.eye(3, dtype=torch.float64), torch.tensor([0, 1, 0])
    batch = Batch(layer, inputs, targets)
    weights = layer.weight.detach().clone()
    found, rng = climb(batch, 0.5, 20), np.random.default_rng(0)
    around = rng.standard_normal((2000, 6))
    around *= 0.5 / np.linalg.norm(around, axis=1, keepdims=True)
    with torch.no_grad():
        origin = float(batch.loss([torch.zeros_like(weights)]))
        best = max(float(batch.loss([torch.from_numpy(u.reshape(2, 3))])) for u in around)
    assert found >= best - origin > 0
    batch.restore()
    assert torch.equal(layer.weight, weights)


def test_works_take_turns_and_guests_may_fail():
    order: list[str] = []
    works = {"a": lambda: order.append("a"), "b": lambda: order.append("b"), "guest": lambda: 1 / 0}
    done = turned(works, 2, guests=("guest",))
    assert order == ["a", "b", "a", "b"]
    assert done.errors == {"guest": "ZeroDivisionError: division by zero"}
    assert done.ratio("guest", "a") is done.median("guest") is None
    assert done.ratio("a", "a") == 1
    with pytest.raises(ZeroDivisionError):
        turned(works, 1)


def test_a_package_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch):
    assert missing("math") == ""
    monkeypatch.setitem(minima.PEERS, "llc", ("nowhere.to.be.found",))
    rows = minima.measured({"llc": lambda: pytest.fail("measured"), "worst": lambda: [{"case": "x"}]}, str)
    assert rows[0]["says"].startswith("nowhere cannot be imported here (ModuleNotFoundError: ")
    assert rows[1] == {"case": "x"}


def test_the_page_names_the_command():
    page = Path(minima.__file__).parents[1] / "docs" / "benchmarks.md"
    assert "python -m benchmarks.minima" in page.read_text(encoding="utf-8")
