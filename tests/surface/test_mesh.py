"""Grid points: their names, their weights, the order of the visits, and their dropout masks."""

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.surface import Directions, Mesh, axis, random, surface
from tests.cases import BY_NAME


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
