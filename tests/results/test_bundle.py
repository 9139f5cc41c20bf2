"""All results as one file: what comes back, what stays at home, and what is refused."""

import io
import json
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


PLACE = "gap-seed0/evaluation"
INDEX = f"{PLACE}/dataset.json"


def changed(path, edit, *, manifest: bool = False) -> None:
    """Edit the files of a bundle by name; without the manifest it is one of version 0.1."""
    with zipfile.ZipFile(path) as archive:
        entries = {each: archive.read(each) for each in archive.namelist()}
    if not manifest:
        del entries["bundle.json"]
    entries = edit(entries) or entries
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, data in entries.items():
            archive.writestr(each, data)


def index(entries, edit):
    found = json.loads(entries[INDEX])
    edit(found)
    entries[INDEX] = json.dumps(found).encode()


def array(shape, descr="<f8", values=b""):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue() + values


def pickled():
    stream = io.BytesIO()
    np.save(stream, np.array([print], dtype=object), allow_pickle=True)
    return stream.getvalue()


def put(name, content):
    return lambda entries: entries.update({name: content})


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return lambda entries: {**entries, info: b"/etc/passwd"}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (put(INDEX, b"{}"), "cannot be read as a bundle"),
        (put(INDEX, b"[1]"), "holds no mapping"),
        (put(INDEX, b"{"), "cannot be read as a bundle"),
        (put(INDEX, b"[" * 200_000), "cannot be read as a bundle"),
        (put(INDEX, b'{"attrs": {}, "variables": {}}'), "not a result"),
        (lambda e: index(e, lambda i: i["attrs"].update(landscape_schema=3)), "format 3 of a newer version"),
        (lambda e: index(e, lambda i: i["attrs"].update(kind={})), "not a result of landscape"),
        (lambda e: index(e, lambda i: i["attrs"].update(checks="[1]")), "'checks' is not of the form"),
        (
            lambda e: index(e, lambda i: i["variables"]["nll"].update(dims=["draw", "draw"])),
            "cannot be|is dam",
        ),
        (put(f"{PLACE}/nll.npy", b""), "cannot be read as a bundle"),
        (put(f"{PLACE}/nll.npy", pickled()), "holds objects, which are not read"),
        (put(f"{PLACE}/nll.npy", array((10**6, 10**6))), "declares 8,000,000,000,000 bytes"),
        (put(f"{PLACE}/nll.npy", array((-1,))), "declares -8 bytes"),
        (lambda e: e.pop(f"{PLACE}/nll.npy") and None, "nll.npy is missing"),
        (put("gap-seed0/evaluation/more.npy", b""), "more.npy belongs to no result"),
        (put("readme", b""), "readme belongs to no result"),
        (put("../../evil/dataset.json", b"{}"), "'?../../evil/dataset.json.* leads elsewhere"),
        (put("/etc/evaluation/dataset.json", b"{}"), "leads elsewhere"),
        (put("C:/x/dataset.json", b"{}"), "leads elsewhere"),
        (put("a\\b/x/dataset.json", b"{}"), "leads elsewhere"),
        (put("a\x1b[31m/x/dataset.json", b"{}"), r"a\\x1b\[31m.* leads elsewhere or cannot be shown"),
        (link(f"{PLACE}/link.npy"), "is a link or a device"),
        (put(f"{PLACE}/zeros.npy", bytes(2**28 + 2**24)), "more than any result of that size holds"),
    ],
)
def test_what_is_damaged_or_made_to_harm_is_refused(results, tmp_path, edit, words):
    path = save_bundle(results, tmp_path / "a.zip")
    changed(path, edit)
    with pytest.raises(ResultError, match=words) as caught:
        load_bundle(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (put(f"{PLACE}/nll.npy", array((1,), values=bytes(8))), "nll.npy is not what its manifest says"),
        (lambda e: index(e, lambda i: i["attrs"].update(kind="surface")), "is not what its manifest says"),
        (lambda e: [e.pop(name) for name in list(e) if name.startswith(PLACE)] and None, "does not hold"),
        (put("a/b/dataset.json", b"{}"), "does not hold the files that its manifest names"),
        (put("bundle.json", b'{"format_version": 3}'), "format 3 of a newer .*pip install --upgrade"),
        (put("bundle.json", b'{"format_version": true}'), "its format_version is True, no number"),
    ],
)
def test_what_is_not_as_it_was_written_is_refused(results, tmp_path, edit, words):
    path = save_bundle(results, tmp_path / "a.zip")
    changed(path, edit, manifest=True)
    with pytest.raises(ResultError, match=words):
        load_bundle(path)


def test_a_bundle_of_version_0_1_has_no_manifest_and_no_format(results, tmp_path):
    path = save_bundle(results, tmp_path / "a.zip")

    def older(entries):
        index(entries, lambda i: i["attrs"].update(landscape_schema=1))
        index(entries, lambda i: [i.pop(name) for name in ("network", "result")])

    changed(path, older)
    for network, kinds in load_bundle(path).items():
        for name, dataset in kinds.items():
            xr.testing.assert_identical(dataset, load_bundle(save_bundle(results, path))[network][name])


def test_names_that_no_folder_should_have_come_back(results, tmp_path):
    names = ["../../evil", "a/b", "", ".", "a\x1b]0;x\x07", "\ud800", "C:x"]
    one = next(iter(results["gap-seed0"].values()))
    path = save_bundle({name: {"evaluation": one} for name in names}, tmp_path / "a.zip")
    with zipfile.ZipFile(path) as archive:
        assert not any(".." in name or "\x1b" in name for name in archive.namelist())
    assert sorted(load_bundle(path)) == sorted(names)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ResultError, match="no file at"):
        load_bundle(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(ResultError, match="cannot be read"):
        load_bundle(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(ResultError, match="holds no results"):
        load_bundle(tmp_path / "other.zip")
