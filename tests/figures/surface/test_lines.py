"""The loss along lines: curves, bands, repeats, gaps."""

import numpy as np
import pytest

from landscape import figures
from landscape.errors import ResultError
from landscape.figures.surface.grids import profile
from tests.figures import planes
from tests.figures.artists import edges, labels, line


def test_each_network_is_one_curve_with_its_look_and_its_band():
    data = {name: planes.line(name, curvature=i) for i, name in enumerate(("gap", "mlp"), 1)}
    looks = figures.looks(["other", "gap", "mlp"])
    left, right = figures.lines(data, looks=looks, log=False).axes
    for index, (name, dataset) in enumerate(data.items()):
        drawn = line(left, name)
        np.testing.assert_array_equal(drawn.get_ydata(), dataset["nll"].values)
        assert drawn.get_color() == looks[name].colour
        x, low, high = edges(left.collections[index])
        np.testing.assert_array_equal(x, dataset["x"].values)
        np.testing.assert_allclose(low, dataset["nll"].values - 2 * dataset["standard_error"].values)
        np.testing.assert_allclose(high, dataset["nll"].values + 2 * dataset["standard_error"].values)
        np.testing.assert_array_equal(line(right, name).get_ydata(), dataset["accuracy"].values)
    assert left.get_xlabel() == "x (filter norms; 1 unit: ‖Δw‖ = 12.3)"
    assert right.get_ylabel() == "accuracy"


def test_repeats_are_thin_under_their_mean_and_the_band_is_their_spread():
    dataset = planes.line(repeats=4)
    axis = figures.lines(dataset, log=False).axes[0]
    thin = [each for each in axis.lines if each.get_label() == "_repeat"]
    np.testing.assert_array_equal([each.get_ydata() for each in thin], dataset["nll"].values)
    mean, spread = profile(dataset).mean_and_spread()
    np.testing.assert_allclose(line(axis, "gap").get_ydata(), mean)
    assert line(axis, "gap").get_linewidth() > 3 * thin[0].get_linewidth()
    _, low, high = edges(axis.collections[0])
    np.testing.assert_allclose(high - low, 2 * spread, atol=1e-12)


def test_what_is_not_finite_is_a_gap_with_a_cross():
    axis = figures.lines({"a": planes.line("a", broken=2), "b": planes.line("b")}).axes[0]
    assert np.isnan(line(axis, "a").get_ydata()[-2:]).all()
    (cross,) = [each for each in axis.lines if "not finite" in str(each.get_label())]
    np.testing.assert_allclose(cross.get_xdata(), [0.9, 1.0])


def test_points_not_computed_are_left_out_and_the_curve_goes_on():
    dataset = planes.line()
    dataset["done"][5] = False
    dataset["nll"][5] = np.nan
    drawn = line(figures.lines(dataset).axes[0], "gap")
    assert len(drawn.get_xdata()) == 20
    assert np.isfinite(drawn.get_ydata()).all()


def test_the_axis_is_logarithmic_where_the_range_is_wide_or_asked_for():
    steep, flat = planes.line(curvature=40), planes.line(curvature=0.1)
    assert figures.lines(steep).axes[0].get_yscale() == "log"
    assert figures.lines(steep, log=False).axes[0].get_yscale() == "linear"
    assert figures.lines(flat).axes[0].get_yscale() == "linear"
    assert [axis.get_yscale() for axis in figures.lines(flat, log=True).axes] == ["log", "linear"]


def test_lengths_that_differ_stand_in_the_legend():
    data = {"a": planes.line("a"), "b": planes.line("b").assign(x_norm=9.0)}
    figure = figures.lines(data)
    assert figure.axes[0].get_xlabel() == "x (filter norms)"
    assert labels(figure) == ["a (1 unit: ‖Δw‖ = 12.3)", "b (1 unit: ‖Δw‖ = 9)"]


def test_without_accuracy_there_is_one_panel():
    dataset = planes.line()
    assert len(figures.lines(dataset).axes) == 2
    assert len(figures.lines(dataset.assign(accuracy=dataset["accuracy"] * np.nan)).axes) == 1
    assert len(figures.lines(dataset, quantity="accuracy").axes) == 1


def test_planes_and_lines_without_any_value():
    with pytest.raises(ResultError, match="received"):
        figures.lines(planes.surface())
    dataset = planes.line()
    dataset["nll"][:] = np.nan
    assert figures.lines(dataset).axes[0].get_ylabel() == "NLL"
