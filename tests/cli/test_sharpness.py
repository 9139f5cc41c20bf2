"""`landscape sharpness`: one checkpoint and several, JSON and lines, folders, and what is refused."""

import json

import pytest
import xarray as xr

from landscape.results import load
from tests.build import SHORT
from tests.build import checkpoint as made

FEW = (
    "--samples", "16", "--few", "4", "--probes", "2", "--products", "2", "--directions", "4", "--steps", "1",
    "--mini-batch", "8", "--noise-batch", "4", "--audit-samples", "4",
)  # fmt: skip
NAMES = {
    "largest_eigenvalue", "trace", "frobenius", "average_sharpness", "worst_sharpness",
    "adaptive_average_sharpness", "adaptive_worst_sharpness", "relative_flatness", "pac_bayes_sigma",
    "basin_radius", "gradient_noise",
}  # fmt: skip
CHANGES = {"filter_scale", "relu_rescale", "permute", "fold_batchnorm", "split_unit"}


def test_json_of_one_checkpoint(run, checkpoint, tmp_path):
    found = run("sharpness", checkpoint, *FEW, "--out", "s.zarr", "--json").json
    assert found["command"] == "sharpness"
    (row,) = found["checkpoints"]
    assert row["checkpoint"]["name"] == "tiny"
    measures = {each["name"]: each for each in row["measures"]}
    assert set(measures) >= NAMES
    assert "llc" not in measures
    for each in measures.values():
        assert set(each) >= {"name", "value", "interval", "units", "audit"}
        assert set(each["audit"]) == CHANGES
    assert measures["trace"]["audit"]["filter_scale"] != pytest.approx(1, abs=0.01)
    assert measures["adaptive_worst_sharpness"]["audit"]["filter_scale"] == pytest.approx(1, abs=1e-3)
    assert all(change["difference"] < 1e-8 for change in row["changes"].values())
    assert row["gap"]["interval"][0] < row["gap"]["value"] < row["gap"]["interval"][1]
    stored = load(tmp_path / "s.zarr")
    assert isinstance(stored, xr.Dataset)
    assert row["result"] == "s.zarr"
    assert found["correlations"] == []


def test_several_checkpoints_and_the_learning_coefficient(run, checkpoint, tmp_path):
    other = made(tmp_path / "other.safetensors", SHORT, seed=1)
    options = (*FEW[:-2], "--audit-samples", "0", "--llc", "--chains", "2", "--chain-steps", "8")
    found = run("sharpness", checkpoint, other, *options, "--out", "folder", "--json").json
    assert [row["checkpoint"]["name"] for row in found["checkpoints"]] == ["tiny", "other"]
    assert all("llc" in {each["name"] for each in row["measures"]} for row in found["checkpoints"])
    assert found["checkpoints"][0]["llc"]["sweep"]
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == [
        "other-sharpness.zarr",
        "tiny-sharpness.zarr",
    ]
    said = run("plot", *sorted((tmp_path / "folder").iterdir()), "--figure", "sharpness", "--out", "drawn")
    assert said.status == 0, said.err
    assert (tmp_path / "drawn" / "sharpness.png").exists()


@pytest.mark.full  # measures it all once more
def test_lines_for_people(run, checkpoint):
    found = run("sharpness", checkpoint, *FEW)
    assert found.status == 0
    lines = found.out.splitlines()
    assert lines[0].startswith("tiny: generalisation gap")
    assert any("for the same function" in line for line in lines)
    assert any(line.startswith("  relative flatness of the last layer") for line in lines)
    assert "rank correlations with the generalisation gap take at least 4 networks" in lines


def test_names_that_are_the_same_are_refused(run, checkpoint, tmp_path):
    twin = made(tmp_path / "twin" / "tiny.safetensors", SHORT, seed=1)
    found = run("sharpness", checkpoint, twin, *FEW)
    assert found.status == 2
    assert "two networks are called 'tiny'" in found.err


def test_data_without_another_split_has_no_gap(run, checkpoint, tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "d.npz",
        images=rng.integers(0, 255, (16, 8, 8, 3), dtype=np.uint8),
        labels=np.arange(16) % 10,
    )
    found = run(
        "sharpness",
        checkpoint,
        "--data",
        f"npz:{tmp_path / 'd.npz'}",
        *FEW[:-2],
        "--audit-samples",
        "0",
        "--json",
    )
    assert json.loads(found.out)["checkpoints"][0]["gap"]["value"] is None
    assert "one split is measured, as both are the same samples" in found.err
