"""Minima counted by hand, persistence against a union-find of our own, and walls where nothing is finite."""

import itertools
import sys

import numpy as np
import pytest
import xarray as xr

from landscape.errors import LandscapeError
from landscape.results import load, save, stamp
from landscape.surface.roughness import local_minima, roughness

NAN, INF = np.nan, np.inf


def surface(values, errors=None) -> xr.Dataset:
    """A surface of these losses on axes from −1 to 1."""
    values = np.asarray(values, float)
    dims = ("repeat", "y", "x")[-values.ndim :]
    coords = {d: np.linspace(-1, 1, n) for d, n in zip(dims, values.shape, strict=True) if d != "repeat"}
    table = {"nll": (dims, values)}
    if errors is not None:
        table["standard_error"] = (dims, np.broadcast_to(np.asarray(errors, float), values.shape))
    return xr.Dataset(table, coords=coords)


def neighbours(place: tuple[int, ...], shape: tuple[int, ...]):
    for step in itertools.product((-1, 0, 1), repeat=len(shape)):
        there = tuple(np.add(place, step))
        if any(step) and all(0 <= i < n for i, n in zip(there, shape, strict=True)):
            yield there


def merging(values: np.ndarray) -> list[tuple[float, float]]:
    """Births and deaths by flooding: points join in order of their values, the younger component dies."""
    parent: dict = {}
    found = []

    def root(place):
        while parent[place] != place:
            place = parent[place]
        return place

    for place in sorted(np.ndindex(values.shape), key=lambda p: values[p]):
        if not np.isfinite(values[place]):
            continue
        parent[place] = place
        for other in neighbours(place, values.shape):
            if other in parent:
                old, young = sorted((root(other), root(place)), key=lambda p: values[p])
                if old != young:
                    if values[place] > values[young]:
                        found.append((values[young], values[place]))
                    parent[young] = old
    found += [(values[place], INF) for place in parent if parent[place] == place]
    return sorted(found)


def rough(seed: int, shape: tuple[int, ...], levels: int = 0, holes: int = 0) -> np.ndarray:
    """Random values, on few levels if there are to be plateaus, with holes that are not finite."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, shape).astype(float) if levels else rng.standard_normal(shape)
    values.flat[rng.choice(values.size, holes, replace=False)] = np.resize([NAN, INF, -INF], holes)
    return values


CASES = [
    (0, (9, 9), 0, 0),
    (1, (6, 11), 0, 0),
    (2, (8, 8), 4, 0),
    (3, (10, 9), 0, 25),
    (4, (9, 7), 3, 30),
    (5, (40,), 0, 0),
    (6, (30,), 4, 0),
    (7, (30,), 3, 9),
    (8, (3, 3), 2, 0),
]
"""Seed, shape, levels (0: all values differ), holes."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_persistence_against_flooding(case):
    values = rough(*case)
    found = roughness(surface(values))
    expected = merging(np.where(np.isfinite(values), values, INF))
    born = ~np.isnan(found.death.values)
    pairs = sorted(zip(values[born], found.death.values[born], strict=True))
    assert pairs == expected
    finite = [death - birth for birth, death in expected if death < INF]
    assert float(found.total_persistence) == pytest.approx(sum(finite), rel=1e-12)
    assert int(found.components) == len(expected) - len(finite)
    np.testing.assert_allclose(found.persistence.values[born], found.death.values[born] - values[born])
    assert (np.isnan(found.persistence.values) == ~born).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_minima_against_a_search_of_every_plateau(case):
    values = rough(*case)
    walled = np.where(np.isfinite(values), values, INF)
    seen, everywhere, inside = set(), 0, 0
    for start in np.ndindex(values.shape):
        if start in seen or not np.isfinite(values[start]):
            continue
        plateau, front, rim = {start}, [start], []
        while front:
            for other in neighbours(front.pop(), values.shape):
                if walled[other] != values[start]:
                    rim.append(walled[other])
                elif other not in plateau:
                    plateau.add(other)
                    front.append(other)
        seen |= plateau
        if all(value > values[start] for value in rim):
            everywhere += 1
            on_border = any(i in (0, n - 1) for p in plateau for i, n in zip(p, values.shape, strict=True))
            inside += not on_border
    assert local_minima(walled).max() == everywhere
    found = roughness(surface(values))
    assert int(found.minima) == inside == found.local_minimum.values.sum()
    assert not np.isnan(found.persistence.values[found.local_minimum.values]).any()


