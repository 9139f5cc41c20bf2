"""One definition of a surface's centre, and everything that reads it."""

import numpy as np
import pytest
import xarray as xr

from landscape.analyses.surface_checks import border_rises
from landscape.cli.planes import summary
from landscape.comparison.readings import train_nll
from landscape.report.summary import numbers_of
from landscape.results import at_centre, centre
from tests.figures import synthetic


def grid(x: list[float], y: list[float]) -> xr.Dataset:
    values = np.arange(float(len(x) * len(y))).reshape(len(y), len(x))
    names = ("nll", "l2", "accuracy", "standard_error", "sampling_error")
    return xr.Dataset(
        dict.fromkeys(names, (("y", "x"), values)) | {"done": (("y", "x"), values >= 0)},
        coords={"x": x, "y": y},
        attrs={"protocol": '{"data": {"split": "train"}}'},
    )


OFF_MIDDLE = grid([-1.0, 0.0, 1.0, 2.0, 3.0], [-2.0, -1.0, 0.0])
WITHOUT = grid([-1.0, 0.5, 2.0], [-1.0, 0.0, 1.0])


def test_it_is_the_point_zero_not_the_middle():
    assert centre(OFF_MIDDLE) == {"y": 2, "x": 1}
    expected = 11.0
    assert float(at_centre(OFF_MIDDLE).nll) == expected
    row = numbers_of("surface", OFF_MIDDLE)
    assert row["centre_nll"] == expected
    assert summary(OFF_MIDDLE)[0]["center"]["nll"] == expected
    assert train_nll({"surface": OFF_MIDDLE}).value == expected
    ring = np.r_[np.arange(5), 5, 9, np.arange(10, 15)].mean()
    assert float(border_rises(OFF_MIDDLE)) == pytest.approx(ring - expected)
    assert row["border"]["rise"] == pytest.approx(ring - expected)


def test_a_grid_without_it_has_none():
    assert centre(WITHOUT) is None
    assert at_centre(WITHOUT) is None
    row = numbers_of("surface", WITHOUT)
    assert "centre_nll" not in row
    assert train_nll({"surface": WITHOUT}) is None
    assert "border" not in row
    assert np.isnan(border_rises(WITHOUT))
    values, lines = summary(WITHOUT)
    assert values["center"] is None
    assert not any(line.startswith("centre") for line in lines)


def test_rounding_is_allowed_for_and_no_more():
    assert centre(grid([-1.0, 1e-10, 1.0], [-1.0, 0.0, 1.0])) == {"y": 1, "x": 1}
    assert centre(grid([-1.0, 1e-8, 1.0], [-1.0, 0.0, 1.0])) is None
    assert centre(grid([-1.0, 0.0, 1.0], [0.0])) == {"y": 0, "x": 1}


def test_of_several_repeats_it_is_the_first_ones():
    both = xr.concat([OFF_MIDDLE, OFF_MIDDLE + 5], "repeat")
    assert float(at_centre(both).nll) == 11.0


def test_lines_have_one_too():
    line = synthetic.line() if hasattr(synthetic, "line") else OFF_MIDDLE.isel(y=2, drop=True)
    assert set(centre(line)) == {"x"}
