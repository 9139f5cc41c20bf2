"""Numbers read off saved results."""

import numpy as np
import pytest

from landscape.errors import ResultError
from landscape.figures.style.reductions import (
    batch_maximum,
    border_rise,
    cells,
    centre_nll,
    extremes,
    smoothing_ratio,
    stage_boundaries,
)
from tests.figures import synthetic


def test_border_rise_is_the_mean_of_the_ring_minus_the_centre():
    dataset = synthetic.surface(steps=5)
    nll = dataset["nll"].values
    ring = np.concatenate([nll[0], nll[-1], nll[1:-1, 0], nll[1:-1, -1]])
    found = border_rise(dataset)
    assert found["rise"] == pytest.approx(ring.mean() - nll[2, 2])
    assert found["cells"] == 16
    assert found["radius"] == 1.0
    assert found["standard_error"] == pytest.approx(0.02 * (ring.mean() + nll[2, 2]))


def test_border_cells_that_are_not_finite_are_left_out_and_counted():
    found = border_rise(synthetic.surface(steps=5, broken=2, undone=1))
    assert found["not_finite"] == 3
    assert np.isfinite(found["rise"])


def test_without_a_centre_there_is_no_rise():
    assert centre_nll(synthetic.surface(steps=4)) is None
    assert border_rise(synthetic.surface(steps=4)) == {}


def test_extremes_skip_cells_that_are_not_finite():
    found = extremes(synthetic.surface(broken=1))
    assert (found["minimum"]["x"], found["minimum"]["y"]) == (0.0, 0.0)
    assert np.isfinite(found["maximum"]["nll"])
    dataset = synthetic.surface()
    dataset["nll"][:] = np.nan
    assert extremes(dataset) == {}


def test_cells_count_and_add():
    grid = cells(synthetic.surface(broken=2, undone=3))
    assert (grid.not_finite, grid.not_done) == (2, 3)
    dataset = synthetic.surface()
    total = cells(dataset, "total").values
    np.testing.assert_allclose(total, dataset["nll"].values + dataset["l2"].values)


def test_unknown_quantities_and_lines_are_refused():
    with pytest.raises(ResultError, match=r"'loss'.*nll, l2, total, accuracy"):
        cells(synthetic.surface(), "loss")
    with pytest.raises(ResultError, match="this surface has no l2"):
        cells(synthetic.surface().drop_vars("l2"), "total")
    with pytest.raises(ResultError, match="2 × 2"):
        cells(synthetic.surface().isel(y=[0]))


def test_batch_maximum():
    dataset = synthetic.spectrum(batches=8, k=3)
    largest = dataset["eigenvalue"].values.max(axis=1)
    mean, error = batch_maximum(dataset)
    assert mean == pytest.approx(largest.mean())
    assert error == pytest.approx(largest.std(ddof=1) / np.sqrt(8))
    assert batch_maximum(synthetic.spectrum(batches=1))[1] is None


def test_stage_boundaries_separate_the_stages_of_every_network():
    datasets = [synthetic.features("a"), synthetic.features("b", blur=True)]
    found = stage_boundaries(datasets)
    assert len(found) == 3
    for boundary, stage in zip(found, (0, 1, 2), strict=True):
        for dataset in datasets:
            depth, stages = dataset["depth"].values, dataset["stage"].values
            assert depth[stages == stage].max() < boundary < depth[stages == stage + 1].min()


def test_a_boundary_that_no_depth_separates_is_left_out():
    late = synthetic.features("late")
    late["depth"][:] = late["depth"].values ** 4
    assert len(stage_boundaries([synthetic.features("a"), late])) < 3


def test_smoothing_ratio():
    assert smoothing_ratio(synthetic.features()) is None
    assert smoothing_ratio(synthetic.features(blur=True)) == pytest.approx(0.5 * 1.15)
