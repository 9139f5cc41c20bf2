"""CSV and NPZ read back bit for bit, and refuse what is damaged."""

import json
import zipfile

import numpy as np
import pytest
import xarray as xr

from landscape import exchange
from landscape.errors import ResultError
from landscape.exchange import tables
from landscape.results import attribute, load

from .surfaces import X, Y, surface

AWKWARD = np.array([0.1 + 0.2, 1 / 3, 5e-324, -0.0, np.nan, np.inf, -np.inf, 1e308, 2**53 + 2.0, 1e-5])


def awkward(**kwargs):
    return surface(undone=[(0, 0)], ece=np.resize(AWKWARD, (4, 5)), flag=np.eye(4, 5, dtype=bool), **kwargs)


def bits(values):
    return np.asarray(values).astype(np.float64).view(np.int64)


@pytest.mark.parametrize("y", [Y, None], ids=["plane", "line"])
def test_csv_there_and_back(tmp_path, y):
    before = awkward() if y is not None else surface(y=None, undone=[1], ece=AWKWARD[:5])
    after = exchange.read(exchange.write(before, tmp_path / "s.csv"))
    assert after.nll.dims == before.nll.dims
    assert set(after.data_vars) == set(before.data_vars)
    for name in before.variables:
        assert after[name].dtype == before[name].dtype
        np.testing.assert_array_equal(bits(after[name]), bits(before[name]))
    assert attribute(after, "network")["name"] == "s"
    assert attribute(after, "protocol")["data"]["samples"] == "unknown"


def test_csv_is_a_plain_long_table(tmp_path):
    path = tables.write_csv(surface(), tmp_path / "s.csv")
    assert path.read_bytes().count(b"\n") == 1 + 20
    header = path.read_text().splitlines()[0].split(",")
    assert header[:3] == ["x", "y", "nll"]
    table = np.genfromtxt(path, delimiter=",", names=True)
    np.testing.assert_array_equal(table["x"], np.tile(X, 4))
    np.testing.assert_array_equal(table["y"], np.repeat(Y, 5))
    np.testing.assert_array_equal(table["nll"], surface().nll.values.ravel())
    assert (table["x_norm"] == 12.5).all()


def test_csv_of_several_direction_pairs(tmp_path):
    pairs = xr.concat(
        [surface(), surface(broken=[(1, 1)])], "repeat", data_vars="all", combine_attrs="override"
    )
    after = exchange.read(exchange.write(pairs, tmp_path / "s.csv"))
    assert after.nll.dims == ("repeat", "y", "x")
    np.testing.assert_array_equal(after.nll, pairs.nll)
    np.testing.assert_array_equal(after.x, pairs.x)


def test_single_precision_reads_back_as_the_same_numbers(tmp_path):
    before = surface()
    before["nll"] = before.nll.astype(np.float32)
    after = exchange.read(exchange.write(before, tmp_path / "s.csv"))
    np.testing.assert_array_equal(after.nll.values.astype(np.float32), before.nll.values)


def csv(path, change):
    tables.write_csv(surface(), path)
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:-1]], "are not a grid with x fastest"),
        (lambda lines: [lines[0], *lines[2:], lines[1]], "are not a grid with x fastest"),
        (lambda lines: [*lines, "1,2"], "is not a table"),
        (lambda lines: [lines[0].replace("nll", "loss"), *lines[1:]], "has no column nll"),
        (lambda lines: [lines[0].replace("l2", "nll"), *lines[1:]], "columns, and one name twice"),
        (lambda lines: [lines[0]], "has names and no rows"),
        (
            lambda lines: [*lines[:-1], lines[-1].replace(",100,", ",many,")],
            "column samples of .* no numbers",
        ),
    ],
)
def test_a_csv_file_that_is_damaged(tmp_path, change, message):
    csv(tmp_path / "s.csv", change)
    with pytest.raises(ResultError, match=message):
        exchange.read(tmp_path / "s.csv")


