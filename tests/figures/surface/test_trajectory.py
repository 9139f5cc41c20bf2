"""Paths of training on a plane and in polar coordinates."""

import numpy as np
import pytest

from landscape import figures
from landscape.errors import ResultError
from landscape.figures.surface.polar import polar_path
from landscape.figures.surface.trajectory import axis_label, explained, numbered
from tests.figures import planes
from tests.figures.artists import filled, titled


def path(axis):
    return next(line for line in axis.lines if line.get_label() == "path").get_xydata()


def test_the_path_is_drawn_with_its_ends_and_numbers():
    dataset = planes.trajectory(checkpoints=21)
    axis = titled(figures.trajectory(dataset))[0]
    np.testing.assert_array_equal(path(axis), np.stack([dataset["x"], dataset["y"]], axis=1))
    ends = {
        line.get_marker(): tuple(line.get_xydata()[0]) for line in axis.lines if len(line.get_xdata()) == 1
    }
    assert ends == {"s": tuple(path(axis)[0]), "o": tuple(path(axis)[-1])}
    words = [text.get_text() for text in axis.texts]
    assert {"0", "20"} <= set(words)
    assert len(words) <= 7


def test_numbers_are_those_of_the_checkpoints():
    dataset = planes.trajectory(checkpoints=5).assign_coords(checkpoint=[0, 50, 100, 150, 200])
    words = {text.get_text() for text in titled(figures.trajectory(dataset))[0].texts}
    assert {"0", "200"} <= words <= {"0", "50", "100", "150", "200"}


def test_numbers_keep_their_distance():
    places = np.stack([np.linspace(0, 1, 30) ** 4, np.zeros(30)], axis=1)
    kept = numbered(places)
    assert kept[0] == 0
    assert kept[-1] == 29
    assert all(np.hypot(*(places[a] - places[b])) > 0.09 for a in kept for b in kept if a != b)
    assert numbered(places[:1]) == [0]


def test_axes_say_what_they_explain():
    dataset = planes.trajectory(shares=(0.834, 0.0061))
    assert axis_label(dataset, "x", 0) == "first principal component (83 %), in ‖Δw‖"
    assert axis_label(dataset, "y", 1) == "second principal component (0.61 %), in ‖Δw‖"
    as_attribute = dataset.drop_vars("explained_variance").assign_attrs(explained_variance=[0.5, 0.25])
    assert explained(as_attribute, 1) == 0.25
    unknown = dataset.drop_vars("explained_variance")
    assert explained(unknown, 0) is None
    assert axis_label(unknown, "x", 0) == "first principal component (‖Δw‖)"


def test_the_path_lies_over_the_contours_of_its_own_plane():
    paths = {name: planes.trajectory(name, turn=turn) for name, turn in (("a", 1.0), ("b", 2.0))}
    surfaces = {"b": planes.under(paths["b"])}
    figure = figures.trajectory(paths, surfaces=surfaces)
    bare, over = titled(figure)
    assert not bare.collections
    assert filled(over).levels[-1] >= surfaces["b"]["nll"].max()
    assert figure.axes[-1].get_ylabel().startswith("NLL")
    assert over.get_xlim() == (-4, 12)


def test_a_path_that_leaves_the_plane_is_seen_whole():
    dataset = planes.trajectory()
    narrow = planes.under(dataset).isel(x=slice(0, 8))
    left, right = titled(figures.trajectory(dataset, surfaces=narrow))[0].get_xlim()
    assert left == -4
    assert right > dataset["x"].max()
    narrow = planes.under(dataset).isel(x=slice(6, None))
    left, right = titled(figures.trajectory(dataset, surfaces=narrow))[0].get_xlim()
    assert left < dataset["x"].min()
    assert right == 12


def test_surfaces_of_other_planes_are_refused():
    dataset = planes.trajectory("gap")
    with pytest.raises(ResultError, match=r"lies on another plane.*x is 'x \(filter norms"):
        figures.trajectory(dataset, surfaces=planes.surface())
    with pytest.raises(ResultError, match="'mlp' has no trajectory; there are gap"):
        figures.trajectory(dataset, surfaces={"mlp": planes.under(dataset)})


def test_polar_lines_run_from_one_to_the_origin():
    data = {name: planes.trajectory(name, turn=turn) for name, turn in (("a", 1.0), ("b", 1.5))}
    axis = figures.polar(data).axes[0]
    for line, dataset in zip(axis.lines, data.values(), strict=True):
        angle, radius = line.get_xdata(), line.get_ydata()
        np.testing.assert_array_equal(radius, dataset["radius"].values)
        np.testing.assert_array_equal(angle[:-1], dataset["angle"].values[:-1])
        assert angle[-1] == angle[-2]
    assert [line.get_label() for line in axis.lines] == ["a", "b"]
    assert (axis.get_thetamin(), axis.get_thetamax()) == (0, 90)
    assert figures.polar(planes.trajectory(turn=4.0)).axes[0].get_thetamax() == 180


def test_only_the_angle_at_radius_zero_is_filled_in():
    dataset = planes.trajectory(checkpoints=6)
    dataset["angle"][3] = np.nan
    angle, _ = polar_path(dataset)
    assert np.flatnonzero(np.isnan(angle)).tolist() == [3]


def test_trajectories_without_polar_coordinates_are_refused():
    with pytest.raises(ResultError, match="no radius and angle are stored for gap"):
        figures.polar(planes.trajectory("gap", polar=False))
