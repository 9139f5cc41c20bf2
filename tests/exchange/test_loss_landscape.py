"""HDF5 of loss-landscape: their order of points, −1, per cent, numbered tensors, files made to do harm."""

import h5py
import numpy as np
import pytest

from landscape.errors import LandscapeError, ResultError
from landscape.exchange import loss_landscape as theirs
from landscape.results import attribute, budget

from .surfaces import X, Y, height, share, surface


def filled_as_they_do(path, x=X, y=Y, keys=("train_loss", "train_acc"), skip=(), **extra):
    """Allocated (len(x), len(y)), filled through the flat index of meshgrid(x, y): see their scheduler."""
    shape = (len(x),) if y is None else (len(x), len(y))
    places = [(a, 0.0) for a in x] if y is None else [(a, b) for b in y for a in x]
    tables = [-np.ones(shape), -np.ones(shape)]
    for index, (a, b) in enumerate(places):
        if index not in skip:
            tables[0].ravel()[index] = height(a, b)
            tables[1].ravel()[index] = 100 * share(a, b)
    with h5py.File(path, "w") as file:
        file["dir_file"] = (
            "nets/model_300.t7_weights_xignore=biasbn_xnorm=filter_yignore=biasbn_ynorm=filter.h5"
        )
        file["xcoordinates"] = x
        if y is not None:
            file["ycoordinates"] = y
        for key, table in zip(keys, tables, strict=True):
            file[key] = table
        for key, value in extra.items():
            file[key] = value
    return path


@pytest.mark.parametrize("y", [Y, X[:4], np.append(Y, 0.9)], ids=["wide", "other", "square"])
def test_every_loss_lies_at_its_own_point(tmp_path, y):
    found = theirs.read_surface(filled_as_they_do(tmp_path / "s.h5", y=y))
    assert found.nll.dims == ("y", "x")
    for a in X:
        for b in y:
            point = found.sel(x=a, y=b)
            assert float(point.nll) == height(a, b)
            assert float(point.accuracy) == pytest.approx(share(a, b), rel=1e-14)
    assert found.done.all()


def test_a_line(tmp_path):
    found = theirs.read_surface(filled_as_they_do(tmp_path / "s.h5", y=None))
    assert found.nll.dims == ("x",)
    assert "y" not in found.variables
    np.testing.assert_array_equal(found.nll, height(X, 0.0))


def test_minus_one_is_not_computed_and_never_a_value(tmp_path):
    found = theirs.read_surface(filled_as_they_do(tmp_path / "s.h5", skip=(0, 7)))
    expected = np.ones((4, 5), bool)
    expected[0, 0] = expected[1, 2] = False  # the eighth point is the third of the second row
    np.testing.assert_array_equal(found.done, expected)
    assert np.isnan(found.nll.values[~expected]).all()
    assert np.isnan(found.accuracy.values[~expected]).all()
    assert np.isfinite(found.nll.values[expected]).all()
    checks = {check["name"]: check for check in attribute(found, "checks")}
    assert not checks["complete"]["passed"]
    assert "2 of 20 points were not computed" in checks["complete"]["message"]


def test_what_the_file_does_not_tell_is_nan_or_unknown(tmp_path):
    path = tmp_path / "model_300.t7_weights_xignore=biasbn_xnorm=filter.h5_[-1.0,1.0,5].h5"
    found = theirs.read_surface(filled_as_they_do(path))
    assert found.attrs["kind"] == "surface"
    for name in ("l2", "standard_error", "samples", "x_norm", "y_norm"):
        assert np.isnan(found[name]).all()
    assert attribute(found, "network")["name"] == "model_300.t7"
    protocol = attribute(found, "protocol")
    assert protocol["data"]["split"] == "train"
    assert protocol["data"]["samples"] == "unknown"
    options = {"norm": "filter", "ignore": "biasbn", "dir_type": "weights", "span": 1.0, "steps": [5, 4]}
    assert protocol["options"] == options
    again = theirs.write_surface(found, tmp_path / "again.h5")
    with h5py.File(path) as file, h5py.File(again) as copy:
        assert copy["dir_file"][()] == file["dir_file"][()]


