"""Contours and surfaces in three dimensions: levels, marks, proportions, open cells."""

import numpy as np
import pytest

from landscape import figures
from landscape.exchange import published
from landscape.figures.style import columns
from landscape.figures.surface.grids import QUANTITIES, cells
from landscape.figures.surface.surface3d import quadrilaterals
from tests.figures import planes, synthetic
from tests.figures.artists import filled, labelled, titled


def surfaces(count, **kwargs):
    return {
        name: synthetic.surface(name, curvature=4 / (i + 1), **kwargs)
        for i, name in enumerate(synthetic.FAMILY[:count])
    }


@pytest.mark.parametrize("count", [1, 3, 9])
def test_contours_share_levels_colours_and_one_bar(count):
    figure = figures.contours(surfaces(count))
    panels = titled(figure)
    assert [axis.get_title() for axis in panels] == list(synthetic.FAMILY[:count])
    assert len(figure.axes) == count + 1
    areas = [filled(axis) for axis in panels]
    for one in areas:
        np.testing.assert_array_equal(one.levels, areas[0].levels)
        assert one.norm is areas[0].norm
    highest = max(np.nanmax(d["nll"].values) for d in surfaces(count).values())
    assert areas[0].levels[0] <= 0.02
    assert areas[0].levels[-1] >= highest


def test_contours_mark_the_centre_and_name_the_unit():
    axis = titled(figures.contours(synthetic.surface()))[0]
    marks = [line for line in axis.lines if line.get_marker() == "+"]
    assert [tuple(line.get_xydata()[0]) for line in marks] == [(0.0, 0.0)]
    assert axis.get_xlabel() == "x (filter norms; 1 unit: ‖Δw‖ = 12.5)"
    assert axis.get_ylabel() == "y (filter norms; 1 unit: ‖Δw‖ = 12.4)"


def test_only_panels_with_cells_that_are_not_finite_are_hatched():
    figure = figures.contours({"a": synthetic.surface("a", broken=3), "b": synthetic.surface("b")})
    first, second = titled(figure)
    (patch,) = labelled(first, "not finite")
    assert patch.get_hatch()
    assert patch.get_path().contains_point((0.95, 0.95))
    assert not patch.get_path().contains_point((0.0, 0.0))
    assert labelled(second, "not finite") == []


def test_cells_not_computed_are_dotted_round_and_not_hatched():
    dataset = synthetic.surface("a", steps=11)
    dataset["done"][:2, 9:] = False
    dataset["nll"][:2, 9:] = np.nan
    axis = titled(figures.contours(dataset))[0]
    assert labelled(axis, "not finite") == []
    (dots,) = labelled(axis, "not computed")
    corners = np.concatenate(dots.get_segments())
    np.testing.assert_allclose(corners.min(axis=0), [0.7, -1.0])
    np.testing.assert_allclose(corners.max(axis=0), [1.0, -0.7])
    assert len(dots.get_segments()) == 8
    assert not any(path.contains_point((0.97, -0.97)) for path in filled(axis).get_paths())


def test_cells_that_are_not_finite_are_not_filled():
    figure = figures.contours(synthetic.surface("a", broken=3))
    paths = filled(titled(figure)[0]).get_paths()
    assert not any(path.contains_point((0.95, 0.95)) for path in paths)
    assert any(path.contains_point((-0.95, 0.95)) for path in paths)


@pytest.mark.parametrize("quantity", ["nll", "l2", "total", "accuracy", "ece"])
def test_every_quantity_can_be_drawn(quantity, tmp_path):
    data = {name: each.assign(ece=0.1 * each["accuracy"]) for name, each in surfaces(2).items()}
    figure = figures.contours(data, quantity=quantity)
    figures.save(figure, tmp_path / quantity, formats=["png"])
    assert figure.axes[-1].get_ylabel().startswith(QUANTITIES[quantity])


def test_surfaces_share_height_colours_and_view_and_hold_all_values():
    data = surfaces(3)
    figure = figures.surface3d(data)
    panels = titled(figure)
    assert len({axis.get_zlim() for axis in panels}) == 1
    assert len({(axis.elev, axis.azim) for axis in panels}) == 1
    finite = np.concatenate([d["nll"].values.ravel() for d in data.values()])
    low, high = panels[0].get_zlim()
    assert low <= np.log10(finite.min()) + 1e-9
    assert high >= np.log10(finite.max()) - 1e-9


def test_a_linear_height_can_be_asked_for():
    figure = figures.surface3d(surfaces(2), log=False)
    assert titled(figure)[0].get_zlim()[1] > 5


def test_quadrilaterals_leave_open_what_is_not_finite():
    grid = cells(synthetic.surface(steps=5, broken=1))
    faces = quadrilaterals(grid, grid.drawn())
    assert faces.shape == (15, 4, 3)
    assert np.isfinite(faces).all()


def test_open_corners_are_crossed_on_the_floor():
    axis = titled(figures.surface3d(synthetic.surface(broken=3)))[0]
    crosses = [c for c in axis.collections if c.get_label() == "not finite"]
    assert len(crosses[0].get_offsets()) == 3


def test_holes_not_computed_are_told_from_those_not_finite():
    axis = titled(figures.surface3d(synthetic.surface(broken=3, undone=2)))[0]
    counts = {c.get_label(): len(c.get_offsets()) for c in axis.collections if hasattr(c, "_offsets3d")}
    assert counts == {"not finite": 3, "not computed": 2}


def test_nine_networks_make_three_rows():
    for draw in (figures.contours, figures.surface3d):
        figure = draw(surfaces(9, steps=5))
        figure.canvas.draw()
        corners = {(round(a.get_position().x0, 2), round(a.get_position().y0, 2)) for a in titled(figure)}
        assert len({y for _, y in corners}) == 3


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
    assert labels[0].endswith("1 unit: ‖Δw‖ = 10")
    assert labels[4].startswith("x (filter norms)")
    assert all(f"‖Δw‖ = {length}" in label for length, label in enumerate(labels, 10))


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


def test_few_panels_stand_in_a_row_of_one_column():
    assert columns(3, figures.ONE_COLUMN) == 2
    assert columns(3, figures.TWO_COLUMN) == 3
