"""Numbers read off saved results."""

import numpy as np
import pytest

from landscape.errors import ArgumentError, ResultError
from landscape.figures.style.depth import stage_boundaries
from landscape.figures.surface.grids import cells
from tests.figures import synthetic


def test_cells_count_and_add():
    grid = cells(synthetic.surface(broken=2, undone=3))
    assert (grid.not_finite, grid.not_done) == (2, 3)
    dataset = synthetic.surface()
    total = cells(dataset, "total").values
    np.testing.assert_allclose(total, dataset["nll"].values + dataset["l2"].values)


def test_unknown_quantities_and_lines_are_refused():
    with pytest.raises(ArgumentError, match=r"'loss'.*nll, l2, total, accuracy"):
        cells(synthetic.surface(), "loss")
    with pytest.raises(ResultError, match="this surface has no l2"):
        cells(synthetic.surface().drop_vars("l2"), "total")
    with pytest.raises(ResultError, match="2 × 2"):
        cells(synthetic.surface().isel(y=[0]))


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
