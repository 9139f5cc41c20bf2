"""What curvature work is foretold to take, against what it takes."""

import importlib
import re
from dataclasses import replace

import pytest
import torch

from landscape.errors import LandscapeError
from landscape.hessian import Forecast, Operator, fitted, forecast, tuned
from landscape.parameters import flatten
from tests.cases import BY_NAME, random_like
from tests.hessian.test_fallback import ONCE
from tests.references import LiveMemory

ROOM = importlib.import_module("landscape.hessian.forecast")
PLENTY = 2**40


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_memory_is_what_the_graphs_take(kind: str):
    objective = BY_NAME["resnet20"].objective(micro_batch=1, params="*")  # three micro-batches
    operator = Operator(objective, kind=kind)
    cost = forecast(operator)
    with LiveMemory() as memory:
        matrix = objective.curvature(kind=kind, keep=PLENTY)
        product = matrix(random_like(objective.free))
    vector = sum(value.numel() * 8 for value in product.values())
    assert cost.vector_bytes == vector
    assert 0.5 < cost.kept_bytes / (memory.bytes() - vector) < 2
    assert cost.kept_bytes == 3 * cost.graph_bytes
    assert cost.bytes(7) == 5 * cost.graph_bytes + 7 * vector
    assert cost.graph_bytes == pytest.approx(matrix.products.graph_bytes, rel=0.01)


def test_graphs_are_kept_as_the_budget_allows():
    operator = Operator(BY_NAME["conv"].objective())
    size = forecast(operator, keep=0).graph_bytes
    assert size > 0
    for graphs, kept in ((0, 0), (0.9, 0), (1.1, 1), (1.9, 1), (2.1, 2), (1000, 3)):
        budget = int(graphs * size)
        cost = forecast(operator, keep=budget)
        matrix = operator.objective.curvature(keep=budget)
        matrix(operator.objective.free)
        assert matrix.products.kept == kept
        assert cost.kept_bytes == pytest.approx(kept * size, rel=0.05)


def test_times_are_positive_and_add_up():
    cost = forecast(Operator(BY_NAME["preactivation"].objective()))
    assert cost.product_seconds > 0
    assert cost.build_seconds >= 0
    assert cost.seconds(10) == pytest.approx(cost.build_seconds + 10 * cost.product_seconds)


def test_times_of_micro_batches_are_added(monkeypatch: pytest.MonkeyPatch):
    operator = Operator(BY_NAME["conv"].objective())  # five samples, two at a time
    sizes = []

    def timed(objective, kind, size):
        sizes.append(size)
        return 3.0, 2.0, 1000

    monkeypatch.setattr(ROOM, "_timed", timed)
    assert forecast(operator, keep=2500) == Forecast(1000, 2000, 69 * 8, 2.0, 2 * 2.0 + 1 * 3.0, 3000, 6.0)
    assert forecast(operator, keep=0) == Forecast(1000, 0, 69 * 8, 0.0, 9.0, 3000, 6.0)
    operator.objective = operator.objective.replace(micro_batch=100)
    forecast(operator)
    assert sizes == [2, 2, 5]


def test_finite_differences_take_four_gradients(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ROOM, "_seconds", lambda work, device: work() and 0.5)
    cost = forecast(Operator(ONCE.objective()))
    assert cost == Forecast(0, 0, cost.vector_bytes, 0.0, 4 * 3 * 0.5)


# A limit


def test_what_fits_is_left_for_graphs():
    operator = Operator(BY_NAME["conv"].objective())
    cost = forecast(operator, keep=0)
    needed = 2 * cost.graph_bytes + 10 * cost.vector_bytes
    assert fitted(operator, vectors=10, limit=needed + 100) <= 200
    assert fitted(operator, vectors=10, limit=needed + 10_000) == pytest.approx(10_000, abs=100)
    limit = int(needed + 2.1 * cost.graph_bytes)
    kept = forecast(operator, keep=fitted(operator, vectors=10, limit=limit))
    assert kept.kept_bytes == 2 * kept.graph_bytes
    assert kept.bytes(10) <= limit


def test_what_all_graphs_take_is_enough_for_all_of_them():
    operator = Operator(BY_NAME["conv"].objective())  # five samples, two at a time
    cost = replace(forecast(operator, keep=0), product_seconds=1.0, whole_seconds=0.5)
    kept = forecast(operator, keep=fitted(operator, vectors=10, limit=cost.all_kept(10)))
    assert kept.kept_bytes == 3 * cost.graph_bytes == cost.whole_bytes
    assert replace(cost, whole_seconds=0.95).all_kept(10) is None


def test_an_impossible_limit_is_refused_with_the_numbers():
    operator = Operator(BY_NAME["resnet20"].objective())
    cost = forecast(operator)
    with pytest.raises(LandscapeError) as caught:
        fitted(operator, vectors=50, limit=100_000)
    numbers = [float(found) for found in re.findall(r"([\d.e-]+) GB", str(caught.value))]
    expected = [100_000, 50 * cost.vector_bytes, 2 * cost.graph_bytes]
    assert numbers == pytest.approx([size / 1e9 for size in expected], rel=0.01)
    assert "a smaller --batch-size than 2" in str(caught.value)
    with pytest.raises(LandscapeError) as caught:
        fitted(operator, vectors=10**6, limit=2**30)
    assert "--batch-size" not in str(caught.value)
    assert "allow more --max-memory, or choose fewer eigenvalues or --params" in str(caught.value)


# The micro-batch


def test_few_samples_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ROOM, "_timed", None)  # nothing is measured
    objective = BY_NAME["conv"].objective()
    same = tuned(objective)
    assert same.micro_batch == objective.micro_batch == 2
    assert same.value() == objective.value()


def test_the_fastest_size_is_taken(monkeypatch: pytest.MonkeyPatch):
    seconds = {1: 1.0, 2: 1.5, 3: 2.4}
    monkeypatch.setattr(ROOM, "_CANDIDATES", {"cpu": tuple(seconds)})
    monkeypatch.setattr(ROOM, "_timed", lambda objective, kind, size: (seconds[size], 0.0, 0))
    case = BY_NAME["mc-dropout"]
    whole = case.objective(micro_batch=5).selected(torch.arange(5).repeat(3).numpy())
    best = tuned(whole)
    assert (best.micro_batch, whole.micro_batch) == (2, 5)
    vector = random_like(whole.free)
    torch.testing.assert_close(flatten(best.hvp(vector)), flatten(whole.hvp(vector)), rtol=0, atol=1e-12)


def test_sizes_are_really_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ROOM, "_CANDIDATES", {"cpu": (1,)})
    for kind in ("hessian", "ggn"):
        best = tuned(BY_NAME["conv"].objective(), kind=kind)
        assert best.micro_batch == 1
        assert best.exact_products


def test_networks_without_a_second_derivative_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ROOM, "_CANDIDATES", {"cpu": (1,)})
    best = tuned(ONCE.objective())
    assert best.micro_batch == 2
    assert best.exact_products is False
