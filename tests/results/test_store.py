"""Results on disk: what comes back, what is refused, and what a failure leaves."""

import json
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import xarray as xr

from landscape.errors import LandscapeError, ResultError
from landscape.results import attribute, load, save, stamp


@pytest.fixture
def surface() -> xr.Dataset:
    nll = np.array([[1.0, np.nan, np.inf], [0.1, -np.inf, 1e-300], [np.pi, 2.0, 3.0]])
    dataset = xr.Dataset(
        {
            "nll": (("y", "x"), nll, {"units": "nats"}),
            "l2": (("y", "x"), np.zeros((3, 3))),
            "accuracy": (("y", "x"), np.ones((3, 3))),
            "done": (("y", "x"), np.ones((3, 3), bool)),
            "x_norm": ((), 2.5),
        },
        coords={"x": [-1.0, 0.0, 1.0], "y": [-1.0, 0.0, 1.0]},
    )
    return stamp(
        dataset, kind="surface", network={"name": "a"}, protocol={"seed": 0}, provenance={"seconds": 1.0}
    )


def change(path, edit):
    """Edit the attributes of a store as anybody may."""
    root = json.loads((path / "zarr.json").read_text())
    edit(root["attributes"])
    (path / "zarr.json").write_text(json.dumps(root))


def as_before(attributes):
    """As version 0.1 wrote results."""
    for name in ("manifest", "format_version"):
        del attributes[name]


def test_round_trip_keeps_numbers_as_measured(surface, tmp_path):
    path = save(surface, tmp_path / "a.zarr")
    back = load(path)
    xr.testing.assert_identical(back, surface)
    assert back.nll.values.tobytes() == surface.nll.values.tobytes()
    assert back.done.dtype == bool
    assert attribute(back, "protocol") == {"seed": 0}


def test_round_trip_keeps_words(tmp_path, surface):
    layers = np.array(["layer1.0", "größer"], dtype=object)
    dataset = xr.Dataset(
        {
            "kind": ("layer", np.array(["stem", "block"], dtype=object)),
            "depth": ("layer", [0.0, 1.0]),
            "spatial_variance": ("layer", [1.0, 2.0]),
            "delta_log_amplitude": (("layer", "frequency"), [[0.0, np.nan], [0.0, 1.0]]),
        },
        coords={"layer": layers},
        attrs={**surface.attrs, "kind": "features"},
    )
    back = load(save(dataset, tmp_path / "a.zarr"))
    xr.testing.assert_identical(back, dataset)
    for name in ("layer", "kind"):
        assert back[name].dtype == object
        assert np.unique(back[name].values.astype(str)).size == 2


def test_saving_and_loading_raise_no_warnings(surface, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(save(surface, tmp_path / "a.zarr"))


def test_an_older_result_is_replaced_whole(surface, tmp_path):
    save(surface.assign(extra=1.0), tmp_path / "a.zarr")
    save(surface, tmp_path / "a.zarr")
    assert "extra" not in load(tmp_path / "a.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_failure_leaves_the_old_result_and_no_litter(surface, tmp_path, monkeypatch):
    path = save(surface, tmp_path / "a.zarr")

    def broken(self, place, **options):
        place.mkdir()
        (place / "zarr.json").write_text("{")
        raise RuntimeError("power cut")

    monkeypatch.setattr(xr.Dataset, "to_zarr", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        save(surface.assign(nll=surface.nll * 2), path)
    monkeypatch.undo()
    xr.testing.assert_identical(load(path), surface)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_folder_with_other_files_is_not_replaced(surface, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ResultError, match=r"results is a folder with other files in it"):
        save(surface, folder)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_as_good_as_none(surface, tmp_path):
    (tmp_path / "a").mkdir()
    assert load(save(surface, tmp_path / "a")).sizes == surface.sizes


def test_a_place_under_a_file_is_refused(surface, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LandscapeError, match="cannot write"):
        save(surface, tmp_path / "file" / "a.zarr")
    with pytest.raises(LandscapeError, match="cannot write"):
        save(surface, tmp_path / "file")
    assert (tmp_path / "file").is_file()


def test_a_missing_result_is_said(tmp_path):
    with pytest.raises(ResultError, match=r"no result at .*a\.zarr; results are folders"):
        load(tmp_path / "a.zarr")
    (tmp_path / "file.zarr").write_bytes(b"junk")
    with pytest.raises(ResultError, match="no result at"):
        load(tmp_path / "file.zarr")


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(ResultError, match="cannot be read as a zarr store"):
        load(tmp_path)


def test_a_foreign_store_is_refused(tmp_path):
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "a.zarr", consolidated=False)
    with pytest.raises(ResultError, match="not a result of landscape"):
        load(tmp_path / "a.zarr")


def test_a_store_without_its_variables_is_refused(surface, tmp_path):
    path = save(surface, tmp_path / "a.zarr")
    shutil.rmtree(path / "nll")
    change(
        path, lambda attributes: [attributes.pop(name) for name in ("manifest", "format_version")]
    )  # as version 0.1 wrote results
    with pytest.raises(ResultError, match=r"a\.zarr is damaged: nll is missing"):
        load(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_damaged_metadata_is_refused(surface, tmp_path, content):
    path = save(surface, tmp_path / "a.zarr")
    (path / "zarr.json").write_text(content)
    with pytest.raises(ResultError, match=r"a\.zarr"):
        load(path)


def test_damaged_chunks_are_refused(surface, tmp_path):
    path = save(surface, tmp_path / "a.zarr")
    chunk = next(p for p in (path / "nll" / "c").rglob("*") if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[:5])
    with pytest.raises(ResultError, match=r"a\.zarr is damaged, or was altered .*nll/c/0/0 altered"):
        load(path)
    change(path, as_before)
    with pytest.raises(ResultError, match="cannot be read as a zarr store"):
        load(path)


@pytest.mark.parametrize(
    "attributes", [{"protocol": "{"}, {"network": "[]"}, {"checks": "{}"}, {"provenance": 3}]
)
def test_damaged_attributes_are_refused(surface, tmp_path, attributes):
    path = save(surface.assign_attrs(attributes), tmp_path / "a.zarr")
    with pytest.raises(ResultError, match="damaged"):
        load(path)


def test_unhashable_kind_is_refused(surface, tmp_path):
    path = save(surface, tmp_path / "a.zarr")
    change(path, lambda attributes: (attributes.clear(), attributes.update(kind=["surface"])))
    with pytest.raises(ResultError, match="not a result of landscape"):
        load(path)


def test_opening_needs_no_torch(surface, tmp_path):
    path = save(surface, tmp_path / "a.zarr")
    code = (
        "import sys; from landscape.results import load\n"
        f"assert load({str(path)!r}).sizes['x'] == 3\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules), 'heavy imports'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
