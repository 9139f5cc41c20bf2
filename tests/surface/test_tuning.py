"""What is chosen before a surface: the micro-batch that evaluates fastest, and the span by doubling."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.results.journal import Journal
from landscape.surface import Directions, find_span, grid, tuned

USUAL = {32: 1.0, 64: 1.0, 100: 1.0, 128: 1.0, 256: 1.0}


def network() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    module[0].weight.data = torch.randn(3, 4, generator=generator)
    module[0].bias.data.zero_()
    return module.eval()


def objective(count: int = 768, **options) -> Objective:
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(count, 4, generator=generator), torch.arange(count) % 3
    return Objective(network(), data, **{"micro_batch": 100} | options)


@pytest.fixture
def clock(monkeypatch):
    """Evaluations take as long as a table says for each size, and every so many of them are disturbed."""
    state = SimpleNamespace(now=0.0, seconds=dict(USUAL), evaluations=0, disturbed=lambda count: 1.0)

    def value(self, *args, **options):
        state.evaluations += 1
        state.now += state.seconds[self.micro_batch] * state.disturbed(state.evaluations)

    monkeypatch.setattr(grid, "time", SimpleNamespace(perf_counter=lambda: state.now))
    monkeypatch.setattr(Objective, "value", value)
    return state


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        ({}, 100),
        ({128: 0.92}, 100),  # 9 % faster: as noise may be
        ({128: 0.90}, 128),
        ({128: 0.80, 32: 0.70}, 32),
        ({100: 0.70, 256: 0.69}, 100),
    ],
)
def test_another_size_must_be_clearly_faster(clock, seconds: dict, size: int):
    clock.seconds |= seconds
    assert tuned(objective()).micro_batch == size


def test_a_size_that_was_asked_for_is_among_those_measured(clock):
    clock.seconds[77] = 1.05
    assert tuned(objective(micro_batch=77)).micro_batch == 77
    clock.seconds[77] = 1.2
    assert tuned(objective(micro_batch=77)).micro_batch in USUAL


def test_a_busy_moment_changes_nothing(clock):
    # All but the last of the rounds are disturbed, at one size more than at another.
    clock.disturbed = lambda count: 1.0 if count > 15 else 1 + count % 3
    assert tuned(objective()).micro_batch == 100
    clock.seconds[256] = 0.5
    clock.evaluations = 0
    assert tuned(objective()).micro_batch == 256


@pytest.mark.parametrize(
    "options", [{"batch_norm": "batch"}, {"batch_norm": "recalibrate"}, {"count": 767}, {"count": 20}]
)
def test_where_it_is_not_free_or_cannot_be_told_it_stays(clock, options: dict):
    clock.seconds |= {32: 0.01}
    subject = objective(**options)
    assert tuned(subject) is subject
    assert clock.evaluations == 0


def test_the_objective_itself_is_not_changed(clock):
    clock.seconds |= {256: 0.1}
    subject = objective()
    assert tuned(subject).micro_batch == 256
    assert subject.micro_batch == 100


def test_a_resumed_run_takes_the_size_it_began_with(clock, tmp_path):
    clock.seconds |= {64: 0.5}
    first = tuned(objective(), Journal(tmp_path / "s.zarr", {}).runner())
    measured = clock.evaluations
    # Another day the machine is busy otherwise.
    clock.seconds |= {64: 3.0, 256: 0.1}
    second = tuned(objective(), Journal(tmp_path / "s.zarr", {}).runner())
    third = tuned(objective(), Journal(tmp_path / "s.zarr", {}).present())
    assert first.micro_batch == second.micro_batch == third.micro_batch == 64
    assert clock.evaluations == measured > 0
    assert tuned(objective(), Journal(tmp_path / "other.zarr", {}).runner()).micro_batch == 256


def test_where_nothing_may_be_computed_it_stays(clock, tmp_path):
    assert tuned(objective(), Journal(tmp_path / "s.zarr", {}).present()).micro_batch == 100
    assert clock.evaluations == 0


def test_what_was_measured_is_kept(tmp_path):
    items = []

    def run(count, compute, label):
        items.extend(compute(index) for index in range(count))
        return items

    found = tuned(objective(), run)
    (item,) = items
    assert item["sizes"].tolist() == list(USUAL)
    assert (item["seconds"] > 0).all()
    assert found.micro_batch == int(item["size"])
    # Whatever was chosen, the loss is that of an objective made with it.
    assert found.value() == objective(micro_batch=found.micro_batch).value()
    np.testing.assert_allclose(found.value().nll, objective().value().nll, rtol=1e-6)


def test_an_objective_that_fails_says_so(monkeypatch):
    def broken(self, *args, **options):
        raise LandscapeError("no such thing")

    monkeypatch.setattr(Objective, "value", broken)
    with pytest.raises(LandscapeError, match="no such thing"):
        tuned(objective())


def bowl() -> tuple[Objective, Directions]:
    """L(x, y) = 1 + 4x² + 4y² along the two directions."""
    module = nn.Linear(2, 1, bias=False, dtype=torch.float64)
    module.weight.data = torch.zeros(1, 2, dtype=torch.float64)
    inputs = torch.tensor([[2.0, 0.0], [0.0, 2.0]], dtype=torch.float64)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 1 + 2 * outputs[:, 0] ** 2

    objective = Objective(module, (inputs, torch.zeros(2, dtype=torch.int64)), loss=loss, dtype=torch.float64)
    vectors = tuple({"weight": torch.tensor([row], dtype=torch.float64)} for row in ([1.0, 0.0], [0.0, 1.0]))
    return objective, Directions(vectors)


@pytest.mark.parametrize("rise", [1.5, 10.0, 1000.0])
def test_the_loss_has_risen_at_the_span_and_not_a_step_before(rise: float):
    objective, directions = bowl()
    span = find_span(objective, directions, rise=rise)
    assert 1 + 4 * span**2 >= rise > 1 + 4 * (span / 2**0.5) ** 2


def test_a_loss_that_never_rises_is_said():
    objective, directions = bowl()
    flat = Directions(tuple({"weight": torch.zeros(1, 2, dtype=torch.float64)} for _ in range(2)))
    with pytest.raises(LandscapeError, match="never rises to 10"):
        find_span(objective, flat)
    with pytest.raises(LandscapeError, match="factor of more than 1, got 1"):
        find_span(objective, directions, rise=1.0)
