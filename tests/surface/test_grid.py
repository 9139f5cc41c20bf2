"""Axes with an exact centre, and orders whose every beginning covers the whole grid."""

import numpy as np
import pytest

from landscape.surface import axis, coarse_to_fine


def test_an_axis_has_its_ends_and_an_exact_zero():
    coordinates = axis(0.3, 7)
    np.testing.assert_allclose(coordinates, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3], atol=1e-15)
    assert coordinates[3] == 0.0


@pytest.mark.parametrize("shape", [(3,), (21,), (5, 5), (21, 21), (7, 13), (1, 1)])
def test_every_point_comes_once_and_the_centre_first(shape):
    order = coarse_to_fine(shape)
    assert sorted(order) == sorted(np.ndindex(*shape))
    assert order[0] == tuple(size // 2 for size in shape)


def test_a_beginning_is_a_coarser_grid():
    order = coarse_to_fine((17, 17))
    assert set(order[:9]) == {(i, j) for i in (0, 8, 16) for j in (0, 8, 16)}
    assert set(order[:25]) == {(i, j) for i in range(0, 17, 4) for j in range(0, 17, 4)}
    assert set(order[:81]) == {(i, j) for i in range(0, 17, 2) for j in range(0, 17, 2)}
