import numpy as np
import pytest

from landscape import figures
from landscape.exchange import published
from landscape.figures.surface.contours import columns
from tests.figures import planes, synthetic
from tests.figures.test_surfaces import filled, labelled, titled


def marks(axis):
    return {line.get_marker(): tuple(line.get_xydata()[0]) for line in axis.lines}


def with_minimum_at(x, y):
    dataset = planes.surface()
    dataset["nll"][:] = 1 + (dataset.x - x) ** 2 + (dataset.y - y) ** 2
    return dataset


def test_the_centre_and_the_minimum_are_marked():
    found = marks(titled(figures.contours(with_minimum_at(0.4, -0.6)))[0])
    assert found["+"] == (0, 0)
    np.testing.assert_allclose(found["o"], (0.4, -0.6))
    assert "o" not in marks(titled(figures.contours(with_minimum_at(0.4, 0), quantity="accuracy"))[0])


def test_no_centre_is_marked_outside_the_plane():
    away = planes.surface().assign_coords(x=np.linspace(1, 3, 11))
    assert "+" not in marks(titled(figures.contours(away))[0])


def test_levels_are_logarithmic_or_linear_as_asked():
    for log in (True, False):
        steps = np.diff(filled(titled(figures.contours(planes.surface(), log=log))[0]).levels)
        assert np.allclose(steps, steps[0]) != log


def test_lines_alone_have_the_colours_of_the_bar():
    axis = titled(figures.contours(planes.surface(), filled=False))[0]
    (lines,) = [each for each in axis.collections if hasattr(each, "levels")]
    assert not lines.filled
    assert len({tuple(colour) for colour in lines.get_edgecolor()}) > 3


def test_of_several_direction_pairs_the_first_is_drawn():
    both = planes.repeated([planes.surface(curvature=1.0), planes.surface(curvature=9.0)])
    axis = titled(figures.contours(both))[0]
    assert filled(axis).levels[-1] == filled(titled(figures.contours(planes.surface()))[0]).levels[-1]
    assert figures.caption("contours", both).count("Direction pairs measured: 2; the first is drawn.") == 1
    assert len(titled(figures.surface3d(both))) == 1


def test_planes_of_other_sizes_keep_their_own_limits():
    small = planes.surface("small").assign_coords(x=np.linspace(-0.1, 0.1, 11), y=np.linspace(-0.1, 0.1, 11))
    big, little = titled(figures.contours({"big": planes.surface("big"), "small": small}))
    assert (big.get_xlim(), little.get_xlim()) == ((-1, 1), (-0.1, 0.1))
    assert little.get_ylim() == (-0.1, 0.1)


def test_a_plane_is_drawn_in_the_proportions_of_weight_space():
    flat = planes.surface(steps=21).isel(y=slice(5, 16)).assign(x_norm=10.0, y_norm=16.0)
    axis = titled(figures.contours(flat))[0]
    assert axis.get_box_aspect() == pytest.approx(0.8)
    assert axis.get_ylim() == (-0.5, 0.5)
    assert titled(figures.contours(planes.surface()))[0].get_box_aspect() == 1


def test_lengths_that_differ_stand_beside_their_own_panel():
    data = {name: planes.surface(name).assign(x_norm=n, y_norm=n) for n, name in enumerate("abcde", 10)}
    labels = [axis.get_xlabel() for axis in titled(figures.contours(data))]
    assert labels[0].endswith("1 = ‖Δw‖ 10")
    assert labels[4].startswith("x (filter norms)")
    assert all(f"‖Δw‖ {length}" in label for length, label in enumerate(labels, 10))


def test_a_stopped_run_is_drawn_at_the_resolution_it_reached():
    dataset = planes.stopped(planes.surface(steps=17), 40)
    axis = titled(figures.contours(dataset))[0]
    paths = filled(axis).get_paths()
    assert any(path.contains_point((0.3, 0.3)) for path in paths)
    assert axis.get_xlim() == (-1, 1)
    text = figures.caption("contours", dataset)
    assert "Cells not computed yet (249 of 289 in gap) are left white within dots." in text
    assert "every n-th row and column, n = 4." in text


def test_the_convexity_map_is_the_ratio_of_the_eigenvalues():
    dataset = planes.surface()
    grid = (("y", "x"), np.full((11, 11), 8.0))
    dataset = dataset.assign(hessian_largest=grid, hessian_smallest=("x", -np.linspace(1, 4, 11)))
    dataset["hessian_smallest"] = dataset["hessian_smallest"].expand_dims(y=dataset.y)
    figure = figures.contours(dataset, quantity="convexity")
    levels = filled(titled(figure)[0]).levels
    assert levels[0] <= 1 / 8
    assert levels[-1] >= 4 / 8
    assert figure.axes[-1].get_ylabel() == "|λmin / λmax|"
    assert "the sign of λmin" in figures.caption("contours", dataset, quantity="convexity")


def test_the_bar_has_labels_that_do_not_touch_at_both_widths():
    for width in (figures.ONE_COLUMN, figures.TWO_COLUMN):
        for count in (1, 3, 9):
            data = {
                n: planes.surface(n, curvature=0.3 * i) for i, n in enumerate(synthetic.FAMILY[:count], 1)
            }
            figure = figures.contours(data, width=width)
            assert figure.get_figwidth() == width
            synthetic.assert_legible(figure)
    assert columns(3, figures.ONE_COLUMN) == 2
    assert columns(3, figures.TWO_COLUMN) == 3


def test_the_published_tables_are_drawn_with_their_infinite_cells(shared_data):
    tables = sorted((shared_data / "published-surfaces").glob("*.csv"))
    data = dict(zip(("R50", "R18", "ViT"), map(published.read, tables), strict=True))
    panels = titled(figures.contours(data))
    assert [len(labelled(axis, "not finite")) for axis in panels] == [1, 0, 0]
    assert "Cells not finite (31 of 441 in R50) are hatched" in figures.caption("contours", data)
    lowest = [marks(axis)["o"] for axis in panels]
    np.testing.assert_allclose(lowest, [(-0.1, 0), (0, 0.01), (-0.1, 0)], atol=1e-12)
    axis = titled(figures.surface3d({"R50": data["R50"]}))[0]
    (crosses,) = [each for each in axis.collections if each.get_label() == "not finite"]
    assert len(crosses.get_offsets()) == 31
