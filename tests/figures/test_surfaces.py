import numpy as np
import pytest
from matplotlib.contour import ContourSet

from landscape import figures
from landscape.figures.style.reductions import cells
from landscape.figures.surface.surface3d import quadrilaterals
from tests.figures import synthetic


def surfaces(count, **kwargs):
    return {
        name: synthetic.surface(name, curvature=4 / (i + 1), **kwargs)
        for i, name in enumerate(synthetic.FAMILY[:count])
    }


def titled(figure):
    return [axis for axis in figure.axes if axis.get_title()]


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
    assert axis.get_xlabel() == "x (filter norms; 1 = ‖Δw‖ 12.5)"
    assert axis.get_ylabel() == "y (filter norms; 1 = ‖Δw‖ 12.4)"


def labelled(axis, label):
    return [artist for artist in (*axis.patches, *axis.collections) if artist.get_label() == label]


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


def filled(axis):
    return next(c for c in axis.collections if isinstance(c, ContourSet) and c.filled)


def test_cells_that_are_not_finite_are_not_filled():
    figure = figures.contours(synthetic.surface("a", broken=3))
    paths = filled(titled(figure)[0]).get_paths()
    assert not any(path.contains_point((0.95, 0.95)) for path in paths)
    assert any(path.contains_point((-0.95, 0.95)) for path in paths)


@pytest.mark.parametrize("draw", [figures.contours, figures.surface3d])
def test_a_surface_without_finite_cells_is_drawn_empty(draw, tmp_path):
    dataset = synthetic.surface()
    dataset["nll"][:] = np.nan
    figures.save(draw(dataset), tmp_path / "empty", formats=["png"])


@pytest.mark.parametrize("quantity", ["nll", "l2", "total", "accuracy", "ece"])
def test_every_quantity_can_be_drawn(quantity, tmp_path):
    data = {name: each.assign(ece=0.1 * each["accuracy"]) for name, each in surfaces(2).items()}
    figure = figures.contours(data, quantity=quantity)
    figures.save(figure, tmp_path / quantity, formats=["png"])
    assert figure.axes[-1].get_ylabel().startswith(figures.grids.QUANTITIES[quantity])


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