def test_a_table_with_and_without_names(tmp_path):
    path = tmp_path / "t.csv"
    assert not tables.has_header(path)
    for content, expected in (("x,y\n", True), ("\ufeffx,y\n", True), ("-1.0,2\n", False), ("nan,2", False)):
        path.write_text(content, encoding="utf-8")
        assert tables.has_header(path) == expected
    with pytest.raises(ResultError, match="no table at"):
        tables.read_csv(tmp_path / "none.csv")


def test_npz_there_and_back(tmp_path):
    before = awkward()
    before["words"] = ("y", np.array(["a", "β", "c", ""], dtype=object))
    before["trajectory"] = ("epoch", np.arange(3.0))
    after = exchange.read(exchange.write(before, tmp_path / "s.npz"))
    (check,) = attribute(after, "checks")  # which the surface of this test lacks, of one point not computed
    assert (check["name"], check["passed"]) == ("complete", False)
    xr.testing.assert_identical(after.assign_attrs(checks=before.attrs["checks"]), before)
    np.testing.assert_array_equal(bits(after.ece), bits(before.ece))
    with np.load(tmp_path / "s.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["nll"], before.nll)
        np.testing.assert_array_equal(stored["x"], X)
        assert json.loads(str(stored["_landscape"]))["variables"]["nll"]["dims"] == ["y", "x"]


def damaged(path, what):
    if what == "bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("nll.npy", bytes(2**28 + 2**24))
    elif what == "pickle":
        whole = tables.write_npz(surface(), path)
        with np.load(whole) as stored:
            arrays = dict(stored)
        np.savez(path, **{**arrays, "nll": np.array([{}], dtype=object)})
    elif what == "foreign":
        np.savez(path, nll=np.ones(3))
    elif what == "half":
        whole = tables.write_npz(surface(), path).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif what == "shape":
        content = {
            "variables": {"nll": {"dims": ["y"], "attributes": {}}},
            "coordinates": [],
            "attributes": {},
        }
        np.savez(path, nll=np.ones((2, 2)), _landscape=np.array(json.dumps(content)))
    elif what == "kind":
        tables.write_npz(surface(), path)
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays["_landscape"] = np.array(str(arrays["_landscape"]).replace('"surface"', '"density"'))
        np.savez(path, **arrays)
    else:
        path.write_bytes(b"junk")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("bomb", "more than any result of that size holds"),
        ("pickle", "holds objects, which are not read"),
        ("foreign", "holds no _landscape: it was not written by landscape"),
        ("half", "cannot be read as an NPZ result"),
        ("shape", "cannot be read as an NPZ result"),
        ("kind", "eigenvalue, density, node, weight is missing"),
        ("junk", "cannot be read as an NPZ result"),
    ],
)
def test_an_npz_file_that_is_damaged(tmp_path, what, message):
    damaged(tmp_path / "s.npz", what)
    with pytest.raises(ResultError, match=message):
        exchange.read(tmp_path / "s.npz")


def test_any_file_is_told_by_its_suffix(tmp_path):
    before = surface()
    for suffix in exchange.TABLES:
        after = exchange.read(exchange.write(before, tmp_path / f"s{suffix}"))
        np.testing.assert_array_equal(after.nll, before.nll)
    np.testing.assert_array_equal(load(tmp_path / "s.zarr").nll, before.nll)
    with pytest.raises(ResultError, match=r"no format has the suffix '\.txt'"):
        exchange.write(before, tmp_path / "s.txt")
    with pytest.raises(ResultError, match=r"cannot tell what s\.txt is"):
        exchange.read("s.txt")
    with pytest.raises(ResultError, match="only surfaces can be exported"):
        exchange.write(before.assign_attrs(kind="density"), tmp_path / "d.csv")
    with pytest.raises(ResultError, match="damaged: l2 is missing"):
        exchange.write(before.drop_vars("l2"), tmp_path / "d.csv")


def test_a_surface_without_classes_is_written_to_every_kind_of_file(tmp_path):
    """A regression has no accuracy."""
    before = surface().drop_vars("accuracy")
    for suffix in exchange.TABLES:
        after = exchange.read(exchange.write(before, tmp_path / f"s{suffix}"))
        np.testing.assert_array_equal(after.nll, before.nll)
        assert "accuracy" not in after or bool(after.accuracy.isnull().all())
