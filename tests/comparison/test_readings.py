"""Numbers read from results, and the errors that go with them."""

from __future__ import annotations

import numpy as np
import pytest

from landscape.comparison.readings import READINGS, largest_eigenvalue, smoothing_ratio
from tests.figures import synthetic


def test_names_and_keys_are_unique():
    for values in zip(*((reading.name, reading.key) for reading in READINGS), strict=True):
        assert len(set(values)) == len(values)
    assert all(reading.higher and reading.block for reading in READINGS if reading.compared)


def test_the_largest_eigenvalue_of_mini_batches():
    dataset = synthetic.spectrum(batches=8, k=3)
    largest = dataset["eigenvalue"].values.max(axis=1)
    found = largest_eigenvalue(dataset)
    assert found.value == pytest.approx(largest.mean())
    assert found.error == pytest.approx(largest.std(ddof=1) / np.sqrt(8))
    np.testing.assert_array_equal(found.items, largest)
    assert not largest_eigenvalue(synthetic.spectrum(batches=1)).known


def test_smoothing_ratio():
    assert smoothing_ratio(synthetic.features()) is None
    assert smoothing_ratio(synthetic.features(blur=True)).value == pytest.approx(0.5 * 1.15)
