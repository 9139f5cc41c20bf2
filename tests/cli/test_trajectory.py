"""trajectory: the path of a training run, the surface beneath it, and their figures."""

import numpy as np
import pytest
from PIL import Image

from landscape import checkpoint as checkpoints
from landscape import results
from landscape.analyses import Settings
from landscape.results import attribute
from landscape.results.records import Writer
from tests.figures import planes, synthetic

from .test_surface import SPEC, moved

SMALL = ("--data", "demo", "--samples", "16")


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Four checkpoints of a run that was made up."""
    folder = tmp_path_factory.mktemp("series")
    return [moved(folder / f"epoch{seed}.safetensors", seed, size=0.1 / seed) for seed in range(1, 5)]


def objective(path):
    return Settings(data="demo", samples=16, device="cpu").objective(checkpoints.load(path))


def test_the_path_of_a_run(run, series):
    found = run("trajectory", *series, *SMALL, "--json").json
    common = {"command", "checkpoint", "protocol", "result", "seconds", "checks"}
    assert set(found) == common | {"explained_variance", "checkpoints"}
    assert found["command"] == "trajectory"
    assert found["result"] == "landscape-out/epoch4-trajectory.zarr"
    assert found["checkpoint"]["name"] == "epoch4"
    dataset = results.load(found["result"])
    assert found["explained_variance"] == dataset.explained_variance.values.tolist()
    weights = np.stack(
        [
            np.concatenate([p.detach().numpy().ravel() for p in checkpoints.load(path).module.parameters()])
            for path in series
        ]
    ).astype(float)
    sizes = np.linalg.svd(weights - weights[-1], compute_uv=False)
    assert found["explained_variance"] == pytest.approx((sizes**2 / (sizes**2).sum())[:2], rel=1e-4)
    for index, (path, row) in enumerate(zip(series, found["checkpoints"], strict=True)):
        assert row["name"] == f"epoch{index + 1}"
        assert row["nll"] == pytest.approx(objective(path).value().nll, rel=1e-6)
        assert row["distance"] == pytest.approx(np.linalg.norm(weights[index] - weights[-1]), rel=1e-5)
        for name in ("x", "y", "off_plane", "radius"):
            assert row[name] == float(dataset[name][index])
    assert found["checkpoints"][-1]["angle"] is None
    assert {check["name"] for check in found["checks"]} == {"deterministic", "movement", "finite", "plane"}


def test_the_surface_beneath(run, series):
    options = ("--surface", "--steps", 5, "--margin", 0, "--dtype", "float64", "--out", "run.zarr", "--json")
    found = run("trajectory", *series, *SMALL, *options).json
    part = found["surface"]
    assert part["result"] == "run-trajectory-surface.zarr"
    path, plane = results.load("run.zarr"), results.load(part["result"])
    assert plane.direction.equals(path.direction)
    assert float(plane.x[0]) == path.x.values.min()
    assert float(plane.y[-1]) == path.y.values.max()
    assert plane.marked.values.tolist() == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(plane.marked_y, path.y)
    checks = {check["name"]: check["passed"] for check in part["checks"]}
    assert checks["centre"]
    assert not checks["statistics"]
    assert part["minimum"]["nll"] == float(plane.nll.min())
    wide = run("trajectory", *series, *SMALL, "--surface", "--steps", 3, "--margin", 1, "--json").json
    assert wide["surface"]["span"] > part["span"]


def test_the_surface_of_a_run_goes_on_where_it_was(run, series, monkeypatch):
    options = (*SMALL, "--surface", "--steps", 3, "--quiet", "--out", "t.zarr")
    append, written = Writer.append, []

    def until_tired(writer, label, index, item):
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(index)
        return append(writer, label, index, item)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "append", until_tired)
        assert run("trajectory", *series, *options).status == 130
    assert int(results.load("t-trajectory-surface.partial.zarr").done.sum()) == 4
    part = run("trajectory", *series, *options, "--partial", "--json").json["surface"]
    assert part["result"] == "t-trajectory-surface.partial.zarr"
    assert part["not_computed"] == 5
    assert run("trajectory", *series, *options, "--json").json["surface"]["not_computed"] == 0
    np.testing.assert_array_equal(results.load("t-trajectory-surface.zarr").done, True)


def test_options_reach_the_surface(run, series):
    options = ("--batch-norm", "recalibrate", "--centred", "--params", "*conv*", "--tolerance", "0.5")
    found = run("trajectory", *series, *SMALL, "--surface", "--steps", 3, *options, "--json").json
    plane = results.load(found["surface"]["result"])
    protocol = attribute(plane, "protocol")
    assert (protocol["batch_norm"], protocol["params"]) == ("recalibrate", "*conv*")
    assert (protocol["options"]["tolerance"], protocol["options"]["span"]) == (0.5, 0.2)
    assert protocol["options"]["directions"]["centred"] is True
    assert "statistics" not in {check["name"] for check in found["surface"]["checks"]}


def test_people_read_a_table(run, series):
    outcome = run("trajectory", *series, *SMALL, "--surface", "--steps", 3)
    assert outcome.status == 0, outcome.err
    assert "WARN surface: BatchNorm uses the stored statistics of one checkpoint" in outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].startswith("the two components hold ")
    assert lines[1].split() == ["checkpoint", "x", "y", "off", "plane", "distance", "NLL"]
    assert [line.split()[0] for line in lines[2:6]] == ["epoch1", "epoch2", "epoch3", "epoch4"]
    assert [line for line in lines if line.startswith("saved ")] == [
        "saved landscape-out/epoch4-trajectory-surface.zarr",
        "saved landscape-out/epoch4-trajectory.zarr",
    ]


# Figures


def figures(outcome):
    assert outcome.status == 0, outcome.err
    return [line.split("/")[-1] for line in outcome.out.split()]


def test_a_trajectory_is_drawn_over_its_surface(run, series, tmp_path):
    measured = run("trajectory", *series, *SMALL, "--surface", "--steps", 3, "--out", "t.zarr")
    assert measured.status == 0
    both = ("t.zarr", "t-trajectory-surface.zarr", "--figure", "trajectory")
    assert figures(run("plot", *both, "--out", "both")) == ["trajectory.pdf"]
    assert figures(run("plot", "t.zarr", "--figure", "trajectory", "--out", "alone")) == ["trajectory.pdf"]
    with_surface, without = ((tmp_path / name / "trajectory.txt").read_text() for name in ("both", "alone"))
    assert with_surface != without
    # A surface on another plane does not lie beneath it.
    assert run("surface", series[-1], *SMALL, "--steps", 3, "--out", "other.zarr").status == 0
    other = ("t.zarr", "other.zarr", "--figure", "trajectory", "--out", "other")
    assert figures(run("plot", *other)) == ["trajectory.pdf"]
    assert (tmp_path / "other" / "trajectory.txt").read_text() == without


def test_the_polar_picture_is_drawn(run, series):
    assert run("trajectory", *series, *SMALL, "--out", "t.zarr").status == 0
    assert figures(run("plot", "t.zarr", "--figure", "polar")) == ["polar.pdf"]


def test_a_line_is_drawn_as_a_line(run, checkpoint):
    assert run("surface", checkpoint, *SMALL, "--line", "--steps", 3, "--out", "line.zarr").status == 0
    assert figures(run("plot", "line.zarr")) == ["lines.pdf"]
    refused = run("plot", "line.zarr", "--figure", "contours")
    assert refused.status == 1
    assert refused.err == "landscape: contours cannot be drawn of results of kind surface\n"


def test_masks_become_a_sequence_and_an_animation(run, tmp_path):
    network = moved(tmp_path / "mc.safetensors", 0, spec=f"{SPEC},dropout=0.2")
    options = ("--masks", 2, "--dropout", "fresh", "--steps", 3, "--out", "masks.zarr")
    assert run("surface", network, *SMALL, *options).status == 0
    outcome = run("plot", "masks.zarr", "--figure", "sequence", "--out", "figures")
    assert figures(outcome) == ["sequence.pdf"]
    with Image.open(tmp_path / "figures" / "sequence.gif") as animation:
        assert animation.n_frames == 2
    assert (tmp_path / "figures" / "sequence.txt").read_text()


def test_only_the_figures_asked_for_are_drawn(run, tmp_path):
    results.save(synthetic.surface(), tmp_path / "s.zarr")
    options = ("--figure", "contours", "--quantity", "accuracy", "--out", "figures")
    assert figures(run("plot", "s.zarr", *options)) == ["contours.pdf"]
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"contours"}
    assert "accuracy" in (tmp_path / "figures" / "contours.txt").read_text().lower()


def test_convexity_is_drawn_where_it_was_measured(run, checkpoint, tmp_path):
    options = ("--steps", 3, "--samples", 4, "--params", "linear.*", "--curvature", "--out", "s.zarr")
    assert run("surface", checkpoint, "--data", "demo", *options).status == 0
    drawn = run("plot", "s.zarr", "--quantity", "convexity", "--figure", "contours", "--out", "figures")
    assert figures(drawn) == ["contours.pdf"]
    assert "λmin" in (tmp_path / "figures" / "contours.txt").read_text()
    results.save(synthetic.surface(), tmp_path / "plain.zarr")
    refused = run("plot", "plain.zarr", "--quantity", "convexity", "--figure", "contours")
    assert refused.status == 1
    assert "this surface has no hessian_smallest, hessian_largest" in refused.err


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--figure", "picture"), 2, "no figure is called 'picture'; there are "),
        (("--quantity", "loss"), 2, "unknown quantity 'loss'; a surface has nll, "),
        (("--figure", "sequence"), 1, "sequence cannot be drawn of results of kind surface"),
        (("--figure", "trajectory"), 1, "trajectory cannot be drawn of results of kind surface"),
    ],
)
def test_what_cannot_be_drawn_is_said(run, tmp_path, options, status, message):
    results.save(planes.line(), tmp_path / "s.zarr")
    outcome = run("plot", "s.zarr", *options, "--out", "figures")
    assert outcome.status == status
    assert outcome.err.startswith(f"landscape: {message}")
    assert not (tmp_path / "figures").exists()
