"""All results as one file: what comes back, what stays at home, and what is refused."""

import io
import zipfile

import numpy as np
import pytest
import xarray as xr

from landscape.errors import ResultError
from landscape.results import attribute, load_bundle, save_bundle, stamp


@pytest.fixture
def results() -> dict[str, dict[str, xr.Dataset]]:
    evaluation = xr.Dataset(
        {
            "nll": ("sample", np.array([0.5, np.nan, np.inf])),
            "accuracy": ((), 0.25),
            "correct": ("sample", np.array([True, False, True])),
            "log_probability": (("sample", "class"), np.zeros((3, 2), np.float32)),
        },
        coords={"class": np.array(["cat", "dög"], dtype=object), "sample": [4, 1, 7]},
    )
    evaluation["nll"].attrs |= {"long_name": "loss", "units": "nats"}
    spectrum = xr.Dataset({"eigenvalue": (("batch", "rank"), [[2.0]]), "residual": ((), 0.0)})
    evaluation.attrs["clean"] = "cifar10:/home/somebody/cifar, 3 samples"
    found = {"evaluation": evaluation, "spectrum-test": spectrum}
    return {
        network: {
            name: stamp(
                dataset,
                kind=name.partition("-")[0],
                network={"name": network, "path": f"/home/somebody/{network}.pt"},
                protocol={"seed": 0, "data": {"source": "cifar10:/home/somebody/cifar"}},
                provenance={"seconds": 1.5},
            )
            for name, dataset in found.items()
        }
        for network in ("gap-seed0", "netz ü")
    }


def test_everything_comes_back_as_it_was_but_for_the_folders(results, tmp_path):
    back = load_bundle(save_bundle(results, tmp_path / "all.zip"))
    assert list(back) == list(results)
    for network, kinds in results.items():
        assert list(back[network]) == list(kinds)
        for name, dataset in kinds.items():
            found = back[network][name]
            assert attribute(found, "network") == {"name": network, "path": f"{network}.pt"}
            assert attribute(found, "protocol") == {"seed": 0, "data": {"source": "cifar10:cifar"}}
            assert found.attrs.get("clean") in (None, "cifar10:cifar, 3 samples")
            xr.testing.assert_identical(found.assign_attrs(dataset.attrs), dataset)
            assert {v: found[v].dtype for v in found.variables} == {
                v: dataset[v].dtype for v in dataset.variables
            }
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert not any(b"somebody" in archive.read(name) for name in archive.namelist())


def test_same_results_same_bytes_and_slim_ones_fewer(results, tmp_path):
    first = save_bundle(results, tmp_path / "1.zip").read_bytes()
    assert save_bundle(load_bundle(tmp_path / "1.zip"), tmp_path / "2.zip").read_bytes() == first
    save_bundle(results, tmp_path / "slim.zip", slim=True)
    slim = load_bundle(tmp_path / "slim.zip")["gap-seed0"]["evaluation"]
    assert "log_probability" not in slim
    assert "nll" in slim
    assert "log_probability" in results["gap-seed0"]["evaluation"]


def test_nothing_to_write(tmp_path):
    with pytest.raises(ResultError, match="no results"):
        save_bundle({"gap": {}}, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def changed(path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {each: archive.read(each) for each in archive.namelist()}
    entries[name] = content
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in entries.items():
            archive.writestr(each, data)


def test_objects_in_a_bundle_are_not_unpickled(results, tmp_path):
    path = save_bundle(results, tmp_path / "a.zip")
    pickled = io.BytesIO()
    np.save(pickled, np.array([print], dtype=object), allow_pickle=True)
    changed(path, "gap-seed0/evaluation/nll.npy", pickled.getvalue())
    with pytest.raises(ResultError, match="cannot be read as a bundle"):
        load_bundle(path)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("gap-seed0/evaluation/dataset.json", b"{}", "cannot be read as a bundle"),
        ("gap-seed0/evaluation/dataset.json", b"[1]", "cannot be read as a bundle"),
        ("gap-seed0/evaluation/dataset.json", b'{"attrs": {}, "variables": {}}', "not a result"),
        ("gap-seed0/evaluation/nll.npy", b"", "cannot be read as a bundle"),
    ],
)
def test_damage_is_said(results, tmp_path, name, content, match):
    path = save_bundle(results, tmp_path / "a.zip")
    changed(path, name, content)
    with pytest.raises(ResultError, match=match):
        load_bundle(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ResultError, match="cannot be read"):
        load_bundle(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(ResultError, match="cannot be read"):
        load_bundle(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(ResultError, match="holds no results"):
        load_bundle(tmp_path / "other.zip")
