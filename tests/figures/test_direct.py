"""Curves have their names at their ends where these can stand there, and else a legend."""

import numpy as np
import pytest
from matplotlib.patches import Patch

from landscape.figures import TWO_COLUMN, style
from landscape.figures.style import groups
from landscape.figures.style.direct import name_ends
from landscape.figures.style.roles import looks as looks_by_name
from tests.figures.legible import assert_legible


@pytest.fixture(autouse=True)
def printed():
    with style.context():
        yield


def page(ends, *, width=TWO_COLUMN, reach=1.0, labels=(), extra=None, count=1):
    names = [f"net{index}" for index in range(len(ends))]
    looks = looks_by_name(names)
    found = groups.panels(count, looks, width=width, x="depth", labels=labels, extra=extra)
    for axis in found.axes:
        for name, end in zip(names, ends, strict=True):
            axis.plot([0, reach], [0.5, end], **looks[name].line, label=name)
        axis.set(xlim=(0, 1), ylim=(0, 1))
    return found


def entries(found):
    return [text.get_text() for legend in found.figure.legends for text in legend.get_texts()]


def places(found):
    return {text.get_text(): text.get_position()[1] for text in found.axes[0].texts}


def test_names_stand_at_the_ends_and_leave_the_legend():
    found = page([0.1, 0.9, 0.4, 0.6], extra={"shaded": Patch()})
    before = found.figure.get_figheight()
    name_ends(found)
    assert places(found) == pytest.approx({"net0": 0.1, "net1": 0.9, "net2": 0.4, "net3": 0.6})
    colours = [text.get_color() for text in found.axes[0].texts]
    assert sorted(colours) == sorted(look.colour for look in found.looks.values())
    assert entries(found) == ["shaded"]
    assert found.figure.get_figheight() < before
    assert_legible(found.figure)


def test_names_of_neighbours_give_way_to_each_other():
    found = page([0.5, 0.52, 0.1])
    name_ends(found)
    where = places(found)
    assert 0.03 < where["net1"] - where["net0"] < 0.12
    assert np.mean([where["net0"], where["net1"]]) == pytest.approx(0.51)
    assert_legible(found.figure)


@pytest.mark.parametrize(
    "options",
    [
        {"ends": [0.5, 0.5, 0.501, 0.502, 0.503, 0.504]},
        {"ends": [0.1, 0.9], "width": 3.25},
        {"ends": [0.1, 0.9], "reach": 0.5},
        {"ends": [0.1, np.nan]},
        {"ends": [0.1, 0.9], "labels": ["net0 (‖Δw‖ = 2)", "net1 (‖Δw‖ = 3)"]},
        {"ends": [0.1, 0.9], "count": 2},
    ],
    ids=["crowded", "narrow", "short", "not finite", "labelled", "two panels"],
)
def test_elsewhere_the_legend_stays(options):
    found = page(**options)
    before = entries(found)
    name_ends(found)
    assert not found.axes[0].texts
    assert entries(found) == before
