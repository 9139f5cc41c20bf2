"""The points of a surface: axes, their order, and the weights at each."""

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.surface import Directions, Mesh, axis, coarse_to_fine, covering, random, surface
from tests.cases import BY_NAME


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


def test_a_plane_has_rows_of_y_and_columns_of_x():
    objective = BY_NAME["conv-bn"].objective()
    directions = random(objective, seed=3)
    mesh = Mesh(objective, directions, ([-1, 0.5, 2, 3], [10, 20, 30]))
    assert mesh.shape == (3, 4)
    assert mesh.dims == ("y", "x")
    assert mesh.coordinates((2, 1)) == (0.5, 30.0)
    delta, eta = directions.vectors
    weights = mesh.weights((2, 1))
    assert list(weights) == list(objective.parameters)
    for name, value in objective.parameters.items():
        torch.testing.assert_close(weights[name], value + 0.5 * delta[name] + 30 * eta[name])


def test_a_line_has_x_alone():
    objective = BY_NAME["conv"].objective()
    directions = random(objective, count=1)
    mesh = Mesh(objective, directions, (axis(2.0, 5),))
    assert (mesh.shape, mesh.dims) == ((5,), ("x",))
    assert mesh.order[0] == (2,)
    assert mesh.coordinates((4,)) == (2.0,)
    moved = mesh.weights((4,))
    for name, value in objective.parameters.items():
        torch.testing.assert_close(moved[name], value + 2 * directions.vectors[0][name])


def test_the_centre_is_exactly_the_trained_weights_and_comes_first():
    objective = BY_NAME["residual-A"].objective()
    mesh = Mesh(objective, random(objective), (axis(0.3, 5), axis(0.3, 5)))
    centre = mesh.weights(mesh.order[0])
    assert all(torch.equal(centre[name], value) for name, value in objective.parameters.items())
    assert sorted(mesh.order) == sorted(np.ndindex(5, 5))


def test_given_origins_take_the_place_of_the_weights():
    objective = BY_NAME["subset"].objective()
    directions = random(objective)
    moved = {name: value + 1 for name, value in objective.free.items()}
    mesh = Mesh(objective, Directions(directions.vectors, origin=moved), (axis(1, 3), axis(1, 3)))
    centre = mesh.weights((1, 1))
    for name, value in objective.parameters.items():
        # What the origin does not name stays the network's own.
        assert torch.equal(centre[name], moved.get(name, value))
    assert set(moved) < set(centre)


def test_every_point_has_masks_of_its_own():
    objective = BY_NAME["conv"].objective()
    mesh = Mesh(objective, random(objective), (axis(1, 3), axis(1, 5)))
    assert sorted(mesh.draw(place) for place in mesh.order) == list(range(1, 16))


def test_the_points_of_a_surface_are_those_of_its_mesh():
    objective = BY_NAME["mc-dropout"].objective(dropout="fresh")
    directions, grid = random(objective, seed=1), (axis(0.4, 3), axis(0.2, 5))
    found, mesh = surface(objective, directions, grid), Mesh(objective, directions, grid)
    for place in ((0, 0), (4, 1), (2, 2)):
        cell = found.isel(y=place[0], x=place[1])
        assert (float(cell.x), float(cell.y)) == mesh.coordinates(place)
        assert float(cell.nll) == objective.value(mesh.weights(place), draw=mesh.draw(place)).nll


@pytest.mark.parametrize(("count", "axes"), [(1, 2), (2, 1)])
def test_directions_and_grid_must_match(count: int, axes: int):
    objective = BY_NAME["conv"].objective()
    with pytest.raises(LandscapeError, match=f"{count} directions need as many axes of the grid, got {axes}"):
        Mesh(objective, random(objective, count=count), (axis(1, 3),) * axes)
