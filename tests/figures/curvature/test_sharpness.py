"""Measures of sharpness and their audit: numbers drawn, rows, markers."""

import numpy as np
import pytest

from landscape import figures
from tests.figures import synthetic
from tests.figures.artists import labels, line

NETWORKS = {
    "gap": synthetic.sharpness("gap"),
    "gap-blur": synthetic.sharpness("gap-blur", level=0.5, seed=1),
    "mlp": synthetic.sharpness("mlp", level=2.0, seed=2),
}


def test_values_are_over_the_median_of_networks():
    figure = figures.sharpness(NETWORKS)
    left, right = figure.axes
    middle = np.median([each["value"].values for each in NETWORKS.values()], axis=0)
    for name, dataset in NETWORKS.items():
        drawn = line(left, name)
        np.testing.assert_allclose(drawn.get_xdata(), dataset["value"].values / middle)
        assert (np.abs(drawn.get_ydata() - np.arange(10)) < 0.5).all()
    assert [text.get_text() for text in left.get_yticklabels()][:3] == ["λ max", "λ max, filters", "trace"]
    assert left.get_xscale() == right.get_xscale() == "log"


def test_each_change_of_the_audit_has_a_marker():
    figure = figures.sharpness(NETWORKS["gap"])
    _, right = figure.axes
    for index, change in enumerate(NETWORKS["gap"]["change"].values):
        drawn = next(each for each in right.lines if each.get_label() == f"_gap {change}")
        np.testing.assert_allclose(drawn.get_xdata(), NETWORKS["gap"]["ratio"].values[:, index])
    assert labels(figure)[0] == "gap"
    assert "units permuted" in labels(figure)


def test_without_an_audit_there_is_one_panel():
    dataset = synthetic.sharpness(audit=False)
    assert len(figures.sharpness(dataset).axes) == 1
    assert "audit" not in figures.caption("sharpness", dataset)


def test_gaps_are_drawn_with_their_rank_correlation():
    figure = figures.generalisation(family())
    first = figure.axes[0]
    for name, dataset in family().items():
        (x,), (y,) = (np.ravel(each) for each in line(first, name).get_data())
        assert x == pytest.approx(float(dataset["value"][0]))
        assert y == pytest.approx(float(dataset["gap"]))
    assert "λ max" in first.get_title()
    assert "+1.00" in first.get_title()


def family():
    return {f"net{i}": synthetic.sharpness(f"net{i}", level=2.0**i, gap=0.1 + 0.05 * i) for i in range(5)}
