"""Looks, scales and numbers read off results."""

import numpy as np
import pytest

from landscape import figures
from landscape.figures import style
from landscape.figures.style.scales import inner_ticks, limits, log_ticks, scale
from landscape.numbers import plain_number, plain_numbers
from tests.figures import synthetic


def test_looks_follow_the_order_and_differ():
    looks = style.looks(synthetic.FAMILY)
    assert looks == style.looks(synthetic.FAMILY)
    assert len({look.colour for look in looks.values()}) == 9
    assert len({look.marker for look in looks.values()}) == 9
    many = style.looks(str(i) for i in range(40))
    assert len({(look.colour, str(look.dash), look.marker) for look in many.values()}) == 40


def test_a_look_survives_where_a_network_is_missing():
    looks = figures.looks(synthetic.FAMILY)
    spectra = {name: synthetic.spectrum(name) for name in ("gap-blur", "mcd-gap")}
    figure = figures.spectrum(spectra, looks=looks)
    assert [line.get_color() for line in figure.axes[0].lines] == [looks[name].colour for name in spectra]


def test_limits_ignore_what_is_not_finite():
    assert limits([np.array([1.0, np.nan]), np.array([np.inf, 3.0])]) == (1.0, 3.0)
    assert limits([np.array([np.nan])]) is None


@pytest.mark.parametrize(
    ("low", "high", "log"), [(0.5, 3.0, False), (0.02, 9.0, True), (0.0, 9.0, False), (2.2, 24.0, True)]
)
def test_levels_cover_the_range_and_increase(low, high, log):
    found = scale([np.array([low, high])])
    assert found.log is log
    assert not found.below
    assert found.levels[0] <= low
    assert found.levels[-1] >= high
    assert (np.diff(found.levels) > 0).all()
    assert 4 <= len(found.levels) <= 14


def test_many_decades_are_said_to_continue_below():
    found = scale([np.array([1e-12, 1e3])])
    assert found.below
    assert found.levels[0] > 1e-12


@pytest.mark.parametrize("value", [0.0, 0.3, -2.0, 1e-30])
def test_a_constant_grid_still_has_two_levels(value):
    levels = scale([np.full((3, 3), value)]).levels
    assert levels[0] < value < levels[-1]


def test_forcing_a_logarithm_cannot_hide_negative_values():
    assert scale([np.array([-1.0, 2.0])], log=True).log is False
    assert scale([np.array([1.0, 2.0])], log=True).log is True
    assert scale([np.array([0.01, 9.0])], log=False).log is False


def test_labels_and_ticks():
    assert [plain_number(v) for v in (0.02, -5.0, 2000, 1e6)] == ["0.02", "\N{MINUS SIGN}5", "2000", "1e+06"]
    assert inner_ticks(-1, 1) == [-0.5, 0, 0.5]
    ticks = log_ticks(3, 700)
    assert ticks.min() >= 3
    assert ticks.max() <= 700


def test_labels_tell_neighbours_apart():
    assert plain_numbers([2.3021, 2.3022, 2.3023]) == ["2.3021", "2.3022", "2.3023"]
    assert plain_numbers([1234.1, 1234.2]) == ["1234.1", "1234.2"]
    assert plain_numbers([0.01, 0.02, 2000]) == ["0.01", "0.02", "2000"]
    assert plain_numbers([1, 1]) == ["1", "1"]


def test_a_narrow_range_has_levels_and_ticks_on_either_scale():
    values = np.array([1.01, 1.0199])
    found = scale([values], log=True)
    assert not found.log
    assert len(found.levels) > 5
    assert len(log_ticks(1.01, 1.02)) > 2
