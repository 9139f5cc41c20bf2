"""Measures of a quadratic bowl against their closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from landscape import sharpness
from landscape.errors import ArgumentError, LandscapeError
from landscape.hessian import Operator, frobenius
from tests.cases import BY_NAME
from tests.references import dense_reference
from tests.sharpness.bowls import bowl, objective


def scaled(loss, hessian, scale):
    """C^½ H C^½ with C^½ = diag(c)."""
    c = torch.ones(len(hessian)).double() if scale == "raw" else loss.parameters["weight"].abs()
    return c[:, None] * hessian * c


@pytest.mark.parametrize("scale", ["raw", "weight"])
def test_the_average_is_half_the_trace(scale):
    loss, hessian = bowl()
    found = sharpness.average(loss, radius=0.3, scale=scale, probes=200)
    expected = 0.5 * 0.3**2 * float(scaled(loss, hessian, scale).trace())
    assert abs(found.value - expected) < 3.5 * found.error
    assert found.error < 0.09 * expected
    assert found.low < expected < found.high


@pytest.mark.parametrize("scale", ["raw", "weight"])
def test_the_worst_is_half_the_largest_eigenvalue_from_below(scale):
    loss, hessian = bowl()
    expected = 0.5 * 0.3**2 * float(torch.linalg.eigvalsh(scaled(loss, hessian, scale))[-1])
    found = sharpness.worst(loss, radius=0.3, scale=scale, steps=30)
    assert expected * (1 - 1e-3) < found.value <= expected * (1 + 1e-9)
    few = sharpness.worst(loss, radius=0.3, scale=scale, steps=2)
    assert few.value <= found.value


def test_radii_of_a_bowl():
    loss, hessian = bowl()
    found = sharpness.gaussian_radius(loss, rise=0.1, probes=200)
    expected = math.sqrt(0.2 / float(hessian.trace()))
    assert found.low < expected < found.high
    assert abs(found.value / expected - 1) < 0.08
    spread, shares = sharpness.basin_radius(loss, rise=0.1, probes=200, scale="weight")
    draws = np.random.default_rng(1).standard_normal((20000, len(hessian)))
    forms = np.einsum("ki,ij,kj->k", draws, scaled(loss, hessian, "weight").numpy(), draws)
    assert spread.low < np.median(np.sqrt(0.2 / forms)) < spread.high
    for radius, (hits, low, high) in shares.items():
        expected = float((0.5 * radius**2 * forms > 0.1).mean())
        exact = stats.binomtest(hits, 200).proportion_ci(method="exact")
        assert (low, high) == pytest.approx((exact.low, exact.high))
        assert low - 0.03 < expected < high + 0.03


def test_what_never_rises_has_no_radius():
    flat = objective(torch.ones(3), lambda w: 0 * w.sum() + 1.0)
    for found in (
        sharpness.gaussian_radius(flat, probes=2),
        sharpness.basin_radius(flat, probes=2, scale="raw")[0],
    ):
        assert math.isnan(found.value)
        assert "does not rise by 0.1" in found.reason


def test_frobenius_and_trace_against_the_dense_hessian():
    loss, hessian = bowl()
    found = frobenius(loss, probes=200)
    for name, expected in (("frobenius", float(hessian.norm())), ("trace", float(hessian.trace()))):
        assert float(found[f"{name}_low"]) < expected < float(found[f"{name}_high"])
    basis = torch.eye(len(hessian)).double() * math.sqrt(len(hessian))
    exact = frobenius(loss, probes=len(hessian), signs=lambda index: basis[index])
    assert float(exact.frobenius) == pytest.approx(float(hessian.norm()))
    case = BY_NAME["conv-bn"].objective()
    dense = dense_reference(BY_NAME["conv-bn"]).hessian
    found = frobenius(Operator(case), probes=60)
    assert float(found.frobenius_low) < float(dense.norm()) < float(found.frobenius_high)


def test_numbers_out_of_range_are_refused():
    loss, _ = bowl()
    for call, words in (
        (lambda: sharpness.average(loss, radius=0.0), "radius must be positive"),
        (lambda: sharpness.worst(loss, radius=math.inf), "radius must be positive"),
        (lambda: sharpness.worst(loss, radius=1.0, steps=0), "at least one step"),
        (lambda: sharpness.gaussian_radius(loss, rise=-1.0), "rise must be a positive"),
        (lambda: sharpness.average(loss, radius=1.0, scale="row"), "choose one of raw, weight, filter"),
        (lambda: sharpness.average(loss, radius=1.0, scale="filter"), "no weights made of filters"),
    ):
        with pytest.raises(ArgumentError, match=words):
            call()
    for call in (lambda: sharpness.average(loss, radius=1.0, probes=1), lambda: frobenius(loss, probes=1)):
        with pytest.raises(LandscapeError, match="at least 2 probes"):
            call()
