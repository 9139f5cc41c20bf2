"""Flatness of bowls in closed form, losses that run away, and repeats that can be resumed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from landscape.errors import LandscapeError
from landscape.losses import squared_error
from landscape.objective import Objective
from landscape.parameters import norm, shifted
from landscape.results import Journal
from landscape.surface.directions import random
from landscape.surface.flatness import flatness, radius_at_rise, summary
from tests.cases import BY_NAME

RADII = (0.1, 0.3, 1.0)


def bowl() -> Objective:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    module = nn.Linear(4, 3, bias=False, dtype=torch.float64)
    module.weight.data = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    return Objective(module, (inputs, torch.arange(6) % 3), loss=squared_error, dtype=torch.float64)


def expected_curvature(objective: Objective, repeats: int) -> np.ndarray:
    """Dᵀ H d of each direction: the mean of ‖x d‖² over samples, times 2/3."""
    inputs, found = objective.samples.inputs, []
    for index in range(repeats):
        (direction,) = random(objective, seed=3, count=1, repeat=index).vectors
        found.append(2 * float((inputs @ direction["weight"].T).square().mean()))
    return np.array(found)


def stand_in(loss, size: int = 3) -> SimpleNamespace:
    """Something with the interface of an objective: `loss` of the weights, which start at one."""
    weights = {"w": torch.ones(1, size, dtype=torch.float64)}

    def value(parameters, *, draw=0):
        return SimpleNamespace(nll=float(loss(parameters["w"])))

    network = SimpleNamespace(module=nn.Module())
    return SimpleNamespace(parameters=weights, free=weights, network=network, dropout="off", value=value)


def test_a_bowl_in_closed_form():
    objective = bowl()
    found = flatness(objective, radii=RADII, repeats=4, seed=3, rise=0.2)
    curvature = expected_curvature(objective, 4)
    np.testing.assert_allclose(found.curvature, curvature, rtol=1e-6)
    np.testing.assert_allclose(found.rise, 0.5 * curvature[:, None] * np.square(RADII), rtol=1e-6)
    np.testing.assert_allclose(found.radius_at_rise, np.sqrt(0.4 / curvature), rtol=1e-6)
    np.testing.assert_allclose(found.center, objective.value().nll)
    np.testing.assert_allclose(
        found.direction_norm, float(norm(objective.parameters)), rtol=1e-12
    )  # filter norms
    for repeat, sign in ((0, 1), (3, -1)):
        (direction,) = random(objective, seed=3, count=1, repeat=repeat).vectors
        there = shifted(objective.parameters, (sign * 0.3, direction))
        cell = found.loss.sel(repeat=repeat, radius=0.3, sign=sign)
        assert float(cell) == objective.value(there).nll
    highest = (found.loss.values - objective.value().nll).max((0, 2)) / (1 + objective.value().nll)
    np.testing.assert_allclose(found.sharpness, 100 * highest, rtol=1e-12)
    assert len(np.unique(curvature)) == 4


def test_dimensions_names_and_counts():
    found = flatness(bowl(), radii=RADII, repeats=4, seed=3, rise=0.2)
    dims = {name: variable.dims for name, variable in found.data_vars.items()}
    assert dims == {
        "loss": ("repeat", "radius", "sign"),
        "center": ("repeat",),
        "direction_norm": ("repeat",),
        "rise": ("repeat", "radius"),
        "rise_mean": ("radius",),
        "rise_interval": ("quantile", "radius"),
        "not_finite": ("radius",),
        "curvature": ("repeat",),
        "curvature_mean": (),
        "curvature_interval": ("quantile",),
        "radius_at_rise": ("repeat",),
        "radius_at_rise_median": (),
        "radius_at_rise_interval": ("quantile",),
        "not_reached": (),
        "sharpness": ("radius",),
    }
    assert found.radius.attrs["units"] == "filter norms"
    assert found.radius_at_rise.attrs["rise"] == 0.2
    assert (found.not_finite == 0).all()
    assert int(found.not_reached) == 0


def test_intervals_hold_the_mean_and_are_those_of_means_and_medians():
    found = flatness(bowl(), radii=RADII, repeats=8, seed=3, rise=0.2)
    for values, middle, interval, statistic in (
        (found.curvature, found.curvature_mean, found.curvature_interval, np.mean),
        (found.rise[:, 1], found.rise_mean[1], found.rise_interval[:, 1], np.mean),
        (found.radius_at_rise, found.radius_at_rise_median, found.radius_at_rise_interval, np.median),
    ):
        assert float(middle) == pytest.approx(statistic(values.values), rel=1e-12)
        low, high = interval.values
        assert low < float(middle) < high
        if statistic is np.mean:
            half = 2.3646 * float(values.std(ddof=1)) / 8**0.5  # Student's, of seven degrees of freedom
            longer, shorter = sorted((high - float(middle), float(middle) - low), reverse=True)
            assert shorter == pytest.approx(half, rel=1e-4)
            assert half <= longer <= 3.001 * half
        else:
            assert np.sort(values.values)[[0, -1]].tolist() != [low, high]
            assert np.sort(values.values)[0] < low < np.sort(values.values)[1]


def test_the_seed_decides_and_no_global_state_is_touched():
    objective = bowl()
    state = torch.get_rng_state()
    first, again, other = (flatness(objective, radii=RADII, repeats=6, seed=seed) for seed in (5, 5, 6))
    xr.testing.assert_identical(first, again)
    assert not np.isclose(first.curvature, other.curvature).any()
    assert torch.equal(torch.get_rng_state(), state)
    fewer = flatness(objective, radii=RADII, repeats=2, seed=5)
    np.testing.assert_array_equal(fewer.loss, first.loss[:2])


def test_networks_of_one_shape_see_the_same_gaussian_directions():
    flat = flatness(stand_in(lambda w: (w - 1).square().sum()), repeats=3)
    sharp = flatness(stand_in(lambda w: 5 * (w - 1).square().sum()), repeats=3)
    np.testing.assert_allclose(sharp.rise, 5 * flat.rise, rtol=1e-12)
    # Of the same length in every direction, √3: the curvature is 2·3 with no spread.
    np.testing.assert_allclose(flat.curvature, 6, rtol=1e-9)
    np.testing.assert_allclose(flat.curvature_interval, 6, rtol=1e-9)


def test_a_slope_does_not_count():
    sloping = flatness(stand_in(lambda w: 7 * w.sum() + (w - 1).square().sum()), repeats=2)
    np.testing.assert_allclose(sloping.curvature, 6, rtol=1e-9)
    np.testing.assert_allclose(sloping.rise, 3 * sloping.radius.broadcast_like(sloping.rise) ** 2, rtol=1e-9)


def test_the_norm_of_the_directions():
    objective = bowl()
    found = flatness(objective, repeats=2, norm="layer")
    (direction,) = random(objective, norm="layer", count=1, repeat=1).vectors
    assert float(found.loss[1, 0, 1]) == objective.value(shifted(objective.parameters, (-0.1, direction))).nll
    assert found.radius.attrs["units"] == "layer norms"


def test_radius_at_rise_by_hand():
    radii = np.array([1.0, 2.0, 3.0])
    assert radius_at_rise(radii, np.array([1.0, 4.0, 9.0]), 2.25) == pytest.approx(1.5)
    assert radius_at_rise(radii, np.array([1.0, 4.0, 9.0]), 0.25) == pytest.approx(0.5)
    assert radius_at_rise(radii, np.array([1.0, 4.0, 9.0]), 4.0) == pytest.approx(2)
    assert radius_at_rise(radii, np.array([1.0, 4.0, 9.0]), 9.0) == pytest.approx(3)
    assert radius_at_rise(radii, np.array([-1.0, 1.0, 0.0]), 0.5) == pytest.approx(np.sqrt(1 + 3 * 0.75))
    for increase in (
        [1, 4, 8.9],
        [1, np.inf, 9],
        [np.nan, 9, 9],
        [1, np.nan, 9],
        [np.nan, 1, 10],
        [np.nan] * 3,
    ):
        assert np.isnan(radius_at_rise(radii, np.array(increase), 9.0))
    assert radius_at_rise(radii, np.array([9.0, np.nan, np.inf]), 9.0) == pytest.approx(1)


def losses(*increases: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Losses at both signs that rise from 2 by these amounts."""
    table = 2 + np.array(increases, float)
    return np.stack([table, table], 2), np.full(len(table), 2.0)


