import numpy as np
import pytest

from landscape import figures
from landscape.figures.reductions import cells
from landscape.figures.surface3d import quadrilaterals
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
    filled = [axis.collections[0] for axis in panels]
    for one in filled:
        np.testing.assert_array_equal(one.levels, filled[0].levels)
        assert one.norm is filled[0].norm
    highest = max(np.nanmax(d["nll"].values) for d in surfaces(count).values())
    assert filled[0].levels[0] <= 0.02
    assert filled[0].levels[-1] >= highest


def test_contours_mark_the_centre_and_name_the_unit():
    axis = titled(figures.contours(synthetic.surface()))[0]
    marks = [line for line in axis.lines if line.get_marker() == "+"]
    assert [tuple(line.get_xydata()[0]) for line in marks] == [(0.0, 0.0)]
    assert axis.get_xlabel() == "x (filter norms)"
    assert axis.get_ylabel() == "y (filter norms)"


def test_only_panels_with_cells_that_are_not_finite_are_hatched():
    figure = figures.contours({"a": synthetic.surface("a", broken=3), "b": synthetic.surface("b")})
    first, second = titled(figure)
    assert first.patch.get_hatch()
    assert not second.patch.get_hatch()


def test_cells_that_are_not_finite_are_not_filled():
    figure = figures.contours(synthetic.surface("a", broken=3))
    paths = titled(figure)[0].collections[0].get_paths()
    assert not any(path.contains_point((0.95, 0.95)) for path in paths)
    assert any(path.contains_point((-0.95, 0.95)) for path in paths)


@pytest.mark.parametrize("draw", [figures.contours, figures.surface3d])
def test_a_surface_without_finite_cells_is_drawn_empty(draw, tmp_path):
    dataset = synthetic.surface()
    dataset["nll"][:] = np.nan
    figures.save(draw(dataset), tmp_path / "empty", formats=["png"])


@pytest.mark.parametrize("quantity", ["nll", "l2", "total", "accuracy"])
def test_every_quantity_can_be_drawn(quantity, tmp_path):
    figures.save(figures.contours(surfaces(2), quantity=quantity), tmp_path / quantity, formats=["png"])


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


def test_nine_networks_make_three_rows():
    for draw in (figures.contours, figures.surface3d):
        figure = draw(surfaces(9, steps=5))
        figure.canvas.draw()
        corners = {(round(a.get_position().x0, 2), round(a.get_position().y0, 2)) for a in titled(figure)}
        assert len({y for _, y in corners}) == 3
