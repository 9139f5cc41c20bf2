"""Projections of points whose coordinates are known, and polar trajectories against the formula."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.errors import LandscapeError
from landscape.parameters import norm, shifted
from landscape.surface.directions import Directions, rejected
from landscape.surface.series import line, principal, triangle
from landscape.surface.trajectory import polar, project
from tests.references import flat
from tests.surface.test_series import checkpoint, matrix, series

coordinate = st.floats(-10, 10)


def skew(overlap: float) -> Directions:
    """Two directions that are not orthogonal."""
    first, second = checkpoint(1), checkpoint(2)
    return Directions((first, {name: second[name] + overlap * first[name] for name in first}))


@settings(max_examples=25, deadline=None)
@given(points=st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=4), overlap=coordinate)
def test_points_in_the_plane_are_reproduced(points, overlap: float):
    origin, directions = checkpoint(0), skew(overlap)
    delta, eta = directions.vectors
    seen = project([shifted(origin, (x, delta), (y, eta)) for x, y in points], directions, origin)
    np.testing.assert_allclose(np.stack([seen.x, seen.y], 1), points, atol=1e-11)
    assert float(seen.off_plane.max()) < 1e-11


def test_nearly_parallel_directions_keep_their_digits():
    origin, directions = checkpoint(0), skew(5e5)
    delta, eta = directions.vectors
    seen = project([shifted(origin, (3.0, delta), (-2.0, eta))], directions, origin)
    assert float(seen.y[0]) == pytest.approx(-2, abs=1e-9)
    assert float(seen.off_plane[0]) < 1e-8


@settings(max_examples=25, deadline=None)
@given(x=coordinate, y=coordinate, height=st.floats(1e-3, 10), overlap=coordinate)
def test_a_known_perpendicular_part_is_the_distance_off_the_plane(x, y, height, overlap):
    origin, directions = checkpoint(0), skew(overlap)
    delta, eta = directions.vectors
    up = rejected(rejected(checkpoint(3), delta), directions.orthogonalised().vectors[1])
    point = shifted(origin, (x, delta), (y, eta), (height / float(norm(up)), up))
    seen = project([point], directions, origin)
    assert float(seen.off_plane[0]) == pytest.approx(height, rel=1e-8)
    assert (float(seen.x[0]), float(seen.y[0])) == pytest.approx((x, y), abs=1e-8)
    assert float(seen.distance[0]) == pytest.approx(float((flat(point) - flat(origin)).norm()), rel=1e-12)


def test_a_projection_is_the_least_squares_solution():
    origin, directions, checkpoints = checkpoint(0), skew(0.7), series(4, seed=5)
    seen = project(checkpoints, directions, origin)
    basis = np.stack([flat(v).numpy() for v in directions.vectors], 1)
    rows = matrix(checkpoints, origin)
    solution, squares, *_ = np.linalg.lstsq(basis, rows.T)
    np.testing.assert_allclose(np.stack([seen.x, seen.y]), solution, atol=1e-12)
    np.testing.assert_allclose(seen.off_plane**2, squares, rtol=1e-10)
    explained = 1 - squares.sum() / (rows**2).sum()
    first = basis[:, 0] / np.linalg.norm(basis[:, 0])
    alone = ((rows @ first) ** 2).sum() / (rows**2).sum()
    np.testing.assert_allclose(seen.explained_variance, [alone, explained - alone], rtol=1e-10)


def test_the_variance_that_principal_components_explain():
    checkpoints = series(6)
    directions, ratios = principal(checkpoints)
    seen = project(checkpoints, directions)
    np.testing.assert_allclose(seen.explained_variance, ratios[:2], atol=1e-13)
    assert float(seen.x[-1]) == float(seen.y[-1]) == float(seen.distance[-1]) == 0
    np.testing.assert_allclose(seen.x**2 + seen.y**2 + seen.off_plane**2, seen.distance**2, rtol=1e-12)
    assert (seen.x.attrs["units"], seen.x.attrs["long_name"]) == ("‖Δw‖", "principal component 1")


def test_corners_of_a_triangle_are_where_it_says():
    a, b, c = series(3)
    directions, corners = triangle(a, b, c)
    seen = project([a, b, c], directions)
    np.testing.assert_allclose(np.stack([seen.x, seen.y], 1), corners, atol=1e-13)


def test_a_line_has_one_coordinate():
    a, b, c = series(3)
    seen = project([a, b, c], line(a, b))
    assert "y" not in seen
    np.testing.assert_allclose(seen.x[:2], [0, 1], atol=1e-14)
    assert seen.explained_variance.shape == (1,)
    assert seen.checkpoint.values.tolist() == [0, 1, 2]


def test_what_the_directions_lack_is_off_the_plane_and_statistics_are_nowhere():
    origin, moved = checkpoint(0), checkpoint(0)
    moved["conv.bias"] = moved["conv.bias"] + torch.tensor([0.0, 3.0, 4.0])
    some = Directions(({"linear.weight": torch.ones(2, 3)},))
    seen = project(
        [moved | {"bn.running_mean": torch.ones(9)}], some, origin | {"bn.running_mean": torch.ones(2)}
    )
    assert float(seen.off_plane[0]) == float(seen.distance[0]) == pytest.approx(5)
    assert float(seen.x[0]) == 0


def test_nothing_that_moves_has_no_variance():
    origin = checkpoint(0)
    assert np.isnan(project([origin], skew(0.0), origin).explained_variance).all()


def test_float32_checkpoints_are_measured_in_float64():
    end = {"w": torch.full((1000,), 1000.0)}
    step = {"w": torch.full((1000,), 2.0**-10)}
    moved = shifted(end, (1.0, step))
    seen = project([moved], Directions((step,)), end)
    assert (float(seen.x[0]), float(seen.off_plane[0])) == (1, 0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), length=st.integers(3, 6))
def test_a_polar_trajectory_is_the_formula(seed: int, length: int):
    checkpoints = series(length, seed)
    seen = polar(checkpoints)
    back = matrix(checkpoints, checkpoints[-1])
    lengths = np.linalg.norm(back, axis=1)
    np.testing.assert_allclose(seen.radius, lengths / lengths[0], rtol=1e-12)
    cosines = back[:-1] @ back[0] / (lengths[:-1] * lengths[0])
    np.testing.assert_allclose(seen.angle[:-1], np.arccos(cosines.clip(-1, 1)), atol=1e-7)
    assert (float(seen.radius[0]), float(seen.angle[0]), float(seen.radius[-1])) == (1, 0, 0)
    assert np.isnan(seen.angle[-1])


@pytest.mark.parametrize("angle", [1e-12, 1e-6, 0.3, np.pi / 2, 3.0, np.pi])
def test_small_and_obtuse_angles(angle: float):
    end = {"w": torch.zeros(2, dtype=torch.float64)}
    points = [{"w": torch.tensor(p, dtype=torch.float64)} for p in ((2, 0), (np.cos(angle), np.sin(angle)))]
    seen = polar([*points, end])
    assert float(seen.angle[1]) == pytest.approx(angle, rel=1e-9)
    assert float(seen.radius[1]) == pytest.approx(0.5)


def test_a_polar_trajectory_of_float32_checkpoints_starts_at_zero():
    seen = polar(series(4, dtype=torch.float32))
    assert (float(seen.radius[0]), float(seen.angle[0])) == (1, 0)


A, B, C = series(3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: project([A], skew(0.0)), "give those as the origin"),
        (lambda: project([], skew(0.0), A), "nothing to project"),
        (lambda: project([{"conv.bias": B["conv.bias"]}], skew(0.0), A), "checkpoint 0 lacks the tensor"),
        (lambda: project([A, B | {"conv.bias": torch.ones(4)}], skew(0.0), A), "(4,) in checkpoint 1, (3,)"),
        (lambda: project([A], skew(0.0), {"conv.bias": A["conv.bias"]}), "a direction has a tensor"),
        (lambda: project([A], Directions((A, A)), B), "are parallel"),
        (lambda: polar([A]), "at least two checkpoints, got 1"),
        (lambda: polar([A, B, A]), "hold the same weights; give the series"),
        (lambda: polar([{"conv.bias": A["conv.bias"]}, B]), "the first checkpoint lacks the tensor"),
        (lambda: polar([A, C | {"conv.bias": torch.ones(4)}, B]), "(4,) in checkpoint 1"),
    ],
)
def test_impossible_trajectories_are_explained(make, text: str):
    with pytest.raises(LandscapeError) as caught:
        make()
    assert text in str(caught.value)
