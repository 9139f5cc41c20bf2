"""surface: the flatness along many directions, and where it is kept."""

import numpy as np
import pytest

from landscape import results
from landscape.results import attribute

from .test_surface import SMALL, measured, moved


def test_repeats_come_with_the_flatness(run, checkpoint):
    found, dataset = measured(run, checkpoint, "--repeats", 2, "--line", "--out", "many-surface.zarr")
    assert dataset.nll.dims == ("repeat", "x")
    flat = found["flatness"]
    assert set(flat) == {"repeats", "curvature", "rise", "result", "checks"}
    assert (flat["repeats"], flat["result"]) == (2, "many-flatness.zarr")
    assert [row["radius"] for row in flat["rise"]] == [0.1, 0.2, 0.5]
    stored = results.load(flat["result"])
    assert flat["curvature"]["mean"] == float(stored.curvature_mean)
    assert flat["rise"][1]["interval"] == stored.rise_interval.sel(radius=0.2).values.tolist()
    # Its directions are those of the surfaces: at ±0.2 the line has measured the same losses.
    np.testing.assert_allclose(stored.loss.sel(radius=0.2, sign=1), dataset.nll.sel(x=0.2), rtol=1e-6)


def test_flatness_without_repeats(run, checkpoint):
    found, dataset = measured(run, checkpoint, "--flatness", 3, "--norm", "layer", "--line")
    assert "repeat" not in dataset.dims
    assert found["flatness"]["repeats"] == 3
    stored = results.load(found["flatness"]["result"])
    assert attribute(stored, "protocol")["options"]["norm"] == "layer"


def test_directions_with_biases_have_no_flatness(run, checkpoint):
    outcome = run("surface", checkpoint, *SMALL, "--repeats", 2, "--line", "--include-1d")
    assert "flatness" not in outcome.json
    assert "no flatness with --include-1d" in outcome.err


def flat(run, checkpoint, count, *options):
    """JSON of the flatness, how many directions are stored, and what was said."""
    outcome = run("surface", checkpoint, *SMALL, "--line", "--flatness", count, *options)
    found = outcome.json["flatness"]
    return found, results.load(found["result"]).sizes["repeat"], outcome.err


def test_a_coarser_flatness_does_not_replace_a_finer_one(run, checkpoint):
    fine, stored, said = flat(run, checkpoint, 4)
    assert (stored, "kept" in said) == (4, False)
    kept, stored, said = flat(run, checkpoint, 2, "--batch-size", 8)
    assert kept == fine
    assert stored == 4
    assert "is along 4 directions, more than 2, and otherwise alike: kept" in said
    assert flat(run, checkpoint, 5)[1] == 5


@pytest.mark.parametrize("options", [("--samples", 8), ("--norm", "layer"), ("--seed", 1)])
def test_a_flatness_under_another_protocol_does(run, checkpoint, options):
    flat(run, checkpoint, 3)
    found, stored, said = flat(run, checkpoint, 2, *options)
    assert (found["repeats"], stored) == (2, 2)
    assert "kept" not in said


def test_a_flatness_of_another_network_does(run, checkpoint, tmp_path):
    (tmp_path / "other").mkdir()
    flat(run, checkpoint, 3)
    other = moved(tmp_path / "other" / "tiny.safetensors", 1)
    assert flat(run, other, 2, "--out", "landscape-out/tiny-surface.zarr")[1] == 2
