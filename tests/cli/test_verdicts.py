"""verdicts: what factors changed, read from the folders that compare wrote."""

import pytest

from tests.build import SHORT, checkpoint
from tests.cli.conftest import call, undrawn

SIZES = (
    "--samples", "16", "--steps", "3", "--predictions", "16", "--maps", "4", "--spectrum-batch", "16",
    "--spectrum-batches", "2", "--directions", "2", "--draws", "2", "--params", "linear.*",
)  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Two networks compared once, under all conditions: the verdicts, and the folder."""
    folder = tmp_path_factory.mktemp("compared")
    networks = [
        checkpoint(folder / f"{name}.safetensors", spec)
        for name, spec in {"plain": SHORT, "blurred": f"{SHORT},blur"}.items()
    ]
    with undrawn():
        said = call("compare", *networks, *SIZES, "--conditions", "--out", folder / "both", "--json")
    return said.json["verdicts"], folder / "both"


def test_compare_and_verdicts_say_the_same(compared, run):
    first, both = compared
    again = run("verdicts", both, "--json").json
    assert again["command"] == "verdicts"
    assert again["verdicts"] == first
    kinds = {row["quantity"] for row in first}
    assert {"largest Hessian eigenvalue", "rise of the NLL at radius 0.2", "NLL", "spatial variance"} <= kinds
    assert {(row["factor"], *row["baseline"], *row["variant"]) for row in first} == {
        ("blur", "plain", "blurred")
    }
    for row in first:
        if row["low"] is None:  # of 16 predictions none differs
            assert (row["quantity"], row["change"]) == ("accuracy", 0)
        else:
            assert row["low"] <= row["change"] <= row["high"]
    lines = run("verdicts", both).out.splitlines()
    assert lines == [row["sentence"] for row in first]


def test_the_chain_is_drawn_with_captions(compared, run, tmp_path):
    assert run("verdicts", compared[1], "--out", "chain").status == 0
    names = {"overview", "chain", "chain-plain-blurred"}
    expected = {f"{name}.{end}" for name in names for end in ("pdf", "svg", "png", "txt")}
    assert {path.name for path in (tmp_path / "chain").iterdir()} == expected
    assert "blurred (blur)" in (tmp_path / "chain" / "overview.txt").read_text(encoding="utf-8")


def test_no_comparison_is_said(run, tmp_path):
    outcome = run("verdicts", tmp_path)
    assert outcome.status == 1
    assert "holds no datasets" in outcome.err


def test_conditions_are_measured_said_and_drawn(compared, run, tmp_path):
    _, both = compared
    rows = run("verdicts", both, "--conditions", "--out", "drawn", "--json").json["conditions"]
    assert list(dict.fromkeys(row["condition"] for row in rows)) == [
        "reference", "test images", "augmented images", "mini-batches of 16", "all images at once",
        "in filter norms", "divided by the training NLL", "times ‖w‖²",
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {
        f"conditions.{suffix}" for suffix in ("pdf", "svg", "png", "txt")
    }
    claims = run("verdicts", both, "--claims", "--json").json["claims"]
    assert ("Smoothing filters high frequencies", "plain → blurred") in {
        (row["claim"], row["networks"]) for row in claims
    }
    lines = run("verdicts", both, "--claims").out.splitlines()
    assert len(lines) == len(claims)
    assert run("verdicts", both, "--claims", "--conditions").status == 2


def test_a_folder_travels_as_one_file(compared, run):
    first, both = compared
    said = run("export", both, "--to", "both.zip", "--slim", "--json").json
    assert said["networks"] == ["blurred", "plain"]
    assert run("verdicts", "both.zip", "--json").json["verdicts"] == first
    assert run("export", both, "--to", "both.zip", "--log").status == 2
    assert run("export", both, "--to", "both.npz", "--slim").status == 2
    assert run("export", both, both, "--to", "both.npz").status == 2