def test_both_splits_are_kept(tmp_path):
    test = {"test_loss": np.full((5, 4), 7.0), "test_acc": np.full((5, 4), 25.0)}
    test["test_loss"][0, 2] = test["test_acc"][0, 2] = -1
    path = filled_as_they_do(tmp_path / "s.h5", **test)
    found = theirs.read_surface(path)
    assert float(found.nll[0, 0]) == height(X[0], Y[0])
    assert found.done.all()
    assert int((~found.test_done).sum()) == 1
    assert (found.test_nll.values[found.test_done] == 7).all()
    assert (found.test_accuracy.values[found.test_done] == 0.25).all()
    other = theirs.read_surface(path, "test")
    np.testing.assert_array_equal(other.nll, found.test_nll)
    np.testing.assert_array_equal(other.done, found.test_done)
    assert float(other.train_nll[3, 0]) == height(X[0], Y[3])
    assert attribute(other, "protocol")["data"]["split"] == "test"
    for each in (found, other):
        again = theirs.write_surface(each, tmp_path / "again.h5")
        with h5py.File(path) as before, h5py.File(again) as after:
            for key in ("train_loss", "train_acc", "test_loss", "test_acc"):
                np.testing.assert_allclose(after[key][()].ravel(), before[key][()].ravel(), rtol=1e-14)


@pytest.mark.parametrize("y", [Y, None], ids=["plane", "line"])
def test_what_we_write_is_what_their_plotting_code_draws(tmp_path, y):
    undone = [(2, 1)] if y is not None else [1]
    path = theirs.write_surface(surface(y=y, undone=undone), tmp_path / "s.h5")
    with h5py.File(path) as file:
        drawn, percent, x = file["train_loss"][:], file["train_acc"][:], file["xcoordinates"][:]
        expected = height(x, 0.0) if y is None else height(*np.meshgrid(x, file["ycoordinates"][:]))
        norms = "_xignore=biasbn_xnorm=filter" + ("" if y is None else "_yignore=biasbn_ynorm=filter")
        assert file["dir_file"].asstr()[()] == f"tiny_weights{norms}.h5"
        assert ("ycoordinates" in file) == (y is not None)
    assert drawn.shape == expected.shape  # matplotlib refuses any other
    assert drawn[undone[0]] == percent[undone[0]] == -1
    expected[undone[0]] = -1
    np.testing.assert_array_equal(drawn, expected)
    assert percent.max() > 50


def test_there_and_back(tmp_path):
    before = surface(undone=[(0, 4)], broken=[(3, 3)], split="test")
    after = theirs.read_surface(theirs.write_surface(before, tmp_path / "s.h5"))
    np.testing.assert_array_equal(after.nll, before.nll)
    np.testing.assert_array_equal(after.done, before.done)
    np.testing.assert_allclose(after.accuracy, before.accuracy, rtol=1e-14)
    assert attribute(after, "protocol")["data"]["split"] == "test"


def test_a_loss_that_their_files_cannot_hold(tmp_path):
    dataset = surface()
    dataset["nll"][0, 0] = -1.0
    with pytest.raises(ResultError, match="exactly -1"):
        theirs.write_surface(dataset, tmp_path / "s.h5")
    with pytest.raises(ResultError, match=r"\(repeat, y, x\): choose one with --repeat"):
        theirs.write_surface(surface().expand_dims("repeat"), tmp_path / "s.h5")
    assert not list(tmp_path.iterdir())


SHAPES = {"conv.weight": (2, 3, 1, 1), "bn.weight": (2,), "fc.weight": (4, 2)}


def tensors(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in SHAPES.values()]


def test_directions_there_and_back(tmp_path):
    x, y = tensors(0), tensors(1)
    path = theirs.write_directions(tmp_path / "d.h5", [dict(zip(SHAPES, x, strict=True)), y])
    with h5py.File(path) as file:
        assert set(file) == {"xdirection", "ydirection"}
        assert set(file["xdirection"]) == {"0", "1", "2"}
    found = theirs.read_directions(path)
    for arrays, expected in zip(found, (x, y), strict=True):
        for array, tensor in zip(arrays, expected, strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, tensor)
    named = theirs.as_parameters(found[1], SHAPES)
    assert list(named) == list(SHAPES)
    np.testing.assert_array_equal(named["fc.weight"], y[2])
    assert len(theirs.read_directions(theirs.write_directions(tmp_path / "line.h5", [x]))) == 1


def test_more_than_ten_tensors_stay_in_order(tmp_path):
    path = theirs.write_directions(tmp_path / "d.h5", [[np.array(float(i)) for i in range(12)]])
    assert [float(array) for array in theirs.read_directions(path)[0]] == list(range(12))


