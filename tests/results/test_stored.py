"""Stores that were altered, damaged or made to harm: each is one sentence; what 0.1 wrote is read."""

import json
import os
import shutil
from contextlib import suppress

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from landscape.errors import ResultError
from landscape.results import attribute, load, save
from landscape.results.store import drop_fragment, fragment_place
from tests.exchange.surfaces import surface


@pytest.fixture
def path(tmp_path):
    return save(surface(), tmp_path / "a.zarr")


def edit(key, change, *, manifest=False):
    """Edit a JSON file of a store; without the manifest, which anybody may leave out as version 0.1 did."""

    def do(path):
        file = path / key
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))
        root = json.loads((path / "zarr.json").read_text())
        if not manifest:
            root["attributes"].pop("manifest", None)
            if root["attributes"].get("format_version") == 2:
                root["attributes"].pop("format_version")
        (path / "zarr.json").write_text(json.dumps(root))

    return do


def attributes(**values):
    return edit("zarr.json", lambda root: root["attributes"].update(values))


def array(**values):
    return edit("nll/zarr.json", lambda content: content.update(values))


def grid(shape):
    return {"name": "regular", "configuration": {"chunk_shape": shape}}


def chunk(change):
    def do(path):
        edit("zarr.json", lambda root: None)(path)
        change(path / "nll" / "c" / "0" / "0")

    return do


def replaced(make):
    return chunk(lambda file: (file.unlink(), make(file)))


def huge(path):
    """A chunk of 50 bytes that says it unpacks to 8 GB."""
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes([0b11100000]) + (2**33).to_bytes(8, "little") + bytes(40))


DAMAGED = {
    "no root": (lambda path: (path / "zarr.json").unlink(), "it has no zarr.json"),
    "root is no JSON": (lambda path: (path / "zarr.json").write_text("{"), "its zarr.json is not JSON"),
    "root is deep": (lambda path: (path / "zarr.json").write_text("[" * 10**5), "its zarr.json is not JSON"),
    "root is a list": (lambda path: (path / "zarr.json").write_text("[]"), "its zarr.json is no mapping"),
    "root is an array": (
        edit("zarr.json", lambda root: root.update(node_type="array")),
        "describes no group",
    ),
    "no metadata": (
        lambda path: (edit("zarr.json", lambda root: None)(path), (path / "nll/zarr.json").unlink()),
        "nll is missing",
    ),
    "shape": (array(shape=[10**6, 10**6], chunk_grid=grid([10**3, 10**3])), "more than any result"),
    "chunk": (array(chunk_grid=grid([10**6, 10**6])), "more than any result"),
    "chunks": (array(shape=[4000, 4000], chunk_grid=grid([1, 1])), "16,000,\\d+ chunks"),
    "negative": (array(shape=[-1, 5]), "declares the shape"),
    "no numbers": (array(shape=["4", 5]), "declares the shape"),
    "zero chunks": (array(chunk_grid=grid([0, 0])), "declares the shape"),
    "other shape": (array(shape=[3, 3]), "cannot be read as a zarr store"),
    "objects": (array(data_type="object"), "of no form that results have"),
    "complex": (array(data_type="complex128"), "of no form that results have"),
    "pickles": (array(codecs=[{"name": "numcodecs.pickle"}]), "a coding that results are not written in"),
    "chunk says much": (chunk(huge), "unpacks to more than its variable declares"),
    "cut": (chunk(lambda file: os.truncate(file, 9)), "cannot be read as a zarr store"),
    "link": (replaced(lambda file: file.symlink_to("/etc/passwd")), "a link or no plain file"),
    "loop": (lambda path: (path / "loop").symlink_to(".."), "a link or no plain file"),
    "pipe": (replaced(os.mkfifo), "a link or no plain file"),
    "newer": (attributes(format_version=3), "format 3 of a newer version .*pip install --upgrade landscape"),
    "newer than 0.1": (
        edit(
            "zarr.json",
            lambda root: (
                root["attributes"].pop("format_version"),
                root["attributes"].update(landscape_schema=99),
            ),
        ),
        "format 99 of a newer version",
    ),
    "no format": (attributes(format_version="2"), "its format_version is '2', no number"),
    "kind": (attributes(kind=["surface"]), "not a result of landscape"),
    "other kind": (attributes(kind="spectrum"), "eigenvalue, residual is missing"),
    "network": (attributes(network="{"), "'network' of this dataset is not JSON"),
    "deep": (attributes(network='{"a":' * 9000), "'network' of this dataset is not JSON"),
    "name": (attributes(network='{"name": {"a": 1}}'), "'network' is not of the form"),
    "protocol": (attributes(protocol='{"data": [1], "options": 7}'), "'protocol' is not of the form"),
    "checks": (attributes(checks="[1, 2]"), "'checks' is not of the form"),
    "check": (
        attributes(checks='[{"name": "a", "passed": 1, "message": ""}]'),
        "'checks' is not of the form",
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_what_is_damaged_or_made_to_harm_is_refused(path, what):
    change, words = DAMAGED[what]
    change(path)
    with pytest.raises(ResultError, match=words) as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: shutil.rmtree(path / "nll" / "c"), "nll/c/0/0 missing"),
        (lambda path: shutil.rmtree(path / "accuracy"), "accuracy/c/0/0 and 1 more missing"),
        (lambda path: (path / "nll/c/0/1").write_bytes(b"x"), "nll/c/0/1 added"),
        (lambda path: shutil.copytree(path / "nll", path / "test_nll"), "test_nll/c/0/0 and 1 more added"),
        (lambda path: shutil.copy(path / "l2/c/0/0", path / "nll/c/0/0"), "nll/c/0/0 altered"),
        (
            edit("zarr.json", lambda r: r["attributes"].update(protocol="{}"), manifest=True),
            "zarr.json altered",
        ),
        (edit("nll/zarr.json", lambda c: c.update(fill_value=0), manifest=True), "nll/zarr.json altered"),
        (
            edit("zarr.json", lambda r: r["attributes"].update(manifest="7"), manifest=True),
            "manifest is missing or",
        ),
    ],
)
def test_what_is_not_as_it_was_written_is_refused(path, change, words):
    change(path)
    with pytest.raises(ResultError, match=words):
        load(path)


