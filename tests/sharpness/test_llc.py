"""The local learning coefficient of models where it is known."""

import math

import numpy as np
import pytest
import torch

from landscape import sharpness
from landscape.errors import ArgumentError
from landscape.sharpness.llc import r_hat
from tests.sharpness.bowls import objective

COPIES = 400
HEAT, PRIOR = 200.0, 5.0


def chains(function, weights, **options):
    """λ̂ per copy, its error, and the report."""
    found = sharpness.learning_coefficient(
        objective(weights, function),
        **{"chains": 2, "temperature": HEAT, "localisation": PRIOR, "sweep": (), "burn_in": 0.5} | options,
    )
    return found.found.value / len(weights), found.found.error / len(weights), found


def crossing(powers, heat, localisation):
    """nβ E K of K = w₁^a w₂^b under exp(−nβK − ½γ‖w‖²), by quadrature on a fine grid."""
    axis = np.linspace(-6 / math.sqrt(localisation), 6 / math.sqrt(localisation), 3001)
    first, second = np.abs(axis)[:, None] ** powers[0], np.abs(axis)[None] ** powers[1]
    prior = np.exp(-0.5 * localisation * (axis[:, None] ** 2 + axis[None] ** 2))
    heights = heat * first * second
    weights = prior * np.exp(-heights)
    return float((weights * heights).sum() / weights.sum())


def test_a_regular_model_has_half_its_weights():
    size, step = 600, 0.1 / HEAT
    weights = torch.zeros(size).double()
    value, error, found = chains(
        lambda w: 0.5 * w.square().sum(), weights, localisation=0.0, step_size=step, steps=300, chains=3
    )
    bias = 0.5 / (1 - step * HEAT / 4)  # of the discretisation, exact for a quadratic
    assert abs(value - bias) < 0.02  # four standard errors of so many steps
    assert abs(value - 0.5) < 0.03
    assert error < 0.02
    assert found.acceptance > 0.9
    assert found.r_hat < 1.1
    assert found.baseline_error == 0


@pytest.mark.parametrize("power", [4, 6])
def test_a_degenerate_minimum_has_less(power):
    weights = torch.zeros(COPIES).double()
    value, error, _ = chains(
        lambda w: w.pow(power).sum(), weights, localisation=0.0, step_size=8e-4, steps=900
    )
    assert abs(value - 1 / power) < 4 * error + 0.03 / power


@pytest.mark.parametrize("powers", [(2, 2), (2, 4)])
def test_normal_crossings(powers):
    a, b = powers
    weights = torch.zeros(COPIES, 2).double()
    value, error, _ = chains(
        lambda w: (w[:, 0].pow(a) * w[:, 1].pow(b)).sum(), weights, step_size=8e-4, steps=900, burn_in=0.5
    )
    assert abs(value - crossing(powers, HEAT, PRIOR)) < 4 * error + 0.012


def test_crossings_tend_to_the_known_values():
    """λ = 1/4 for w₁²w₂⁴; 1/2 with multiplicity 2, so less 1/log nβ, for w₁²w₂² (Watanabe 2009)."""

    def slope(powers, log_heat):
        grid = np.linspace(-40, 0, 2401)  # log w
        x, y = grid[:, None], grid[None]

        def evidence(level):
            return np.log(np.exp(x + y - np.exp(np.minimum(level + powers[0] * x + powers[1] * y, 50))).sum())

        return -(evidence(log_heat + 0.01) - evidence(log_heat - 0.01)) / 0.02

    assert slope((2, 4), 40.0) == pytest.approx(0.25, abs=0.005)
    assert slope((2, 2), 40.0) == pytest.approx(0.5 - 1 / 40.0, abs=0.005)


def test_mini_batches_give_the_same_and_their_baseline_is_known():
    weights = torch.zeros(30).double()
    loss = objective(weights, lambda w: 0.5 * w.square().sum(), count=40)
    found = sharpness.learning_coefficient(
        loss,
        chains=2,
        steps=300,
        temperature=HEAT,
        localisation=0.0,
        step_size=0.1 / HEAT,
        batch_size=8,
        sweep=(0.5,),
    )
    assert found.found.value == pytest.approx(15, rel=0.15)
    assert [row[0] for row in found.sweep] == [1.0, 0.5]
    assert found.sweep[1][1] == pytest.approx(15, rel=0.2)
    again = sharpness.learning_coefficient(
        loss,
        chains=2,
        steps=300,
        temperature=HEAT,
        localisation=0.0,
        step_size=0.1 / HEAT,
        batch_size=8,
        sweep=(0.5,),
    )
    assert again.chains.tolist() == found.chains.tolist()


def test_long_steps_are_seen():
    weights = torch.zeros(20).double()
    _, _, found = chains(
        lambda w: 0.5 * w.square().sum(), weights, localisation=0.0, step_size=3.0 / HEAT, steps=60
    )
    assert found.acceptance < 0.5


def test_chains_apart_are_seen():
    rng = np.random.default_rng(0)
    same = rng.standard_normal((4, 200))
    assert r_hat(same) < 1.05
    assert r_hat(same + np.arange(4)[:, None]) > 1.5
    assert math.isnan(r_hat(np.ones((2, 8))))


@pytest.mark.parametrize(
    "options",
    [
        {"chains": 1},
        {"steps": 6},
        {"burn_in": 1.0},
        {"localisation": -1.0},
        {"sweep": (0,)},
        {"step_size": 0.0},
    ],
)
def test_what_cannot_be_sampled_is_refused(options):
    with pytest.raises(ArgumentError):
        sharpness.Sampler(**{"step_size": 0.1} | options)


def test_the_step_suits_the_curvature():
    sampler = sharpness.Sampler(curvature=50.0, localisation=100.0)
    heat = 1000 / math.log(1000)
    assert sampler.inverse_temperature(1000) == pytest.approx(heat)
    assert sampler.chosen_step(1000) == pytest.approx(0.2 / (heat * 50 + 100))
