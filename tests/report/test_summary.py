import csv
import json

import numpy as np
import pytest

from landscape.errors import ResultError
from landscape.report import summarise, write_summary
from landscape.report.summary import numbers_of, sheets
from tests.figures import synthetic


def values(item):
    if isinstance(item, dict):
        for value in item.values():
            yield from values(value)
    elif isinstance(item, list):
        for value in item:
            yield from values(value)
    else:
        yield item


def test_rows_hold_the_numbers_of_each_kind():
    results = synthetic.comparison()
    rows = summarise(results)
    assert [row["name"] for row in rows] == list(results)
    row, kinds = rows[1], results["gap"]
    assert row["nll"] == pytest.approx(0.47)
    assert row["parameters"] == 272474
    assert row["largest_eigenvalue"] == 75.0
    assert row["largest_eigenvalue_converged"] is True
    assert row["ape"] == float(kinds["spectrum"]["ape"])
    assert row["not_converged"] == 1
    assert row["centre_nll"] == pytest.approx(0.02)
    assert row["border"]["radius"] == 1.0
    assert row["last_spatial_variance"] == float(kinds["features"]["spatial_variance"][-1])
    assert row["failed_checks"] == ["1 of 60 eigenvalues did not converge; raise --max-steps"]
    assert rows[0]["not_finite"] == 3


def test_the_last_block_is_not_a_smoothing_layer():
    row = summarise({"gap-blur": {"features": synthetic.features("gap-blur", blur=True)}})[0]
    features = synthetic.features("gap-blur", blur=True)
    assert row["high_frequency"] == float(features["high_frequency"][-2])


def test_what_is_missing_has_no_key():
    rows = summarise({"gap": {"evaluation": synthetic.evaluation("gap").drop_vars("top5")}, "mlp": {}})
    assert "top5" not in rows[0]
    assert "ape" not in rows[0]
    assert rows[1] == {"name": "mlp", "failed_checks": []}


def test_nothing_is_nan():
    broken = synthetic.comparison(["gap"])["gap"]
    for kind, name in (("surface", "nll"), ("spectrum", "eigenvalue"), ("eigenvalues", "eigenvalue")):
        broken[kind][name][:] = np.nan
    for name in ("spatial_variance", "high_frequency", "spatial_variance_standard_error"):
        broken["features"][name][:] = np.nan
    broken["spectrum"]["ape"] = np.nan
    row = summarise({"gap": broken})[0]
    assert all(np.isfinite(v) for v in values(row) if isinstance(v, float))
    assert "minimum" not in row
    assert row["not_finite"] == 121


def test_wrong_filing_and_nothing_are_refused():
    with pytest.raises(ResultError, match="filed as 'surface' of 'gap' is of kind 'features'"):
        summarise({"gap": {"surface": synthetic.features("gap")}})
    for nothing in ({}, {"gap": {}}):
        with pytest.raises(ResultError, match="received none"):
            summarise(nothing)


def test_both_files_hold_the_same_numbers(tmp_path):
    rows = summarise(synthetic.comparison())
    table, document = write_summary(rows, tmp_path / "new")
    assert json.loads(document.read_text(encoding="utf-8")) == rows
    with table.open(newline="", encoding="utf-8") as stream:
        read = list(csv.DictReader(stream))
    assert [float(line["minimum.nll"]) for line in read] == [row["minimum"]["nll"] for row in rows]
    assert [line["failed_checks"] for line in read] == ["0", "1", "0"]


def row_of(surface):
    return numbers_of("surface", surface)


def test_border_rise_is_the_mean_of_the_ring_minus_the_centre():
    dataset = synthetic.surface(steps=5)
    nll = dataset["nll"].values
    ring = np.concatenate([nll[0], nll[-1], nll[1:-1, 0], nll[1:-1, -1]])
    found = row_of(dataset)["border"]
    assert found["rise"] == pytest.approx(ring.mean() - nll[2, 2])
    assert found["cells"] == 16
    assert found["radius"] == 1.0
    assert found["standard_error"] == pytest.approx(0.02 * (ring.mean() + nll[2, 2]))


def test_border_cells_that_are_not_finite_are_left_out_and_counted():
    found = row_of(synthetic.surface(steps=5, broken=2, undone=1))["border"]
    assert found["not_finite"] == 3
    assert np.isfinite(found["rise"])


def test_without_a_centre_there_is_no_rise():
    assert {"centre_nll", "border"}.isdisjoint(row_of(synthetic.surface(steps=4)))


def test_extremes_skip_cells_that_are_not_finite():
    found = row_of(synthetic.surface(broken=1))
    assert (found["minimum"]["x"], found["minimum"]["y"]) == (0.0, 0.0)
    assert np.isfinite(found["maximum"]["nll"])
    dataset = synthetic.surface()
    dataset["nll"][:] = np.nan
    assert {"minimum", "maximum"}.isdisjoint(row_of(dataset))


@pytest.mark.parametrize("columns", range(40))
def test_sheets_hold_every_column_once(columns):
    parts = [list(range(columns))[part] for part in sheets(columns)]
    assert [column for part in parts for column in part] == list(range(columns))
    assert all(1 <= len(part) <= 7 for part in parts)
    assert len({len(part) for part in parts}) <= 2


def test_columns_are_dealt_out_evenly():
    assert [part.stop - part.start for part in sheets(8)] == [4, 4]
    assert [part.stop - part.start for part in sheets(13)] == [6, 7]
