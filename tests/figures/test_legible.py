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
from landscape.figures import papers, style
from landscape.figures.registry import VERDICTS, registered
from tests.figures import planes, synthetic
from tests.figures.legible import assert_legible, faults, outline, overlap

REGISTERED = registered()
OF_RESULTS = [name for name, each in REGISTERED.items() if each.kind != VERDICTS and name != "sequence"]
OF_VERDICTS = [name for name, each in REGISTERED.items() if each.kind == VERDICTS]
UNMEASURED = {
    "lines",
    "layers",
    "eigenvalues",
    "trace",
    "aliasing",
    "similarity",
    "lesion",
    "attack",
    "consistency",
    "phase_map",
    "phase_quadrants",
    "phase_trends",
}
"""Figures of results that do not ship."""


@cache
def shipped():
    """What was measured of the family, seeds as one."""
    return pooled(renamed(usual(alike(family.measured()))))


@pytest.mark.full
@pytest.mark.parametrize("name", OF_RESULTS)
def test_figures_of_what_ships_can_be_read_in_print(name):
    kind = REGISTERED[name].kind
    of_kind = {network: kinds[kind] for network, kinds in shipped().items() if kind in kinds}
    found = figures.suited(of_kind).get(name)
    assert bool(found) == (name not in UNMEASURED)
    if found:
        assert_legible(figures.draw(name, found))


@pytest.mark.full
@pytest.mark.parametrize("name", OF_VERDICTS)
def test_figures_of_verdicts_can_be_read_in_print(name):
    if name == "conditions":
        found = conditional(family.measured())
    elif name == "correlations":
        found = correlations(shipped())
    else:
        found = verdicts(usual(alike(family.measured())))
    assert_legible(figures.draw(name, found))


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in papers.PANELS if "-fig" in name])
def test_panels_of_the_papers_can_be_read_in_print(name):
    for part in papers.draw(name, shipped()):
        assert_legible(part.content)


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("across", [1, 2])
def test_frames_under_dropout_masks_can_be_read_in_print(count, across):
    rows = {name: planes.masks(name, 3) for name in synthetic.FAMILY[-count:]}
    assert_legible(figures.sequence(rows, width=figures.preset_width("icml", across)))


@pytest.mark.parametrize("venue", list(figures.PRESETS))
@pytest.mark.parametrize("letters", list(figures.FONTS))
def test_every_venue_and_font_can_be_read(venue, letters):
    found = synthetic.of(synthetic.comparison(synthetic.FAMILY[:3]), "noise")
    for across in (1, 2):
        with figures.font(letters):
            assert_legible(figures.noise(found, width=figures.preset_width(venue, across)))


@pytest.fixture
def printed():
    """The style of figures."""
    with style.context():
        yield


@pytest.mark.usefixtures("printed")
def test_each_fault_is_found():
    figure = Figure(figsize=(2, 2))
    axis = figure.add_axes((0.2, 0.2, 0.75, 0.75))
    axis.plot([0, 1], [0, 1], label="line")
    assert faults(figure) == []
    for words, add in {
        "5.5 pt: 'small'": lambda: axis.text(0.8, 0.1, "small", fontsize=5.5),
        "9 pt: 'large'": lambda: axis.text(0.1, 0.8, "large", fontsize=9),
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


@pytest.mark.usefixtures("printed")
def test_turned_letters_overlap_only_where_they_are():
    figure = Figure(figsize=(3, 3))
    first = figure.text(0.3, 0.3, "a rather long name", rotation=45, rotation_mode="anchor")
    second = figure.text(0.29, 0.5, "corner")
    figure.draw_without_rendering()
    assert first.get_window_extent().overlaps(second.get_window_extent())
    assert not overlap(outline(first), outline(second))
    np.testing.assert_allclose(outline(second)[0], second.get_window_extent().min)
