"""Every figure at print size: letters of 6 points at least, none cut, none on another, no legend on data."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from matplotlib.figure import Figure

from landscape import family, figures
from landscape.comparison import correlations, pooled, verdicts
from landscape.comparison.conditional import alike, conditional, usual
from landscape.comparison.identity import renamed
from landscape.figures import papers
from landscape.figures.registry import VERDICTS, registered
from tests.figures import planes, synthetic
from tests.figures.legible import faults, outline, overlap

REGISTERED = registered()
OF_RESULTS = [name for name, each in REGISTERED.items() if each.kind != VERDICTS]
OF_VERDICTS = [name for name, each in REGISTERED.items() if each.kind == VERDICTS]
COUNTS = (1, 3, 9)
BUILT = {
    "lines": lambda name: planes.line(name, repeats=3),
    "trace": synthetic.trace,
    "flatness": synthetic.flatness,
    "sequence": lambda name: planes.masks(name, 3),
}
"""Results that `synthetic.comparison` does not have."""


@cache
def shipped():
    """What was measured of the family, seeds as one."""
    return pooled(renamed(usual(alike(family.measured()))))


@cache
def built():
    return synthetic.comparison(synthetic.FAMILY)


def drawn_of(name, count):
    """Built results of some networks, the last of the family, whose names are the longest."""
    networks = synthetic.FAMILY[-count:]
    if name in BUILT:
        return {network: BUILT[name](network) for network in networks}
    return {network: built()[network][REGISTERED[name].kind] for network in networks}


@pytest.mark.parametrize("name", OF_RESULTS)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("across", [1, 2])
def test_every_figure_can_be_read_in_print(name, count, across):
    width = figures.preset_width("icml", across)
    figure = figures.draw(name, drawn_of(name, count), width=width)
    assert faults(figure) == []


@pytest.mark.parametrize("name", [name for name in OF_RESULTS if name != "sequence"])
def test_figures_of_what_ships_can_be_read_in_print(name):
    kind = REGISTERED[name].kind
    of_kind = {network: kinds[kind] for network, kinds in shipped().items() if kind in kinds}
    found = figures.suited(of_kind).get(name)
    if not found:
        assert name in ("lines", "trajectory", "polar", "trace", "eigenvalues", "aliasing", "consistency")
        return
    assert faults(figures.draw(name, found)) == []


@pytest.mark.parametrize("name", OF_VERDICTS)
def test_figures_of_verdicts_can_be_read_in_print(name):
    assert faults(figures.draw(name, of_verdicts(name))) == []


@cache
def of_verdicts(name):
    if name == "conditions":
        return conditional(family.measured())
    return correlations(shipped()) if name == "correlations" else verdicts(usual(alike(family.measured())))


@pytest.mark.parametrize("name", [name for name in papers.PANELS if "-fig" in name])
def test_panels_of_the_papers_can_be_read_in_print(name):
    for part in papers.draw(name, shipped()):
        assert faults(part.content) == []


def test_each_fault_is_found():
    figure = Figure(figsize=(2, 2))
    axis = figure.add_axes((0.2, 0.2, 0.75, 0.75))
    axis.plot([0, 1], [0, 1], label="line")
    assert faults(figure) == []
    for words, add in {
        "5.5 pt: 'small'": lambda: axis.text(0.8, 0.1, "small", fontsize=5.5),
        "cut off: 'far out'": lambda: axis.text(0.9, 0.3, "far out", fontsize=8),
        "on one another: 'one' and 'two'": lambda: [axis.text(0.1, 0.8, word) for word in ("one", "two")],
        "legend over data of the line line": lambda: axis.legend(loc="center"),
        "label over data of the line line: 'here'": lambda: axis.text(0.5, 0.5, "here", gid="name"),
    }.items():
        before = set(figure.findobj())
        add()
        assert words in faults(figure)
        for artist in set(axis.texts) - before:
            artist.remove()
        if axis.get_legend():
            axis.get_legend().remove()


def test_turned_letters_overlap_only_where_they_are():
    figure = Figure(figsize=(3, 3))
    first = figure.text(0.3, 0.3, "a rather long name", rotation=45, rotation_mode="anchor")
    second = figure.text(0.3, 0.8, "corner")
    figure.draw_without_rendering()
    assert first.get_window_extent().overlaps(second.get_window_extent())
    assert not overlap(outline(first), outline(second))
    np.testing.assert_allclose(outline(second)[0], second.get_window_extent().min)
