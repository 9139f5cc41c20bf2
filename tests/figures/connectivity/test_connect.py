"""Figures of paths between networks: what is drawn are the numbers of the result."""

import numpy as np
import pytest

from landscape import figures
from tests.figures import artists, connections


def test_every_path_is_drawn_on_both_splits():
    result = connections.connect()
    drawn = figures.connect(result)
    left, right = drawn.axes
    lines = [line for line in left.lines if line.get_label() == "_aligned"]
    assert [line.get_linestyle() for line in lines] == ["--", "-"]
    assert lines[1].get_ydata().tolist() == result.nll.values[0, 1, 0].tolist()
    assert lines[0].get_ydata().tolist() == result.nll.values[0, 1, 1].tolist()
    assert right.lines[1].get_ydata().tolist() == result.accuracy.values[0, 0, 0].tolist()
    _, low, high = artists.edges(artists.bands(left)[0])
    assert high - low == pytest.approx(4 * 0.02)
    words = artists.labels(drawn)
    assert words == ["line", "aligned line", "Bézier curve", "train split", "test split"]


def test_pairs_have_rows():
    drawn = figures.connect(connections.connect(others=("mlp", "blur")))
    assert [axis.get_title() for axis in drawn.axes if axis.get_title()] == [
        title for title in ("gap – mlp", "gap – blur", "mlp – blur") for _ in (0, 1)
    ]


def test_a_path_that_leaves_the_plane_is_not_drawn_on_it():
    result = connections.connect()
    axis = figures.connect_plane(result).axes[0]
    drawn = {line.get_label(): line for line in axis.lines}
    assert {"line", "Bézier curve"} <= set(drawn)
    assert "aligned line" not in drawn
    assert drawn["Bézier curve"].get_xdata().tolist() == result.path_x.values[2].tolist()
    assert len([line for line in axis.lines if line.get_label() == "_mark"]) == 3


def test_matrices_are_symmetric():
    result = connections.connect(others=("mlp", "blur"))
    drawn = figures.connect_matrix(result)
    panels = {  # a long title takes two lines
        axis.get_title().replace("\n", " "): axis.images[0].get_array()
        for axis in drawn.axes
        if axis.get_title()
    }
    assert set(panels) == {
        *(f"barrier, {name} (nats)" for name in ("line", "aligned line", "Bézier curve")),
        *("distance", "distance, aligned", "CKA of outputs", "disagreement"),
    }
    table = panels["CKA of outputs"]
    assert np.ma.allequal(table, table.T)
    assert table[0, 1] == result.cka.values[0]
    assert table.mask.diagonal().all()


def test_captions(snapshot):
    several = connections.connect(others=("mlp", "blur"))
    snapshot(
        "\n\n".join(figures.caption(name, several) for name in ("connect", "connect_plane", "connect_matrix"))
    )
