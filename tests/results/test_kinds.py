"""The records of kinds: complete, consistent with what they name, and light to import."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from landscape import analyses
from landscape.cli import COMMANDS
from landscape.report.sections import CHAPTERS
from landscape.results import KINDS, condition, stamp
from landscape.results.kinds import imported

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_record_names_what_there_is(kind):
    assert kind.variables
    assert kind.chapter in CHAPTERS
    assert kind.summary.endswith(".")
    recipe = imported(kind.recipe)
    assert getattr(analyses, kind.name) is recipe
    assert recipe.__name__ == kind.name
    assert kind.measured_by.split()[:1] == ["landscape"]
    assert kind.measured_by.split()[1] in COMMANDS
    assert bool(kind.along) == (kind.pooling == "values")
    if kind.statistics:
        assert callable(imported(kind.statistics))


def test_names_of_version_0_1_stay():
    for old, new in {
        "plane": "surface",
        "feature_maps": "features",
        "pictures": "maps",
        "frequency_noise": "noise",
    }.items():
        assert getattr(analyses, old) is getattr(analyses, new)


def test_two_kinds_of_one_name_are_refused(monkeypatch):
    kinds = importlib.import_module("landscape.results.kinds")
    other = kinds.Kind("trace", "Another one.", ("x",), recipe="a:b")
    monkeypatch.setattr("landscape.results.kinds.surface.OTHER", other, raising=False)
    with pytest.raises(ValueError, match="two kinds of results are called 'trace'"):
        kinds._discovered()


def test_records_import_nothing_heavy():
    code = (
        "import sys, landscape.results.kinds, landscape.results.reading\n"
        "assert not {'torch', 'xarray', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def before(kind: str, dims: tuple[str, ...] = (), protocol: dict | None = None, **attrs: str) -> xr.Dataset:
    """A result as version 0.1 wrote it, without its condition."""
    values = xr.Dataset({"nll": 0.0}).expand_dims(dict.fromkeys(dims, 2))
    result = stamp(values, kind=kind, network={}, protocol=protocol or {}, provenance={})
    del result.attrs["condition"]
    return result.assign_attrs(attrs)


@pytest.mark.parametrize(
    ("dataset", "name", "expected"),
    [
        (before("spectrum"), "spectrum", ""),
        (before("spectrum"), "spectrum-test", "test"),
        (before("spectrum"), "spectrum-batch16", "batch16"),
        (before("flatness"), "flatness-off", "off"),
        (before("features"), "features-off", "off"),
        (before("ensemble"), "ensemble-n50", "n50"),
        (before("surface"), "surface-mine", ""),
        (before("surface", ("mask",)), "any", "sequence"),
        (before("evaluation", protocol={"data": {"split": "train"}}), "", "train"),
        (before("noise", equal_power="True"), "", "equal"),
        (before("robustness", protocol={"dropout": "ensemble:5"}), "", "n5"),
        (before("spectrum").assign_attrs(condition="mine"), "spectrum-test", "mine"),
    ],
)
def test_results_of_version_0_1_tell_their_condition(dataset, name, expected):
    assert condition(dataset, name) == expected


def test_the_shipped_results_have_their_conditions():
    from landscape import family

    found = family.measured()["gap-seed0"]
    assert condition(found["spectrum"]) == ""
    assert {name: condition(dataset) for name, dataset in found.items() if "-" in name} == {
        name: name.partition("-")[2] for name in found if "-" in name
    }
