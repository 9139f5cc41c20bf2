"""What of a surface is drawn: cells, profiles, their open points, and the words of their axes."""

import numpy as np
import pytest

from landscape.comparison.readings import centre_nll
from landscape.errors import ResultError
from landscape.figures import suited
from landscape.figures.surface.grids import cells, is_line, is_plane, profile
from landscape.figures.surface.planes import borders, edges
from landscape.figures.surface.words import Axis, axis_of, panel_labels, proportion
from tests.figures import planes

X = Axis("x", "filter norms", "12.3")


def test_convexity_is_the_ratio_by_magnitude_and_needs_both_eigenvalues():
    dataset = planes.surface(steps=3)
    with pytest.raises(ResultError, match="no hessian_smallest, hessian_largest"):
        cells(dataset, "convexity")
    dataset = dataset.assign(
        {f"hessian_{w}": 0 * dataset["nll"] + v for w, v in (("smallest", -3.0), ("largest", 12.0))}
    )
    np.testing.assert_array_equal(cells(dataset, "convexity").values, np.full((3, 3), 0.25))
    flat = cells(dataset.assign(hessian_largest=0 * dataset["nll"]), "convexity")
    assert flat.not_finite == 9


def test_the_first_repeat_is_what_a_plane_shows():
    both = planes.repeated([planes.surface(curvature=1.0), planes.surface(curvature=9.0)])
    np.testing.assert_array_equal(cells(both).values, planes.surface(curvature=1.0)["nll"].values)
    assert centre_nll(both) == centre_nll(planes.surface())


def test_the_lowest_value_is_found_among_finite_ones():
    dataset = planes.surface(broken=3)
    dataset["nll"][2, 7] = -np.inf
    assert cells(dataset).lowest() == (0.0, 0.0)
    dataset["nll"][:] = np.nan
    assert cells(dataset).lowest() is None


@pytest.mark.parametrize(("points", "step"), [(25, 4), (60, 4), (81, 2), (200, 2), (288, 1), (289, 1)])
def test_a_stopped_run_is_covered_by_the_finest_whole_grid(points, step):
    grid = cells(planes.stopped(planes.surface(steps=17), points)).covering()
    assert grid.step == step
    assert grid.not_done <= 1
    if step > 1:
        assert grid.x[0] == -1
        assert 0 in grid.x


def test_a_few_open_cells_do_not_cost_resolution():
    grid = cells(planes.surface(undone=3))
    assert grid.covering().step == 1
    assert cells(planes.surface(broken=8)).covering().step == 1


def test_edges_lie_half_way_and_end_with_the_grid():
    start, stop = edges(np.array([0.0, 1.0, 3.0]))
    np.testing.assert_array_equal(start, [0, 0.5, 2])
    np.testing.assert_array_equal(stop, [0.5, 2, 3])


def test_cells_side_by_side_have_one_border():
    grid = cells(planes.surface(steps=5))
    mask = np.zeros((5, 5), bool)
    mask[2, 1:3] = True
    assert len(borders(grid, mask)) == 6
    assert len(borders(grid, ~mask)) == 6 + 20
    assert borders(grid, mask & False).shape == (0, 2, 2)


def test_a_profile_has_a_row_for_each_repeat_in_the_order_of_x():
    line = planes.line(repeats=3)
    found = profile(line.isel(x=slice(None, None, -1)))
    np.testing.assert_array_equal(found.x, line["x"].values)
    np.testing.assert_array_equal(found.values, line["nll"].values)
    mean, spread = found.mean_and_spread()
    np.testing.assert_allclose(mean, line["nll"].values.mean(axis=0))
    np.testing.assert_allclose(spread, line["nll"].values.std(axis=0, ddof=1))
    assert profile(planes.line()).values.shape == (1, 21)


