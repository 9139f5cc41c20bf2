"""Trends, jumps and quadrants of a map: known orders, steps of known size, and the published table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from landscape.comparison.phase import jumps, quadrants, trends
from landscape.errors import ResultError
from landscape.exchange import phase as table
from landscape.results.phases import Grid, grid
from tests.figures.phase_results import phase

PUBLISHED = {"lmax": -0.90, "trace": -0.90, "cka_softmax": 0.89, "mc_train_err": 0.66, "dist": 0.53}
"""Rank correlations with test accuracy that Yang et al.'s measurements have, as the project states them."""


@pytest.fixture(scope="module")
def published(shared_data):
    return table.read(shared_data / "taxonomy.csv")


def test_the_published_trends(published):
    found = trends(published)
    for name, value in PUBLISHED.items():
        assert found[name].value == pytest.approx(value, abs=0.02), name
        assert 180 <= found[name].cells <= 182
        assert found[name].interval.low < found[name].value < found[name].interval.high
        assert np.sign(found[name].interval.low) == np.sign(value)


def test_a_trend_is_scipys_over_the_cells_that_have_both():
    dataset = phase(missing=2)
    found = trends(dataset)["lmax"]
    reference = stats.spearmanr(dataset.lmax.values[2:], dataset.test_acc.values[2:])
    assert found.value == pytest.approx(reference.statistic)
    assert found.cells == 10


def test_what_never_changes_or_is_in_too_few_cells_has_no_trend():
    found = trends(phase().assign(dist=("cell", np.ones(12))))["dist"]
    assert np.isnan([found.value, found.interval.low]).all()
    assert found.cells == 11
    with pytest.raises(ResultError, match="at least 4 cells"):
        trends(phase(missing=9))


def test_a_wall_is_a_jump_and_a_slope_is_none():
    slope = np.add.outer(np.arange(4.0), np.arange(6.0))
    assert not any(each.any() for each in jumps("cka_softmax", Grid((), (), slope)))
    slope[:, 3:] += 10
    across, upward = jumps("cka_softmax", Grid((), (), slope))
    assert across[:, 2].all()
    assert across.sum() == 4
    assert not upward.any()


def test_jumps_of_a_logarithmic_measure_are_factors():
    values = np.array([[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]])
    assert not jumps("lmax", Grid((), (), values))[0].any()
    assert jumps("lmax", Grid((), (), values * [1, 1, 1, 100, 100, 100]))[0].tolist() == [
        [False, False, True, False, False]
    ]


def test_beside_a_cell_without_a_number_nothing_jumps():
    values = np.array([[0.0, 0.0, np.nan, 9.0, 9.0]])
    assert not jumps("cka_softmax", Grid((), (), values))[0].any()
    nothing = jumps("lmax", Grid((), (), np.full((2, 2), np.nan)))
    assert [each.shape for each in nothing] == [(2, 1), (1, 2)]


def test_every_cell_is_in_one_quadrant():
    dataset = phase(missing=0)
    found = quadrants(dataset)
    assert found.sharp == np.median(dataset.lmax)
    counts = found.counts()
    assert sum(count for count, _ in counts.values()) == 12
    assert counts["locally flat, globally well connected"][0] == 6
    assert counts["locally sharp, globally poorly connected"][0] == 6
    assert quadrants(dataset, sharp=1e9, barrier=-100).counts() == {
        "locally flat, globally well connected": (12, pytest.approx(float(np.median(dataset.test_acc)))),
        **{name: (0, pytest.approx(np.nan, nan_ok=True)) for name in list(counts)[1:]},
    }


def test_quadrants_say_what_they_lack():
    with pytest.raises(ResultError, match="no mc_train_err"):
        quadrants(phase().drop_vars(["mc_train_err"]))
    empty = phase().assign(mc_train_err=("cell", np.full(12, np.nan)))
    with pytest.raises(ResultError, match="two seeds of each cell"):
        quadrants(empty)


def test_the_grid_is_in_the_order_of_its_fields(published):
    found = grid(published, "lmax")
    assert found.x[:4] == ("1", "2", "3", "4")
    assert found.y[-1] == "1024"
    row = published.isel(cell=int(np.flatnonzero((published.width == 11) & (published.batch == 1024))[0]))
    assert found.values[found.y.index("1024"), found.x.index("11")] == float(row.lmax)
    assert grid(published, "test_acc").missing == 28


def test_where_the_published_networks_are_best(published):
    counts = quadrants(published).counts()
    accuracy = {name: median for name, (count, median) in counts.items() if count}
    assert max(accuracy, key=accuracy.__getitem__) == "locally flat, globally well connected"
    assert min(accuracy, key=accuracy.__getitem__) == "locally sharp, globally poorly connected"
