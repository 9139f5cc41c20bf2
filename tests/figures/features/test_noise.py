"""Accuracy under noise of one frequency, and without one block."""

import numpy as np
import pytest

from landscape import figures
from landscape.errors import ResultError
from tests.figures import feature_results
from tests.figures.artists import bands, edges, line
from tests.figures.legible import assert_legible


def test_noise_draws_accuracy_and_drop_in_per_cent():
    data = {"gap": feature_results.noise("gap"), "mlp": feature_results.noise("mlp", fall=0.2)}
    figure = figures.noise(data)
    for axis, variable in zip(figure.axes, ("accuracy", "accuracy_drop"), strict=True):
        for index, (name, dataset) in enumerate(data.items()):
            drawn = line(axis, name)
            np.testing.assert_array_equal(drawn.get_xdata(), dataset["frequency_pi"].values)
            np.testing.assert_allclose(drawn.get_ydata(), 100 * dataset[variable].values)
            _, low, high = edges(bands(axis)[index])
            np.testing.assert_allclose(high - low, 400 * dataset[f"{variable}_standard_error"].values)
    clean = [drawn for drawn in figure.axes[0].lines if drawn.get_label() == "_clean"]
    assert [drawn.get_ydata()[0] for drawn in clean] == [88.0, 88.0]


def test_lesions_are_drawn_by_depth_with_stages():
    data = {"gap": feature_results.lesion("gap"), "mlp": feature_results.lesion("mlp", level=0.1)}
    for quantity, factor in (("accuracy_drop", 100), ("nll_rise", 1)):
        axis = figures.lesion(data, quantity=quantity).axes[0]
        for name, dataset in data.items():
            np.testing.assert_array_equal(line(axis, name).get_xdata(), dataset["depth"].values)
            np.testing.assert_allclose(line(axis, name).get_ydata(), factor * dataset[quantity].values)
        assert len(axis.patches) == 1  # the second of three stages
    with pytest.raises(ResultError, match="no 'ece'"):
        figures.lesion(data, quantity="ece")


def test_blocks_of_one_network_are_named():
    dataset = feature_results.lesion()
    axis = figures.lesion(dataset).axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == list(dataset["block"].values)
    many = feature_results.lesion(blocks=20)
    narrow = figures.lesion(many, width=figures.ONE_COLUMN).axes[0]
    assert 6 <= len(narrow.get_xticks()) <= 12
    assert_legible(narrow.figure)
