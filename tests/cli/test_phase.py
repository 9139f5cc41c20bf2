"""phase: a folder of trained networks, a published table, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from landscape import results
from landscape.exchange import phase as table
from tests import build
from tests.exchange.test_phase import ROWS, written

SMALL = ("--samples", 16, "--predictions", 16, "--probes", 2, "--points", 1, "--tolerance", 0.1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Four cells, two seeds of the first."""
    folder = tmp_path_factory.mktemp("runs")
    for width, batch, seed in ((4, 32, 0), (4, 32, 1), (4, 64, 0), (8, 32, 0), (8, 64, 0)):
        training = {"recipe": {"batch_size": batch, "seed": seed}, "data": {"samples": 100}}
        path = folder / f"w{width}-b{batch}-s{seed}.safetensors"
        build.checkpoint(
            path, f"cifar-resnet8:width={width}", seed=seed, training=training, normalisation=build.USUAL
        )
    return folder


def test_a_folder_is_measured_saved_and_drawn(run, runs, tmp_path):
    found = run("phase", runs, *SMALL, "--out", "out", "--json").json
    assert found["command"] == "phase"
    assert (found["cells"], found["x"], found["y"]) == (4, "width", "batch_size")
    dataset = results.load(found["result"])
    assert dataset.sizes == {"cell": 4, "network": 5, "pair": 1}
    assert set(found["correlations"]) >= {"lmax", "trace", "mc_train_err", "dist"}
    assert found["counts"]["lmax"] == 4
    assert found["correlations"]["dist"] is None
    again = table.read(tmp_path / "out" / "phase.csv")
    np.testing.assert_array_equal(again.lmax.values, dataset.lmax.values)
    drawn = {path.name for path in (tmp_path / "out").glob("*.pdf")}
    assert {"phase-map.pdf", "phase-trends.pdf"} <= drawn
    assert "16 samples" in (tmp_path / "out" / "phase-map.txt").read_text(encoding="utf-8")


def test_lines_for_people(run, tmp_path):
    written(tmp_path / "grid.csv", *ROWS, "64,9,1,66,4", "64,6,1,77,8")
    outcome = run("phase", "--published", "grid.csv", "--out", "out")
    assert outcome.status == 0, outcome.err
    assert "6 cells over width and batch; rank correlation with test accuracy [95 %]:" in outcome.out
    assert "λmax (nats)" in outcome.out
    assert "saved out/phase-map.pdf" in outcome.out
    assert "phase_quadrants is not drawn" in outcome.err
    assert "test_acc empty in 1 of 6" in outcome.err


def test_the_published_correlations(run, shared_data):
    found = run("phase", "--published", shared_data / "taxonomy.csv", "--json", "--quiet").json
    assert found["cells"] == 210
    expected = {"lmax": -0.90, "trace": -0.90, "cka_softmax": 0.89, "mc_train_err": 0.66, "dist": 0.53}
    assert {name: found["correlations"][name] for name in expected} == pytest.approx(expected, abs=0.02)
    assert len(found["figures"]) == 9
    assert json.dumps(found)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "one of the two"),
        (("runs", "--published", "x.csv"), 2, "one of the two"),
        (("--published", "absent.csv"), 1, "no table at absent.csv"),
        (("absent",), 1, "absent is no folder"),
        (("RUNS", "--x", "colour"), 2, "no network records the field 'colour'"),
    ],
)
def test_what_is_refused(run, runs, words, status, said):
    outcome = run("phase", *(runs if word == "RUNS" else word for word in words), *SMALL)
    assert outcome.status == status
    assert said in outcome.err