def test_a_direction_of_another_network_names_the_first_tensor(tmp_path):
    arrays = tensors()
    wrong = SHAPES | {"bn.weight": (3,), "fc.weight": (9, 9)}
    with pytest.raises(
        ResultError, match=r"tensor 1 .* \(2,\), but bn\.weight has \(3,\); .* 3 .* network 3"
    ):
        theirs.as_parameters(arrays, wrong)
    with pytest.raises(ResultError, match=r"has 3 tensors, the network 4.*states instead of weights"):
        theirs.as_parameters(arrays, SHAPES | {"bias": (1,)})
    with pytest.raises(ResultError, match="has 3 tensors, the network 2"):
        theirs.as_parameters(arrays, dict(list(SHAPES.items())[:2]))
    with pytest.raises(ResultError, match="shapes differ"):
        theirs.write_directions(tmp_path / "d.h5", [arrays, arrays[:2]])
    with pytest.raises(ResultError, match="one or two directions, received 3"):
        theirs.write_directions(tmp_path / "d.h5", [arrays] * 3)


def harmful(path, what):
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["train_loss"] = np.ones((5, 4))
    with h5py.File(path, "w") as file:
        file["xcoordinates"], file["ycoordinates"] = X, Y
        if what == "external link":
            file["train_loss"] = h5py.ExternalLink("other.h5", "/train_loss")
        elif what == "soft link":
            file["train_loss"] = h5py.SoftLink("/xcoordinates")
        elif what == "external storage":
            raw = [(str(path.with_name("other.h5")), 0, 160)]
            file.create_dataset("train_loss", (5, 4), "f8", external=raw)
        elif what == "virtual":
            layout = h5py.VirtualLayout((5, 4), "f8")
            layout[:] = h5py.VirtualSource(path.with_name("other.h5"), "train_loss", (5, 4))
            file.create_virtual_dataset("train_loss", layout)
        elif what == "bomb":
            file.create_dataset("train_loss", (10**6, 10**6), "f8", chunks=(100, 100))
        elif what == "words":
            file["train_loss"] = "import os"
        elif what == "group":
            file.create_group("train_loss")
        elif what == "shape":
            file["train_loss"] = np.ones((5, 5))
        elif what == "order":
            del file["xcoordinates"]
            file["xcoordinates"] = X[::-1]
        elif what == "axis":
            del file["xcoordinates"]
            file["xcoordinates"] = [0.0, np.nan]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("external link", "train_loss in .* is a link to another place, which is not followed"),
        ("soft link", "is a link to another place"),
        ("external storage", "keeps its numbers in other files"),
        ("virtual", "keeps its numbers in other files"),
        ("bomb", "claims 8000000000000 bytes, more than the file can hold"),
        ("words", "is not an array of numbers"),
        ("group", "is not an array of numbers"),
        ("shape", r"has shape \(5, 5\), but the grid is 4 × 5"),
        ("axis", "x axis of .* is not a list of finite numbers"),
        ("order", "x axis of .* does not ascend"),
        ("empty", "has no train_loss"),
    ],
)
def test_a_file_made_to_do_harm_is_refused(tmp_path, what, message):
    harmful(tmp_path / "s.h5", what)
    with pytest.raises(ResultError, match=message):
        theirs.read_surface(tmp_path / "s.h5")


def test_directions_made_to_do_harm_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "SPARE", 2**26)
    path = tmp_path / "d.h5"
    theirs.write_directions(path, [tensors()])
    with h5py.File(path, "r+") as file:
        file.move("xdirection/1", "xdirection/7")
    with pytest.raises(ResultError, match="there is no 1 in"):
        theirs.read_directions(path)
    theirs.write_directions(path, [[np.array([1.0, np.inf])]])
    with pytest.raises(ResultError, match=r"tensor 0 of xdirection in .* is not finite"):
        theirs.read_directions(path)
    with h5py.File(path, "w") as file:
        for index in range(4):  # each of them is small enough alone
            file.create_dataset(f"xdirection/{index}", (5_000_000,), "f4", chunks=(1000,))
    with pytest.raises(ResultError, match="claims more numbers than the file can hold"):
        theirs.read_directions(path)
    with h5py.File(path, "w") as file:
        file["xdirection"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(ResultError, match="is a link"):
        theirs.read_directions(path)


@pytest.mark.parametrize("read", [theirs.read_surface, theirs.read_directions])
def test_files_of_other_kinds(tmp_path, read):
    path = tmp_path / "file.h5"
    with pytest.raises(ResultError, match="no file at"):
        read(path)
    whole = filled_as_they_do(path).read_bytes()
    for content in (b"", b"junk" * 100, whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ResultError, match="is damaged or no HDF5 file"):
            read(path)
    with h5py.File(path, "w") as file:
        file["something"] = 1.0
    with pytest.raises(ResultError, match="of loss-landscape"):
        read(path)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LandscapeError, match="cannot write"):
        theirs.write_surface(surface(), tmp_path / "file" / "s.h5")
