"""Rank correlations across networks: known orders, exact p-values, and too few networks."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr

from landscape.comparison.correlations import correlations, values
from landscape.errors import ResultError


def results(eigenvalues: list[float], losses: list[float]) -> dict[str, dict[str, xr.Dataset]]:
    def spectrum(value: float) -> xr.Dataset:
        return xr.Dataset({"eigenvalue": (("batch", "rank"), np.full((3, 1), value))})

    def evaluation(value: float) -> xr.Dataset:
        table = {"nll": ("sample", np.full(4, value)), "correct": ("sample", np.ones(4, bool))}
        return xr.Dataset(table, coords={"sample": np.arange(4)})

    return {
        f"net{i}": {"spectrum": spectrum(a), "evaluation": evaluation(b)}
        for i, (a, b) in enumerate(zip(eigenvalues, losses, strict=True))
    }


def test_orders_that_agree_and_disagree():
    for sign in (1, -1):
        found = correlations(results([1, 2, 3, 4, 5], [sign * v for v in (10, 20, 40, 80, 81)]))
        cell = found.sel(quantity_a="largest Hessian eigenvalue", quantity_b="NLL")
        assert float(cell.correlation) == pytest.approx(sign)
        # Of the 120 orders of five, one gives 1 and one −1: two-sided, 2/120.
        assert float(cell.p_value) == pytest.approx(2 / math.factorial(5))
        assert int(cell.networks) == 5


def test_a_quantity_that_never_changes_has_no_correlation():
    found = correlations(results([1, 2, 3, 4], [4, 2, 3, 1]))
    assert np.isnan(found.correlation.sel(quantity_a="NLL", quantity_b="accuracy"))
    assert float(found.correlation.sel(quantity_a="NLL", quantity_b="NLL")) == 1


def test_what_is_not_finite_is_left_out():
    table = values(results([1, math.inf, 3], [1, 2, 3]))
    assert table["largest Hessian eigenvalue"] == {"net0": 1.0, "net2": 3.0}
    assert list(table["NLL"]) == ["net0", "net1", "net2"]


def test_too_few_networks_are_refused():
    with pytest.raises(ResultError, match="at least 4 networks"):
        correlations(results([1, 2, 3], [1, 2, 3]))


def test_networks_that_have_no_part_in_it_do_not_count_as_seeds():
    def merged(dataset: xr.Dataset) -> xr.Dataset:
        return dataset.assign_attrs(network=json.dumps({"seeds": [{}, {}, {}]}))

    found = {
        name: {kind: merged(dataset) for kind, dataset in kinds.items()}
        for name, kinds in results([1, 2, 3, 4], [4, 2, 3, 1]).items()
    }
    other = {"put in": {"ensemble-n50": xr.Dataset(attrs={"network": json.dumps({})})}}
    assert correlations(found | other).attrs["seeds"] == correlations(found).attrs["seeds"] == "3"
