"""Points from a part of the samples: estimates, their errors, and the anchors they lean on."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.surface import Directions, axis, plane, random, surface
from landscape.surface.plane import LEAST, estimate


def population(count: int = 5000, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator, dtype=torch.float64).exp()


def test_all_samples_leave_no_error():
    losses = population(50)
    assert estimate(losses, 50) == (float(losses.mean()), 0.0)


def test_the_error_of_a_part_is_that_of_sampling_without_replacement():
    losses, rng = population(400), np.random.default_rng(0)
    draws = np.array([estimate(losses[rng.permutation(400)[:300]], 400) for _ in range(2000)])
    spread = draws[:, 0].std()
    assert draws[:, 0].mean() == pytest.approx(float(losses.mean()), abs=4 * spread / 2000**0.5)
    assert draws[:, 1].mean() == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("count", [1, 2])
def test_anchors_make_the_error_smaller_and_stay_honest(count: int):
    anchors = torch.stack([population(1000, seed) for seed in range(count)])
    rng = np.random.default_rng(1)
    noise = torch.from_numpy(rng.standard_normal(1000))
    losses = 0.3 + 1.2 * anchors.sum(0) + 0.1 * noise
    found = []
    for _ in range(1000):
        order = torch.from_numpy(rng.permutation(1000))
        found.append(estimate(losses[order][:250], 1000, anchors[:, order]))
    values, errors = np.array(found).T
    assert values.mean() == pytest.approx(float(losses.mean()), abs=5 * values.std() / 1000**0.5)
    assert errors.mean() == pytest.approx(values.std(), rel=0.1)
    assert errors.mean() < 0.1 * estimate(losses[:250], 1000)[1]


def test_an_anchor_that_is_not_finite_or_constant_is_of_no_use_and_no_harm():
    losses = population(100)
    plain = estimate(losses[:40], 100)
    assert estimate(losses[:40], 100, torch.full((1, 100), math.inf, dtype=torch.float64)) == plain
    value, error = estimate(losses[:40], 100, torch.ones(1, 100, dtype=torch.float64))
    assert value == plain[0]
    assert error == pytest.approx(plain[1], rel=0.05)


def test_an_anchor_that_is_there_twice_counts_once():
    losses, anchor = population(100), population(100, 1)[None]
    once, twice = (estimate(losses[:40], 100, each) for each in (anchor, torch.cat([anchor, anchor])))
    assert twice == pytest.approx(once, rel=1e-10)


def objective(count: int = 3000) -> Objective:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(count, 6, generator=generator, dtype=torch.float64)
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    targets = module(inputs).argmax(1)
    return Objective(module, (inputs, targets), dtype=torch.float64, micro_batch=50)


@pytest.mark.parametrize("anchors", [True, False])
def test_points_stop_at_the_stated_error_and_keep_it(anchors: bool):
    subject = objective()
    directions = random(subject, seed=2)
    grid = (axis(0.5, 11), axis(0.5, 11))
    exact = surface(subject, directions, grid)
    rough = surface(subject, directions, grid, tolerance=0.05, anchors=anchors, seed=1)
    part = rough.samples < 3000
    assert int(part.sum()) > 60
    assert int(rough.samples.min()) >= LEAST
    assert bool((rough.sampling_error <= 0.05 * rough.nll).all())
    off = (np.abs(rough.nll - exact.nll) / rough.sampling_error).values[part.values]
    assert (off <= 2).mean() >= 0.9
    assert rough.nll.values[~part.values] == pytest.approx(exact.nll.values[~part.values], rel=1e-12)
    assert bool((exact.sampling_error == 0).all())
    assert bool((exact.samples == 3000).all())


def test_leaning_on_anchors_takes_fewer_samples():
    subject = objective()
    directions, grid = random(subject, seed=2), (axis(0.5, 11), axis(0.5, 11))
    used = [
        int(surface(subject, directions, grid, tolerance=0.02, anchors=lean).samples.sum())
        for lean in (True, False)
    ]
    assert used[0] < used[1]


def test_a_line_has_one_dimension():
    subject = objective(200)
    line = plane(subject, random(subject, count=1), span=0.5, steps=5)
    assert line.nll.dims == ("x",)
    assert "y_norm" not in line
    assert float(line.nll.sel(x=0)) == subject.value().nll


def test_given_origins_are_the_centre():
    subject = objective(100)
    moved = {name: value + 0.1 for name, value in subject.parameters.items()}
    directions = random(subject)
    there = plane(subject, Directions(directions.vectors, origin=moved), span=0.2, steps=3)
    assert float(there.nll.sel(x=0, y=0)) == subject.value(moved).nll


def test_points_that_a_stopped_run_has_not_reached_are_not_done():
    subject = objective(100)

    def half(count, compute, label):
        return [compute(index) if index < 5 else None for index in range(count)]

    found = plane(subject, random(subject), span=0.2, steps=3, run=half)
    assert int(found.done.sum()) == 5
    assert bool(np.isnan(found.nll.values[~found.done.values]).all())
    assert bool(found.done.sel(x=0, y=0))


@pytest.mark.parametrize(
    ("options", "text"),
    [({"tolerance": -0.1}, "from 0 to below 1, got -0.1"), ({"tolerance": 1.0}, "got 1.0")],
)
def test_impossible_tolerances_are_explained(options: dict, text: str):
    subject = objective(20)
    with pytest.raises(LandscapeError, match=text):
        plane(subject, random(subject), steps=3, **options)