def test_a_mean_never_leaves_out_what_is_not_finite():
    line = planes.line(repeats=3)
    line["nll"][1, 5] = np.inf
    line["done"][2, 7] = False
    found = profile(line)
    mean, spread = found.mean_and_spread()
    assert np.flatnonzero(np.isnan(mean)).tolist() == [5, 7]
    assert np.flatnonzero(np.isnan(spread)).tolist() == [5, 7]
    assert np.argwhere(found.broken).tolist() == [[1, 5]]


def test_a_repeat_that_was_not_begun_does_not_count():
    line = planes.line(repeats=3)
    line["done"][2] = False
    mean, _ = profile(line).mean_and_spread()
    np.testing.assert_allclose(mean, line["nll"].values[:2].mean(axis=0))
    line["done"][:] = False
    assert np.isnan(profile(line).mean_and_spread()).all()


def test_errors_are_the_stored_ones_or_binomial():
    line = planes.line()
    np.testing.assert_array_equal(profile(line).error[0], line["standard_error"].values)
    accuracy = line["accuracy"].values
    np.testing.assert_allclose(profile(line, "accuracy").error[0], np.sqrt(accuracy * (1 - accuracy) / 500))
    assert np.isnan(profile(line, "l2").error).all()


def test_planes_and_lines_are_told_apart():
    assert (is_plane(planes.surface()), is_line(planes.surface())) == (True, False)
    assert (is_plane(planes.line(repeats=2)), is_line(planes.line(repeats=2))) == (False, True)
    assert is_line(planes.surface().sel(y=0.0))
    with pytest.raises(ResultError, match=r"dimension x alone.*dataset.sel\(y=0\)"):
        profile(planes.surface())
    assert list(suited({"a": planes.surface(), "b": planes.line()})) == ["contours", "surface3d", "lines"]
    assert list(suited({"b": planes.line()})["lines"]) == ["b"]
    assert list(suited({"a": planes.trajectory(polar=False)})) == ["trajectory"]


def test_an_axis_says_its_unit_and_its_length():
    dataset = planes.line()
    assert axis_of(dataset, "x").label() == "x (filter norms; 1 unit: ‖Δw‖ = 12.3)"
    assert axis_of(dataset, "x").label(lines=True) == "x (filter norms)\n1 unit: ‖Δw‖ = 12.3"
    assert axis_of(planes.surface(), "x").unit == "filter norms"  # by the norm, where the axis stores no unit
    assert axis_of(dataset.assign(x_norm=np.nan), "x").label() == "x (filter norms)"
    dataset["x"].attrs.update(units="‖Δw‖", long_name="principal component 1")
    assert axis_of(dataset, "x").label() == "first principal component (‖Δw‖)"
    dataset["x"].attrs.update(units="share of the way", long_name="from a to b")
    assert axis_of(dataset, "x").label() == "from a to b (share of the way; 1 unit: ‖Δw‖ = 12.3)"


def test_inner_panels_say_what_is_theirs_alone():
    other, raw = Axis("x", "filter norms", "9"), Axis("x", "standard deviations", "3")
    y = Axis("y", "filter norms", "12.3")
    same = panel_labels([(X, y)] * 4, 2)
    assert same == [("", y.label()), ("", ""), (X.label(), y.label()), (X.label(), "")]
    mixed = panel_labels([(X, y), (other, y), (X, y), (raw, Axis("y", "standard deviations", "3"))], 2)
    assert mixed[0] == ("", y.label())
    assert mixed[1] == (
        other.label(),
        "1 unit: ‖Δw‖ = 12.3",
    )  # below it lies another unit, and y is not as long as x
    assert mixed[3][1] == "y (standard deviations; 1 unit: ‖Δw‖ = 3)"


@pytest.mark.parametrize(
    ("lengths", "shape"), [((10, 10.3), 1), ((10, 16), 1.6), ((10, 90), 1), ((np.nan, 1), 1)]
)
def test_proportions_are_those_of_weight_space_within_reason(lengths, shape):
    dataset = planes.surface().assign(x_norm=lengths[0], y_norm=lengths[1])
    assert proportion(dataset) == pytest.approx(shape)
