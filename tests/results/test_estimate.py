"""Numbers with their errors, and how they are read from results."""

import math

import numpy as np
import pytest
import xarray as xr

from landscape.results.estimate import Estimate
from landscape.results.reading import per_item, stored


def test_the_mean_of_values_with_students_interval():
    found = Estimate.of(np.array([1.0, 2.0, 3.0]), ["a", "b", "c"])
    assert (found.value, found.error) == (2.0, pytest.approx(1 / math.sqrt(3)))
    assert found.interval == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))
    assert found.items is not None
    assert dict(found.items) == {"a": 1.0, "b": 2.0, "c": 3.0}


def test_a_single_value_has_no_error():
    found = Estimate.of(np.array([4.0]))
    assert found.value == found.mean == 4.0
    assert not found.known
    assert found.interval is None


def test_another_unit():
    found = Estimate(0.5, 0.1, low=0.25, high=1.0).times(100)
    assert (found.value, found.error, found.interval) == (50.0, 10.0, (25.0, 100.0))


def test_stored_numbers_and_items():
    dataset = xr.Dataset(
        {
            "mean_nll": 2.0,
            "mean_nll_standard_error": 0.5,
            "nll": ("sample", [1.0, 3.5]),
            "gone": math.nan,
            "by_size": ("size", [7.0, 8.0]),
        },
        coords={"sample": [10, 11]},
    )
    assert stored("mean_nll")(dataset) == Estimate(2.0, 0.5)
    assert stored("gone")(dataset) is stored("absent")(dataset) is None
    assert stored("by_size")(dataset) == Estimate(7.0)
    found = per_item("nll", "sample", "mean_nll")(dataset)
    assert found is not None
    assert found.items is not None
    assert (found.value, found.error, found.mean) == (2.0, 0.5, 2.25)
    assert list(found.items.index) == [10, 11]
    assert per_item("absent", "sample")(dataset) is None
    assert per_item("absent", "sample", "mean_nll")(dataset) == Estimate(2.0, 0.5)
