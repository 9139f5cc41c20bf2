"""Axes with an exact centre, and orders whose every beginning covers the whole grid."""

import numpy as np
import pytest

from landscape.errors import LandscapeError
from landscape.surface import axis, coarse_to_fine, covering


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


def test_a_covering_grid_goes_as_far_beyond_the_points_on_each_side():
    points = np.array([[0.0, 0.0], [4.0, 1.0], [2.0, -1.0]])
    x, y = covering(points, 7, margin=0.25)
    np.testing.assert_allclose(x, np.linspace(-1, 5, 7), atol=1e-15)
    np.testing.assert_allclose(y, np.linspace(-2, 2, 7), atol=1e-15)


def test_a_covering_line_has_one_axis():
    (x,) = covering(np.array([[0.0], [1.0]]), 21)
    np.testing.assert_allclose(x, np.linspace(-0.5, 1.5, 21), atol=1e-15)
    assert 0.0 in x
    assert 1.0 in x


def test_points_that_rounding_alone_keeps_off_the_grid_are_put_on_it():
    points = np.array([[0.1, 0.3], [0.1 + 0.7, 0.3 + 0.1]])
    x, y = covering(points, 15, margin=0.0)
    for axis_, column in ((x, points[:, 0]), (y, points[:, 1])):
        assert set(column) <= set(axis_)
        assert (np.diff(axis_) > 0).all()
    # One that lies between two points of the grid stays between them.
    (x,) = covering(np.array([[0.0], [1.0], [0.123]]), 11, margin=0.0)
    assert 0.123 not in x
    np.testing.assert_allclose(x, np.linspace(0, 1, 11), atol=1e-15)


@pytest.mark.parametrize(
    ("points", "options", "text"),
    [
        ([[0.0, 0.0], [1.0, 2.0]], {"steps": 2}, "at least 3 steps.*got 2 steps"),
        ([[0.0, 0.0], [1.0, 2.0]], {"steps": 5, "margin": -0.1}, "a margin of -0.1"),
        ([[0.0, 0.0], [1.0, 2.0]], {"steps": 5, "margin": np.nan}, "a margin of nan"),
        ([[0.0, 0.0], [1.0, 2.0]], {"steps": 5, "margin": np.inf}, "a margin of inf"),
        ([[1.0, 2.0], [1.0, 2.0]], {"steps": 5}, "an extent of 0.0"),
        ([[1.0, 2.0], [np.nan, 2.0]], {"steps": 5}, "an extent of nan"),
        # An axis along which nothing differs, with no margin, would be one point many times.
        ([[0.0, 2.0], [1.0, 2.0]], {"steps": 5, "margin": 0.0}, "points that differ"),
    ],
)
def test_grids_that_cannot_be_are_explained(points, options, text):
    with pytest.raises(LandscapeError, match=text):
        covering(np.array(points), **options)
