"""Tables of cells: read strictly, with what is empty said, and back bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from landscape.errors import ResultError
from landscape.exchange import phase as table
from landscape.results import attribute, load, save
from landscape.results.phases import axes_of, columns, ends_of
from tests.figures.phase_results import phase

ROWS = ("batch,lmax,lmax_sd,test_acc,width", "16,10.5,2,80,4", "16,5,1,,8", "32,nan,2,70,4", "32,7,1,75.5,8")


def written(path, *rows):
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_table_is_read_as_it_stands(tmp_path):
    found = table.read(written(tmp_path / "grid.csv", *ROWS))
    assert axes_of(found) == ("width", "batch")
    assert columns(found) == ["lmax", "test_acc"]
    np.testing.assert_array_equal(found.test_acc, [80, np.nan, 70, 75.5])
    low, high = ends_of(found, "lmax")
    np.testing.assert_array_equal(low, [8.5, 4, np.nan, 6])
    np.testing.assert_array_equal(high, [12.5, 6, np.nan, 8])
    assert ends_of(found, "test_acc") is None
    said = attribute(found, "checks")[1]["message"]
    assert said == "Cells without a number: test_acc empty in 1 of 4; lmax not defined in 1 of 4."
    assert attribute(found, "network")["name"] == "grid"


def test_what_was_written_reads_back_bit_for_bit(tmp_path):
    dataset = phase()
    found = table.read(table.write(dataset, tmp_path / "out.csv"))
    for name in dataset.data_vars:
        assert found[name].values.tobytes() == dataset[name].values.astype(float).tobytes()
    assert load(save(found, tmp_path / "out.zarr")).identical(found)


def test_fields_may_be_words_and_are_chosen(tmp_path):
    path = written(
        tmp_path / "a.csv", "head,depth,test_acc,rate", "=gap,20,80,1", "mlp,20,75,2", "gap,32,81,1"
    )
    found = table.read(path, x="head", y="depth")
    assert axes_of(found) == ("head", "depth")
    assert columns(found) == ["test_acc", "rate"]
    again = table.read(table.write(found, tmp_path / "b.csv"), x="head", y="depth")
    assert again["head"].values.tolist() == ["'=gap", "mlp", "gap"]


@pytest.mark.parametrize(
    ("rows", "fields", "words"),
    [
        (("a,b,lmax", "1,2,3"), {}, "no column test_acc"),
        (("a,test_acc", "1,2"), {}, "two fields, and .* has a beside its measures"),
        (("a,b,c,test_acc", "1,2,3,4"), {}, "has a, b, c beside its measures: name two by --x and --y"),
        (("a,b,c,test_acc", "1,2,3,4"), {"x": "a"}, "name two by --x and --y"),
        (("a,b,test_acc", "1,2,4"), {"x": "d"}, "no column d; it has a, b, test_acc"),
        (("a,b,test_acc", "1,2,4"), {"x": "a", "y": "a"}, "both name a"),
        (("a,b,test_acc", "1,2,x"), {}, "holds 'x' where a number is expected"),
        (("a,b,test_acc", "1,2,inf"), {}, "holds 'inf' where a number is expected"),
        (("a,b,test_acc", "1,2,104"), {}, "holds 104, and a test accuracy lies between 0 and 100"),
        (("a,b,test_acc,train_nll", "1,2,4,-1"), {}, "holds -1, and a training loss"),
        (("a,b,test_acc", ",2,4"), {}, "field of the grid and has empty cells"),
        (("a,b,test_acc", "1,2,4", "1,2.0,5"), {}, "two rows with a 1, b 2"),
        (("a,b,test_acc", "1,2"), {}, "rows are shorter or longer"),
    ],
)
def test_anything_else_is_refused(tmp_path, rows, fields, words):
    with pytest.raises(ResultError, match=words):
        table.read(written(tmp_path / "bad.csv", *rows), **fields)


def test_other_results_are_not_written(tmp_path):
    with pytest.raises(ResultError, match="expected a result of kind 'phase'"):
        table.write(phase().assign_attrs(kind="surface"), tmp_path / "out.csv")


def test_the_published_table(shared_data):
    found = table.read(shared_data / "taxonomy.csv")
    assert found.sizes["cell"] == 210
    assert axes_of(found) == ("width", "batch")
    assert "test_acc empty in 28 of 210" in attribute(found, "checks")[1]["message"]