def test_a_result_of_version_0_1_has_neither_format_nor_manifest(path):
    expected = load(path)

    def older(root):
        for name in ("manifest", "format_version"):
            root["attributes"].pop(name)
        root["attributes"]["landscape_schema"] = 1

    edit("zarr.json", older)(path)
    xr.testing.assert_identical(load(path), expected)
    assert not {"manifest", "format_version", "landscape_schema"} & set(expected.attrs)


def test_others_open_it_with_xarray_and_zarr_alone(path):
    plain = xr.open_zarr(path, consolidated=False)
    np.testing.assert_array_equal(plain.nll, surface().nll)
    assert plain.attrs["format_version"] == 2
    assert zarr.open_group(path, mode="r")["nll"].shape == (4, 5)
    twice = plain.load().assign(nll=2 * plain.nll)
    twice.to_zarr(path.with_name("b.zarr"), consolidated=False)
    with pytest.raises(ResultError, match=r"written by landscape\.results\.save"):
        load(path.with_name("b.zarr"))
    save(twice, path.with_name("b.zarr"))
    np.testing.assert_array_equal(load(path.with_name("b.zarr")).nll, 2 * surface().nll)


def test_long_runs_of_one_value_come_back(tmp_path, monkeypatch):
    from landscape.results import budget

    monkeypatch.setattr(budget, "SPARE", 2**10)
    dataset = surface().assign(direction=("parameter", np.zeros(10**6)))
    assert not load(save(dataset, tmp_path / "a.zarr")).direction.any()


def test_hidden_files_of_file_managers_are_nobodys_business(path):
    (path / ".DS_Store").write_bytes(b"x")
    assert load(path).nll.shape == (4, 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.assign_coords(x=d.x * np.nan), "x axis of .* is not a list of finite numbers"),
        (lambda d: d.assign_coords(x=d.x * 0), "x axis of .* does not ascend"),
        (lambda d: d.isel(y=slice(None, None, -1)), "y axis of .* does not ascend"),
        (lambda d: d.assign(nll=d.nll > 1), "its NLL is bool"),
        (lambda d: d.assign(nll=1.0), r"its NLL is float64 of the dimensions \(\)"),
        (lambda d: d.isel(x=[]), "x: 0"),
        (lambda d: d.expand_dims(foo=2), "foo: 2"),
        (lambda d: d.assign(done=d.nll), "whether it is done"),
    ],
)
def test_a_surface_is_a_grid_over_axes_that_ascend(tmp_path, change, words):
    with pytest.raises(ResultError, match=words):
        load(save(change(surface()), tmp_path / "a.zarr"))


def claims(*names):
    text = "The surface's centre is 0.170000, the evaluated loss 0.170000."
    return json.dumps([{"name": name, "passed": True, "message": text} for name in names])


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda d: d, []),
        (lambda d: d.assign(nll=d.nll.where(d.x < 0.5, np.inf)), ["finite"]),
        (
            lambda d: d.assign(done=d.x < 0.5).assign(done=lambda e: e.done.broadcast_like(d.nll)),
            ["complete"],
        ),
        (lambda d: d.assign(nll=d.nll + 0.01), ["centre"]),
    ],
)
def test_a_check_that_the_numbers_contradict_is_shown_as_failed(tmp_path, change, failed):
    whole = surface(y=np.linspace(-0.2, 0.2, 3))
    whole.attrs["checks"] = claims("finite", "centre").replace("0.170000", f"{float(whole.nll[1, 2]):.6f}")
    found = attribute(load(save(change(whole), tmp_path / "a.zarr")), "checks")
    assert [check["name"] for check in found if not check["passed"]] == failed
    assert all("it was altered, or is damaged" in each["message"] for each in found if not each["passed"])


def test_eigenvalues_that_did_not_converge_are_shown_as_such(tmp_path):
    dataset = xr.Dataset(
        {"eigenvalue": ("rank", [2.0]), "residual": ("rank", [1.0]), "converged": ("rank", [False])}
    )
    dataset = dataset.assign_attrs(surface().attrs, kind="eigenvalues", checks=claims("residuals"))
    (check,) = attribute(load(save(dataset, tmp_path / "a.zarr")), "checks")
    assert not check["passed"]
    assert check["message"].startswith("1 of 1 eigenvalues did not converge")


def test_a_fragment_goes_with_the_result_that_it_was_of(path):
    part = save(surface(), fragment_place(path))
    assert part.name == "a.partial.zarr"
    drop_fragment(surface().assign_attrs(protocol="{}"), path)
    assert part.is_dir()
    drop_fragment(load(path), path)
    assert not part.exists()


@settings(max_examples=60, deadline=None, database=None)
@seed(0)
@given(st.data())
def test_whatever_byte_is_altered_it_is_refused_or_as_it_was(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.zarr"
    if not path.exists():
        save(surface(), path)
    expected = load(path)
    keys = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    file = path / data.draw(st.sampled_from(keys))
    content = file.read_bytes()
    place, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    file.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
    with suppress(ResultError):
        xr.testing.assert_identical(load(path), expected)
    file.write_bytes(content)