def test_a_bowl_is_not_rough():
    x, y = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 5))
    found = roughness(surface(2 + x**2 + 3 * y**2 + 0.1 * x, errors=0.01), loops=True)
    assert int(found.minima) == int(found.significant_minima) == int(found.components) == 1
    assert np.argwhere(found.local_minimum.values).tolist() == [[2, 3]]
    assert found.persistence.values[2, 3] == found.death.values[2, 3] == INF
    assert float(found.total_persistence) == float(found.significant_persistence) == 0
    assert float(found.quadratic_residual) < 1e-20
    assert int(found.loops) == int(found.not_finite) == 0


TWO = [[9, 9, 9, 9, 9, 9], [9, 1, 5, 4, 2, 9], [9, 9, 9, 9, 9, 9]]


def test_two_wells_and_the_pass_between_them():
    found = roughness(surface(TWO))
    assert np.argwhere(found.local_minimum.values).tolist() == [[1, 1], [1, 4]]
    assert found.death.values[1, 4] == 5
    assert found.persistence.values[1, 4] == float(found.total_persistence) == 3
    assert found.persistence.values[1, 1] == INF
    assert "significant" not in found
    assert "significant_minima" not in found
    assert "loops" not in found
    assert 0 < float(found.quadratic_residual) < 1


def test_diagonal_neighbours_touch():
    values = np.array([[9, 9, 9, 9], [9, 1, 9, 9], [9, 9, 0, 9], [9, 9, 9, 9]])
    found = roughness(surface(values))
    assert np.argwhere(found.local_minimum.values).tolist() == [[2, 2]]
    assert float(found.total_persistence) == 0


def test_a_plateau_counts_once_at_its_first_point_and_not_on_the_border():
    values = np.full((5, 6), 9.0)
    values[1, 3] = values[2, 2] = values[3, 2] = 1  # one plateau by a diagonal
    values[0, 5] = values[1, 5] = 0  # on the border, lower
    found = roughness(surface(values))
    assert np.argwhere(found.local_minimum.values).tolist() == [[1, 3]]
    assert found.persistence.values[1, 3] == float(found.total_persistence) == 8
    assert found.persistence.values[0, 5] == INF
    values[2, 1], values[2, 0] = 1, 1  # now it reaches the border
    assert int(roughness(surface(values)).minima) == 0
    assert int(roughness(surface(np.ones((4, 4)))).minima) == 0


def test_a_plateau_with_a_way_down_is_no_minimum():
    line = [9, 3, 3, 2, 9, 4, 4, 9]
    assert np.flatnonzero(roughness(surface(line)).local_minimum).tolist() == [3, 5]


def test_what_is_not_finite_is_a_wall_and_stays_as_it_is():
    values = np.array(TWO, float)
    values[:, 2] = [NAN, INF, -INF]
    copy = values.copy()
    data = surface(values, errors=np.where(np.isfinite(values), 1.0, NAN))
    found = roughness(data)
    assert int(found.not_finite) == 3
    assert int(found.minima) == int(found.components) == int(found.significant_minima) == 2
    assert float(found.total_persistence) == 0
    assert (found.persistence.values[1, [1, 4]] == INF).all()
    np.testing.assert_array_equal(data.nll, copy)
    alone = roughness(surface([[9, 9, 9], [9, NAN, 9], [9, 9, 9]]), loops=True)
    assert (int(alone.loops), float(alone.loop_persistence), int(alone.minima)) == (1, 0, 0)


def test_nothing_finite():
    found = roughness(surface(np.full((4, 4), NAN), errors=NAN), loops=True)
    assert int(found.not_finite) == 16
    assert (
        int(found.minima) == int(found.components) == int(found.significant_minima) == int(found.loops) == 0
    )
    assert np.isnan(found.quadratic_residual)


