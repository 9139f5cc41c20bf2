"""Maps, quadrants and trends draw every number that there is, and hatch what there is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

from landscape import figures
from landscape.comparison.phase import trends
from landscape.errors import ResultError
from landscape.exchange import phase as table
from landscape.results.phases import grid
from tests.figures.legible import assert_legible
from tests.figures.phase_results import phase

ROOT = Path(figures.__file__).parents[2]


def of_kind(axis, kind):
    return [each for each in axis.get_children() if isinstance(each, kind) and each is not axis.patch]


@pytest.fixture(scope="module")
def drawn():
    return figures.phase_map(phase())


def panels(figure):
    return {
        axis.get_title().partition("\n")[0]: axis
        for axis in figure.axes
        if of_kind(axis, QuadMesh) and axis.get_title()
    }


def test_every_cell_is_drawn_and_what_has_no_number_is_hatched(drawn):
    axis = panels(drawn)["test accuracy (%)"]
    (mesh,) = [each for each in axis.collections if isinstance(each, QuadMesh)]
    expected = grid(phase(), "test_acc").values
    np.testing.assert_array_equal(np.ma.filled(mesh.get_array(), np.nan).reshape(3, 4), expected)
    (cell,) = of_kind(axis, Rectangle)
    assert cell.get_xy() == (-0.5, -0.5)
    assert cell.get_hatch()
    assert [label.get_text() for label in axis.get_xticklabels()] == ["4", "8", "16", "32"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["32", "128", "512"]


def test_scales_are_logarithmic_where_the_measure_is(drawn):
    found = panels(drawn)
    assert len(found) == 7
    for title, log in (("λmax (nats)", True), ("trace (nats)", True), ("CKA of softmax outputs", False)):
        (mesh,) = [each for each in found[title].collections if isinstance(each, QuadMesh)]
        assert isinstance(mesh.norm, LogNorm) == log
    (mesh,) = [each for each in found["connectivity"].collections if isinstance(each, QuadMesh)]
    assert mesh.norm.vcenter == 0


def test_the_wall_is_drawn_where_it_is(drawn):
    axis = panels(drawn)["training loss (nats)"]
    (lines,) = [each for each in axis.collections if isinstance(each, LineCollection)]
    assert {tuple(segment[:, 0]) for segment in lines.get_segments()} == {(1.5, 1.5)}
    assert len(lines.get_segments()) == 3


def test_measures_can_be_chosen():
    figure = figures.phase_map(phase(), measures=["dist"])
    assert list(panels(figure)) == ["distance (ℓ2 norm)"]
    with pytest.raises(ResultError, match="no colour; it has train_nll"):
        figures.phase_map(phase(), measures=["colour"])


def test_what_no_cell_has_is_said_and_not_drawn():
    dataset = phase().assign(dist=("cell", np.full(12, np.nan)))
    assert "distance (ℓ2 norm)" not in panels(figures.phase_map(dataset))
    said = figures.caption("phase_map", dataset)
    assert "Not drawn, without a number in any cell: distance." in said
    assert "distance in 12" not in said


def test_a_point_a_cell_in_the_quadrants():
    dataset = phase(missing=1)
    axis = figures.phase_quadrants(dataset).axes[0]
    points = np.concatenate([each.get_offsets() for each in of_kind(axis, PathCollection)])
    expected = np.column_stack([dataset.lmax.values, dataset.mc_train_err.values])
    np.testing.assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0))
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["_sharp"].get_xdata()[0] == np.median(dataset.lmax)
    assert lines["_barrier"].get_ydata()[0] == -1
    assert "sharp from λmax 500 on;" in figures.caption("phase_quadrants", dataset, sharp=500.0)


def test_trends_are_those_of_the_comparison():
    dataset = phase()
    axis = figures.phase_trends(dataset).axes[0]
    (container,) = axis.containers
    found = trends(dataset)
    drawn = dict(
        zip([label.get_text() for label in axis.get_yticklabels()], container[0].get_xdata(), strict=True)
    )
    assert drawn["λmax"] == found["lmax"].value
    assert drawn["connectivity (training error)"] == found["mc_train_err"].value


@pytest.mark.parametrize("name", ["phase_map", "phase_quadrants", "phase_trends"])
@pytest.mark.parametrize("width", [figures.ONE_COLUMN, figures.TWO_COLUMN])
def test_the_published_table_can_be_read(name, width, shared_data):
    assert_legible(figures.draw(name, table.read(shared_data / "taxonomy.csv"), width=width))


def test_nothing_but_accuracy_is_still_a_map():
    dataset = phase()[["width", "batch_size", "test_acc"]].assign_attrs(phase().attrs)
    assert list(panels(figures.phase_map(dataset))) == ["test accuracy (%)"]
    with pytest.raises(ResultError, match="at least 4 cells"):
        figures.phase_trends(dataset)


def test_a_table_is_read_and_drawn_without_torch(tmp_path):
    table.write(phase(), tmp_path / "grid.csv")
    code = (
        "import sys; from landscape import figures; from landscape.exchange import phase\n"
        "found = phase.read(sys.argv[1])\n"
        "for name in ('phase_map', 'phase_quadrants', 'phase_trends'): figures.draw(name, found)\n"
        "assert not {'torch', 'landscape.analyses'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "grid.csv")], cwd=ROOT, check=True)