def test_losses_that_run_away_are_not_left_out():
    loss, center = losses([1, 2, 3], [1, 2, np.inf], [1, np.nan, np.nan], [2, 3, 4])
    loss[3, 0, 1] = 2
    found = summary(loss, center, radii=np.array(RADII), rise=2.5)
    np.testing.assert_array_equal(found.loss, loss)
    np.testing.assert_array_equal(found.not_finite, [0, 1, 2])
    np.testing.assert_array_equal(found.rise[3], [1, 3, 4])
    np.testing.assert_array_equal(found.rise_mean, [1, np.nan, np.nan])
    np.testing.assert_array_equal(found.rise_interval, [[1, np.nan, np.nan], [1, np.nan, np.nan]])
    np.testing.assert_allclose(found.sharpness, [100 * 2 / 3, np.nan, np.nan])
    np.testing.assert_array_equal(np.isnan(found.radius_at_rise), [False, True, True, False])
    assert int(found.not_reached) == 2
    assert np.isnan(found.radius_at_rise_median)  # between 0.3 and beyond
    infinite = summary(*losses([1, np.inf], [1, 2]), radii=np.array([1.0, 2.0]), rise=9.0)
    np.testing.assert_array_equal(infinite.rise_mean, [1, np.inf])
    np.testing.assert_allclose(infinite.sharpness, [100 / 3, np.inf])
    lost = summary(loss * np.inf, center * np.inf, radii=np.array(RADII), rise=2.5)
    assert np.isnan(lost.curvature).all()
    assert int(lost.not_reached) == 4