def test_shallow_minima_are_not_significant():
    errors = np.zeros((3, 6))
    errors[1, 4], errors[1, 2] = 0.9, 1.1  # at the minimum and at the pass: 2·√(0.9² + 1.1²) = 2.84
    found = roughness(surface(TWO, errors))
    assert int(found.significant_minima) == 2
    assert float(found.significant_persistence) == 3
    errors[1, 2] = 1.3  # 3.16
    found = roughness(surface(TWO, errors))
    assert int(found.minima) == 2
    assert int(found.significant_minima) == 1
    assert np.argwhere(found.significant.values).tolist() == [[1, 1]]
    assert float(found.significant_persistence) == 0
    assert float(found.total_persistence) == 3
    errors[1, 2] = NAN
    assert int(roughness(surface(TWO, errors)).significant_minima) == 1


def test_significant_minima_on_the_border_are_marked_but_not_counted():
    found = roughness(surface([2, 5, 1, 9, 0], errors=0.1))
    assert int(found.significant_minima) == 1
    assert found.significant.values.tolist() == [True, False, True, False, True]
    assert float(found.significant_persistence) == 3 + 8


def test_rings():
    values = np.array([[1, 1, 1, 1], [1, 7, 2, 1], [1, 1, 3, 1], [1, 1, 1, 1]])
    found = roughness(surface(values), loops=True)
    # One around all of 7, 2 and 3; once 2 is reached another around 3, which touches 7 by a corner only.
    assert int(found.loops) == 2
    assert float(found.loop_persistence) == (7 - 1) + (3 - 2)


def test_repeats_are_measured_apart():
    first, second = np.array(TWO, float), np.full((3, 6), NAN)
    data = surface(np.stack([first, second]), errors=0.1).assign_coords(repeat=[7, 8])
    found = roughness(data)
    assert found.minima.values.tolist() == [2, 0]
    assert found.not_finite.values.tolist() == [0, 18]
    assert found.persistence.dims == ("repeat", "y", "x")
    assert found.quadratic_residual.dims == ("repeat",)
    merged = xr.merge([data, found], join="exact", compat="no_conflicts")
    assert merged.sizes == {"repeat": 2, "y": 3, "x": 6}


def test_the_radius_is_that_of_the_quadratic():
    x = np.linspace(-1, 1, 11)
    values = x**2 + 100.0 * (np.abs(x) > 0.9)
    assert float(roughness(surface(values)).quadratic_residual) > 0.01
    assert float(roughness(surface(values), radius=0.8).quadratic_residual) < 1e-20
    assert np.isnan(roughness(surface(values), radius=0.1).quadratic_residual)


def test_it_merges_into_a_surface_and_is_stored(tmp_path):
    data = surface(TWO, errors=0.1)
    merged = data.merge(roughness(data, loops=True))
    merged = merged.assign(l2=merged.nll, accuracy=merged.nll)
    merged = stamp(merged, kind="surface", network={}, protocol={}, provenance={})
    save(merged, tmp_path / "surface.zarr")
    xr.testing.assert_equal(load(tmp_path / "surface.zarr"), merged)


def test_a_published_surface(shared_data):
    table = np.genfromtxt(next((shared_data / "published-surfaces").glob("*dnn_50*")), delimiter=",")
    found = roughness(surface(table[:, 4].reshape(21, 21)))
    assert int(found.not_finite) == 31
    assert np.argwhere(np.isinf(found.persistence.values)).tolist() == [[10, 9]]  # y = 0, x = −0.1
    assert found.local_minimum.values[10, 9]


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        (xr.Dataset(), "got no nll"),
        (xr.Dataset({"nll": (("x", "y"), np.ones((2, 2)))}), "got x, y"),
        (xr.Dataset({"nll": ("repeat", np.ones(2))}), "got repeat"),
        (surface(TWO).assign(done=(("y", "x"), np.eye(3, 6) > 0)), "15 of 18 points are not computed yet"),
    ],
)
def test_what_is_no_finished_surface_is_explained(dataset, text):
    with pytest.raises(LandscapeError) as caught:
        roughness(dataset)
    assert text in str(caught.value)


def test_a_radius_that_is_not_positive_is_an_error():
    with pytest.raises(LandscapeError, match="radius of the fit must be positive"):
        roughness(surface(TWO), radius=-1.0)


def test_without_gudhi_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gudhi", None)
    with pytest.raises(LandscapeError, match="pip install gudhi"):
        roughness(surface(TWO))
