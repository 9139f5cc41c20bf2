"""What every result carries, and how two protocols are told apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from landscape.errors import ResultError
from landscape.results import KINDS, Check, attribute, differences, plain, provenance, stamp


def stamped(**changes) -> xr.Dataset:
    values = {
        "kind": "surface",
        "network": {"name": "a", "sha256": "00"},
        "protocol": {"seed": 0},
        "provenance": {"seconds": 1.5},
        "checks": [Check("centre", False, "They disagree.")],
    }
    return stamp(xr.Dataset({"nll": ("x", [1.0])}), **{**values, **changes})


def test_attributes_are_read_back():
    dataset = stamped()
    assert dataset.attrs["kind"] == "surface"
    assert attribute(dataset, "network") == {"name": "a", "sha256": "00"}
    assert attribute(dataset, "protocol") == {"seed": 0}
    assert attribute(dataset, "provenance") == {"seconds": 1.5}
    assert attribute(dataset, "checks") == [{"name": "centre", "passed": False, "message": "They disagree."}]


def test_stamping_leaves_the_dataset_itself_alone():
    dataset = xr.Dataset({"nll": ("x", [1.0])}, attrs={"mine": 1})
    labelled = stamp(dataset, kind="surface", network={}, protocol={}, provenance={})
    assert dataset.attrs == {"mine": 1}
    assert labelled.attrs["mine"] == 1


def test_numbers_paths_and_arrays_become_json():
    dataset = stamped(
        protocol={"count": np.int64(3), "lr": np.float32(0.5), "path": Path("a/b"), "axis": np.arange(2)}
    )
    assert attribute(dataset, "protocol") == {"count": 3, "lr": 0.5, "path": "a/b", "axis": [0, 1]}
    assert plain(np.bool_(True)) is True


def test_unknown_kinds_are_refused():
    with pytest.raises(ResultError, match=r"unknown kind of result 'picture'; known are .*evaluation, "):
        stamped(kind="picture")


def test_unknown_attributes_are_refused():
    with pytest.raises(
        ResultError, match="have the attributes network, protocol, provenance, checks, not 'x'"
    ):
        attribute(stamped(), "x")


def test_a_foreign_dataset_has_no_attributes():
    with pytest.raises(ResultError, match="has no 'protocol': it was not written by landscape"):
        attribute(xr.Dataset(), "protocol")


@pytest.mark.parametrize("value", ["{", "[]", "3", "null", 7, ["a"]])
def test_damaged_attributes_are_refused(value):
    with pytest.raises(ResultError, match=r"'protocol' of this dataset .* damaged"):
        attribute(xr.Dataset(attrs={"protocol": value}), "protocol")


def test_every_kind_names_variables():
    assert set(KINDS) >= {
        "evaluation",
        "eigenvalues",
        "spectrum",
        "trace",
        "density",
        "layers",
        "flatness",
        "surface",
        "trajectory",
        "features",
        "aliasing",
        "covariance",
        "maps",
        "noise",
        "similarity",
        "lesion",
        "ensemble",
        "robustness",
        "consistency",
        "attack",
    }
    assert all(kind.variables for kind in KINDS.values())


def test_equal_protocols_do_not_differ():
    first = {"a": 1, "b": {"mean": (0.5, 0.5)}, "n": None}
    assert differences(first, {"b": {"mean": [0.5, 0.5]}, "a": 1}) == []


def test_differences_are_named_with_dots():
    first = {"seed": 0, "data": {"samples": 10, "split": "test"}, "only": 1}
    second = {"seed": 1, "data": {"samples": 20, "split": "test"}}
    assert differences(first, second) == ["data.samples", "only", "seed"]


def test_a_mapping_differs_from_none():
    assert differences({"normalisation": {"mean": [1]}}, {"normalisation": None}) == ["normalisation"]


def test_numbers_of_other_kinds_differ():
    assert differences({"a": 1}, {"a": True}) == ["a"]
    assert differences({"a": np.float64(0.1)}, {"a": 0.1}) == []


def test_provenance_says_versions_machine_and_time():
    record = provenance(1.23456)
    assert record["seconds"] == 1.235
    assert record["versions"]["numpy"] == np.__version__
    assert record["versions"]["xarray"] == xr.__version__
    assert record["created"].endswith("+00:00")
    json.dumps(record)
