"""The same objective elsewhere, under other masks, or in full precision; and the original as it was."""

import pytest
import torch

from landscape.errors import LandscapeError
from landscape.objective import Objective
from tests.cases import BY_NAME, CASES, DROPOUT, random_like
from tests.references import flat


def moved(objective: Objective) -> dict[str, torch.Tensor]:
    step = random_like(objective.parameters)
    return {name: value + 0.1 * step[name] for name, value in objective.parameters.items()}


def state(objective: Objective) -> tuple:
    """What a variant must leave alone."""
    own = {name: value.clone() for name, value in objective.parameters.items()}
    modes = objective.modes
    return own, list(objective.free), modes, objective.value(draw=1)


def assert_same(now: tuple, before: tuple) -> None:
    assert all(torch.equal(now[0][name], value) for name, value in before[0].items())
    assert now[1:] == before[1:]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_around_other_parameters_these_are_its_own(case):
    objective = case.objective()
    before, theta = state(objective), moved(objective)
    there = objective.replace(parameters=theta)
    assert there.value() == objective.value(theta)
    assert list(there.free) == list(objective.free)
    assert all(torch.equal(value, theta[name]) for name, value in there.free.items())
    torch.testing.assert_close(flat(there.gradient()), flat(objective.gradient(theta)), rtol=0, atol=0)
    assert_same(state(objective), before)


@pytest.mark.parametrize("name", ["conv-bn", "subset", "mc-dropout"])
def test_around_other_parameters_curvature_is_theirs(name):
    objective = BY_NAME[name].objective()
    theta = moved(objective)
    vector = random_like(objective.free, seed=5)
    there = objective.replace(parameters=theta)
    torch.testing.assert_close(
        flat(there.hvp(vector)), flat(objective.hvp(vector, theta)), rtol=1e-12, atol=1e-12
    )


def test_around_takes_the_objectives_own_precision_and_order():
    objective = BY_NAME["conv-bn"].objective(dtype=torch.float32)
    theta = {name: value.double() for name, value in reversed(moved(objective).items())}
    there = objective.replace(parameters=theta)
    assert list(there.free) == list(objective.free)
    assert {value.dtype for value in there.parameters.values()} == {torch.float32}
    assert there.value() == objective.value(theta)


def test_around_parameters_of_another_network_is_refused():
    objective = BY_NAME["conv-bn"].objective()
    with pytest.raises(LandscapeError, match="on one side only"):
        objective.replace(parameters=objective.free | {"more": torch.zeros(1)})
    name = next(iter(objective.parameters))
    with pytest.raises(LandscapeError, match=f"{name} has shape"):
        objective.replace(parameters=objective.parameters | {name: torch.zeros(1)})


@pytest.mark.parametrize("mode", ["fixed", "fresh", "ensemble:2"])
def test_masks_of_another_seed_are_those_of_an_objective_with_that_seed(mode):
    objective = DROPOUT.objective(dropout=mode, seed=5)
    before = state(objective)
    other = objective.replace(seed=6)
    fresh = DROPOUT.objective(dropout=mode, seed=6)
    for draw in (0, 3):
        assert other.value(draw=draw) == fresh.value(draw=draw)
    assert other.value() != objective.value()
    assert other.protocol()["seed"] == 6
    assert other.replace(seed=5).value() == objective.value()
    assert_same(state(objective), before)


def test_masks_change_nothing_without_dropout():
    objective = BY_NAME["mc-dropout-off"].objective()
    assert objective.replace(seed=9).value() == objective.value()


@pytest.mark.parametrize("precision", ["bfloat16", "full"])
def test_full_precision_is_that_of_an_objective_made_so(precision):
    objective = BY_NAME["conv-bn"].objective(dtype=torch.float32, precision=precision)
    before = state(objective)
    exact = objective.replace(precision="full")
    assert exact.value() == BY_NAME["conv-bn"].objective(dtype=torch.float32).value()
    assert (exact.value() == objective.value()) is (precision == "full")
    assert exact.protocol()["precision"] == "full"
    assert_same(state(objective), before)
    # Derivatives, which reduced precision refuses, are to be had again.
    assert list(exact.gradient()) == list(objective.free)
