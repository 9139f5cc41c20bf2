"""connect: the command that is made from its record, for several checkpoints."""

import pytest

from landscape import results
from tests import build

SMALL = ("--samples", "16", "--points", "3", "--quiet")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return [
        build.checkpoint(folder / f"{name}.safetensors", seed=seed, normalisation=build.USUAL)
        for seed, name in enumerate("ab")
    ]


def test_paths_as_json(run, pair):
    found = run("connect", *pair, *SMALL, "--align", "--curve", "bezier", "--curve-steps", "2", "--json").json
    assert found["command"] == "connect"
    assert [row["path"] for row in found["paths"]] == ["linear", "aligned", "bezier"]
    dataset = results.load(found["result"])
    for k, row in enumerate(found["paths"]):
        assert {"a", "b", "path", "barrier", "standard_error", "mc", "distance"} <= set(row)
        assert (row["a"], row["b"]) == ("a", "b")
        assert row["barrier"] == float(dataset.barrier[0, k, 0])
        assert set(row["splits"]) == {"train", "test"}
    assert found["paths"][1]["distance"] < found["paths"][0]["distance"]
    assert found["split"] == "train"
    assert found["protocol"]["options"]["align"] is True


def test_lines_for_people(run, pair):
    outcome = run("connect", *pair, *SMALL, "--split", "test")
    assert outcome.status == 0, outcome.err
    assert "a – b, linear" in outcome.out
    assert "images passed forward" in outcome.out


def test_one_network_is_no_pair(run, pair):
    outcome = run("connect", pair[0], *SMALL)
    assert outcome.status == 2
    assert "takes 2 checkpoints or more, got 1" in outcome.err


def test_figures_of_a_result(run, pair, tmp_path):
    run("connect", *pair, *SMALL, "--align", "--plane", "3", "--out", "c.zarr")
    outcome = run("plot", "c.zarr", "--out", "drawn")
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "drawn" / "connect.pdf").stat().st_size > 0
