"""The simulation behind the 95 % interval of surfaces with a tolerance: its parts, and a small run of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.tolerance import (
    BATCH,
    SAMPLES,
    STEPS,
    estimates,
    holding,
    needed,
    run,
    sample_losses,
    share,
    simulated,
)
from landscape.surface.plane import WITHIN, estimate


def test_shares_by_hand():
    found = [np.array([0.5, 1.5, 2.5, 3.5]), np.array([0.1, 0.2, 0.3, 0.4])]
    assert share(found, 2) == 6 / 8
    assert holding(found, 2) == 0.5
    assert holding(found, 2, points=0.5) == 1
    assert needed(found, points=0.75, runs=0.5) == 2.5
    assert needed(found, points=0.75, runs=0.4) == 2.5
    assert needed(found, points=1.0, runs=1.0) == 3.5
    assert holding(found, needed(found)) >= 0.95


def test_losses_are_those_of_networks_that_are_right_in_the_middle():
    losses = sample_losses(0)
    assert losses.shape == (STEPS**2, SAMPLES)
    assert float(losses[0].mean()) < 0.5 * float(losses.mean())
    assert torch.equal(losses, sample_losses(0))
    assert not torch.equal(losses, sample_losses(4))


@pytest.mark.parametrize("lean", [True, False])
def test_estimates_are_those_of_surfaces(lean: bool):
    losses = sample_losses(1)
    anchors = losses[:4] if lean else None
    value, error = estimates(losses[4:, :300], SAMPLES, anchors)
    for index, row in enumerate(losses[4:]):
        expected = estimate(row[:300], SAMPLES, anchors)
        assert (float(value[index]), float(error[index])) == pytest.approx(expected, rel=1e-9)


def test_a_run_counts_the_points_that_leave_samples_out():
    generator = torch.Generator().manual_seed(0)
    losses = torch.rand(49, SAMPLES, generator=generator, dtype=torch.float64)
    assert len(run(losses, 0, tolerance=0.05, lean=False)) == 49
    assert len(run(losses, 0, tolerance=0.05, lean=True)) == 45
    assert len(run(losses[:, : 2 * BATCH], 0, tolerance=0.05, lean=False)) == 0
    assert 0.5 < np.std(run(losses, 0, tolerance=0.05, lean=False)) < 2


@pytest.mark.parametrize("lean", [True, False])
def test_the_interval_holds_where_two_errors_do_not(lean: bool):
    found = simulated(20, tolerance=0.1, lean=lean)
    assert share(found, 1) < 0.8
    assert holding(found, 2) < 0.9
    assert holding(found, WITHIN) >= 0.9  # of so few runs; the statement is of 95 % of many