def test_repeats_that_do_not_rise_enough_lie_beyond_the_largest_radius():
    rows = [[0.0, 4.0]] * 6 + [[0.0, 0.5]]
    found = summary(*losses(*rows[:1] * 6, *rows), radii=np.array([1.0, 2.0]), rise=4.0)
    assert int(found.not_reached) == 1
    assert float(found.radius_at_rise_median) == 2
    np.testing.assert_array_equal(found.radius_at_rise_interval, [2, 2])
    # With three of seven beyond, the median is measured, its upper bound is not.
    found = summary(*losses(*rows[2:], *rows[-1:] * 2), radii=np.array([1.0, 2.0]), rise=4.0)
    assert float(found.radius_at_rise_median) == 2
    np.testing.assert_array_equal(found.radius_at_rise_interval, [2, np.nan])


def test_one_repeat_has_no_interval():
    found = flatness(bowl(), radii=RADII, repeats=1, rise=0.2)
    for name in ("rise", "curvature", "radius_at_rise"):
        assert np.isnan(found[f"{name}_interval"]).all()
    assert float(found.curvature_mean) == float(found.curvature[0])
    assert float(found.radius_at_rise_median) == float(found.radius_at_rise[0])


def test_a_network_without_a_number_far_away():
    found = flatness(stand_in(lambda w: (w - 1).square().sum() + 0 * w.log().sum()), radii=(0.01, 50.0))
    np.testing.assert_array_equal(found.not_finite, [0, 10])
    assert np.isnan(found.rise_mean[1])
    np.testing.assert_allclose(found.curvature_mean, 6)
    assert int(found.not_reached) == 10


def test_items_are_repeats_that_can_be_resumed(tmp_path):
    objective = bowl()
    whole = flatness(objective, radii=RADII, repeats=3)

    class Stopped(Exception):
        pass

    def stopping(items, label, total):
        for number, item in enumerate(items):
            if number == 2:
                raise Stopped
            yield item

    with pytest.raises(Stopped):
        flatness(objective, radii=RADII, repeats=3, run=Journal(tmp_path / "r.zarr", {}).runner(stopping))
    seen = []

    def counting(items, label, total):
        seen.append((label, total))
        return items

    resumed = flatness(
        objective, radii=RADII, repeats=3, run=Journal(tmp_path / "r.zarr", {}).runner(counting)
    )
    assert seen == [("flatness", 1)]
    xr.testing.assert_identical(resumed, whole)


def test_the_centre_is_evaluated_once():
    objective = bowl()
    calls = []
    value = objective.value
    objective.value = lambda *arguments, **options: calls.append(1) or value(*arguments, **options)
    flatness(objective, radii=RADII, repeats=3)
    assert len(calls) == 1 + 3 * len(RADII) * 2


def test_with_fresh_dropout_a_repeat_has_one_mask_of_its_own():
    objective = BY_NAME["mc-dropout"].objective(dropout="fresh")
    found = flatness(objective, radii=(0.1,), repeats=2)
    for index in range(2):
        (direction,) = random(objective, count=1, repeat=index).vectors
        there = shifted(objective.parameters, (0.1, direction))
        assert float(found.loss[index, 0, 0]) == objective.value(there, draw=1 + index).nll
        assert float(found.center[index]) == objective.value(draw=1 + index).nll
    assert found.center[0] != found.center[1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"radii": ()}, "positive, finite and increasing, got none"),
        ({"radii": (0.0, 0.1)}, "got 0.0, 0.1"),
        ({"radii": (0.2, 0.1)}, "got 0.2, 0.1"),
        ({"radii": (0.1, 0.1)}, "got 0.1, 0.1"),
        ({"radii": (0.1, np.inf)}, "got 0.1, inf"),
        ({"radii": (np.nan,)}, "got nan"),
        ({"repeats": 0}, "at least one direction, got repeats 0"),
        ({"rise": 0.0}, "positive number of nats, got 0.0"),
        ({"rise": np.nan}, "got nan"),
        ({"norm": "filters"}, "filters"),
        ({"seed": -1}, "-1"),
    ],
)
def test_impossible_requests_are_explained(options: dict, text: str):
    with pytest.raises(LandscapeError) as caught:
        flatness(bowl(), **options)
    assert text in str(caught.value)
