"""Barrier and mode connectivity against closed forms."""

import numpy as np
import pytest

from landscape.connectivity import barrier, connectivity
from landscape.errors import ArgumentError
from landscape.surface.connectivity import mode_connectivity

T = np.linspace(0, 1, 11)


def well(tilt: float, noise: float, samples: int = 4000):
    """Losses of samples in a double well (w² − 1)² + tilt·(w + 1)/2, each with a factor of its own."""
    rng = np.random.default_rng(1)
    w = 2 * T - 1
    factors = 1 + noise * rng.standard_normal(samples)
    own = rng.standard_normal(samples)  # common to all points: it cancels in paired differences
    return (w**2 - 1)[:, None] ** 2 * factors + (tilt * T)[:, None] + own


def test_a_double_well_without_noise():
    found = barrier(T, well(0.3, 0.0))
    assert found.value == pytest.approx(1.0, abs=1e-12)
    assert found.at == pytest.approx(0.5)
    assert found.error < 1e-12
    mode = connectivity(T, well(0.0, 0.0))
    assert mode.value == pytest.approx(-1.0, abs=1e-12)
    assert mode.error < 1e-12


def test_errors_are_those_of_paired_differences():
    found = barrier(T, well(0.3, 0.5))
    assert found.error == pytest.approx(0.5 / np.sqrt(4000), rel=0.05)
    assert abs(found.value - 1.0) < 3 * found.error
    mode = connectivity(T, well(0.0, 0.5))
    assert abs(mode.value + 1.0) < 3 * mode.error


def test_a_bowl_has_no_barrier():
    found = barrier(T, ((T - 0.4) ** 2)[:, None] * np.ones(5))
    assert (found.value, found.at, found.resolution) == (0.0, 0.0, 0.0)
    assert found.error == pytest.approx(0, abs=1e-12)


def test_mode_connectivity_is_positive_where_ends_are_trained_too_little():
    found = connectivity(T, ((T - 0.5) ** 2)[:, None] * np.ones(5))
    assert found.value == pytest.approx(0.25)
    assert found.at == 0.5


def test_what_lies_between_points_is_stated():
    # A parabola with its vertex at 0.53: the largest point is 0.5, and the vertex 0.0009·4 above it.
    losses = (1 - 4 * (T - 0.53) ** 2)[:, None] * np.ones(3)
    found = barrier(T, losses)
    peak = max(-4 * (t - 0.53) ** 2 + 4 * ((1 - t) * 0.53**2 + t * 0.47**2) for t in np.linspace(0, 1, 10001))
    assert found.value + found.resolution == pytest.approx(peak, rel=1e-6)


@pytest.mark.parametrize("t", [T[:-1], np.array([0.0, 1.0]), np.array([0.0, 0.5, 0.9])])
def test_paths_that_show_no_barrier_are_refused(t):
    with pytest.raises(ArgumentError, match="at three points or more"):
        barrier(t, np.ones((len(t), 2)))
    with pytest.raises(ArgumentError, match="at three points or more"):
        connectivity(t, np.ones((len(t), 2)))


def test_unequal_ends_alone_are_no_barrier_and_both_commands_agree():
    t = np.linspace(0, 1, 11)
    losses = (0.1 + t)[:, None] * np.ones(3)
    found, other = connectivity(t, losses), mode_connectivity(t, losses)
    assert (found.value, found.at) == (pytest.approx(other.value), other.t)
    assert barrier(t, losses).value == pytest.approx(0, abs=1e-12)
