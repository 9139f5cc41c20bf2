"""surface and trajectory: options that contradict each other, and files that do not fit."""

import h5py
import numpy as np
import pytest

from .test_errors import assert_nothing_written, assert_refused, tiny

SMALL = ("--samples", "4", "--steps", "3")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--line", "--through", "b.pt"), "--through and --line both say which directions"),
        (("--line", "--directions-from", "s.zarr"), "--directions-from and --line both say which directions"),
        (("--through", "b.pt", "--directions-from", "s.zarr"), "--directions-from and --through both say"),
        (("--through", "b", "--through", "c", "--through", "d"), "give --through once or twice"),
        (("--through", "b", "--span", "auto:3"), "--through says how large the grid is"),
        (("--through", "b.pt", "--orthogonal"), "--orthogonal is about random directions"),
        (("--through", "b.pt", "--norm", "layer"), "--norm is about random directions"),
        (("--directions-from", "s.zarr", "--include-1d"), "--include-1d is about random directions"),
        (("--span", "wide"), "neither a number nor auto:FACTOR"),
        (("--span", "auto:much"), "neither a number nor auto:FACTOR"),
        (("--span", "5:10"), "neither a number nor auto:FACTOR"),
        (("--norm", "row"), "'row' is not one of"),
        (("--repeats", "0"), "0 is not in the range x>=1"),
        (("--masks", "0"), "0 is not in the range x>=1"),
        (("--flatness", "1"), "1 is not in the range x>=2"),
        (("--flatness", "3", "--include-1d"), "leave out --include-1d"),
        (("--steps", "1"), "1 is not in the range x>=3"),
        (("--batch-norm", "train"), "'train' is not one of"),
        (("--precision", "float16"), "'float16' is not one of"),
        (("--tolerance", "little"), "not a valid float"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage(run, checkpoint, tmp_path, options, message):
    assert_refused(run("surface", checkpoint, *SMALL, *options), message, status=2)
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--span", "auto:1"), "a finite factor of more than 1, got 1.0"),
        (("--span", "auto:nan"), "a finite factor of more than 1, got nan"),
        (("--tolerance", "1"), "from 0 to below 1, got 1.0"),
        (("--tolerance", "-0.5"), "got -0.5"),
        (("--norm", "paper", "--include-1d"), "gives biases and BatchNorm no direction"),
        (("--masks", "2"), "all masks are the same"),
        (("--masks", "2", "--dropout", "fresh"), "for a network that has it"),
        (("--masks", "2", "--repeats", "2", "--dropout", "fresh"), "choose --repeats or --masks"),
        (("--curvature", "--repeats", "2"), "measured on one surface"),
        (("--curvature", "--precision", "bfloat16"), "needs full precision"),
        (("--curvature", "--batch-norm", "recalibrate"), "eval or batch mode"),
        (("--through", "none.pt"), "no checkpoint at none.pt"),
        (("--directions-from", "none.zarr"), "no result at none.zarr"),
        (("--directions-from", "none.h5"), "no file at none.h5"),
        (("--partial",), "nothing of this run is beside landscape-out/tiny-surface.zarr"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_measured(run, checkpoint, tmp_path, options, message):
    # So many samples that the micro-batch would be measured first, and kept.
    assert_refused(run("surface", checkpoint, "--steps", "3", *options), message)
    assert_nothing_written(tmp_path)


def test_checkpoints_that_span_nothing(run, checkpoint, tmp_path):
    tiny(tmp_path / "other.safetensors", "cifar-resnet8:width=8")
    usual = ("--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25")
    tiny(tmp_path / "b.safetensors", change=lambda state: state["conv1.weight"].mul_(2))
    tiny(tmp_path / "c.safetensors", change=lambda state: state["conv1.weight"].mul_(3))
    through = ("--through", "b.safetensors")
    outcome = run("surface", checkpoint, *SMALL, "--through", checkpoint)
    assert_refused(outcome, "the two checkpoints hold the same weights")
    assert_refused(run("surface", checkpoint, *SMALL, *through), "with different normalisations")
    outcome = run("surface", checkpoint, *SMALL, *usual, *through, "--through", "c.safetensors")
    assert_refused(outcome, "the three checkpoints lie on one line")
    outcome = run("surface", checkpoint, *SMALL, "--through", "other.safetensors")
    assert_refused(outcome, "have different architectures")
    outcome = run("surface", checkpoint, *SMALL, *usual, *through, "--repeats", 2)
    assert_refused(outcome, "can be measured once")
    outcome = run("surface", checkpoint, *SMALL, *usual, *through, "--span", -1)
    assert_refused(outcome, "a margin of -1.0")
    assert_nothing_written(tmp_path, "other.safetensors", "b.safetensors", "c.safetensors")


def test_directions_that_do_not_fit(run, checkpoint, tmp_path):
    tiny(tmp_path / "wide.safetensors", "cifar-resnet8:width=8")
    assert run("surface", "wide.safetensors", *SMALL, "--line", "--out", "wide.zarr").status == 0
    outcome = run("surface", checkpoint, *SMALL, "--directions-from", "wide.zarr")
    assert_refused(outcome, "'conv1.weight' has shape (8, 3, 3, 3) in the stored direction")
    assert run("evaluate", checkpoint, "--samples", "4", "--out", "e.zarr").status == 0
    outcome = run("surface", checkpoint, *SMALL, "--directions-from", "e.zarr")
    assert_refused(outcome, "holds no directions")
    assert run("hessian", checkpoint, "--samples", "4", "--top-k", "2", "--out", "h.zarr").status == 0
    outcome = run("surface", checkpoint, *SMALL, "--directions-from", "h.zarr")
    assert_refused(outcome, "holds no eigenvectors")
    vectors = ("--top-k", "1", "--vectors", "--out", "h.zarr")
    assert run("hessian", checkpoint, "--samples", "4", *vectors).status == 0
    outcome = run("surface", checkpoint, *SMALL, "--directions-from", "h.zarr")
    assert_refused(outcome, "choose different ones of [1]")


def test_direction_files_of_another_network(run, checkpoint, tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("xdirection/0", data=np.zeros((8, 3, 3, 3)))
    outcome = run("surface", checkpoint, *SMALL, "--directions-from", "d.h5")
    assert_refused(
        outcome, "tensor 0 of the direction has shape (8, 3, 3, 3), but conv1.weight has (4, 3, 3, 3)"
    )
    (tmp_path / "junk.h5").write_bytes(b"junk")
    assert_refused(run("surface", checkpoint, *SMALL, "--directions-from", "junk.h5"), "junk.h5")
    (tmp_path / "junk.zarr").mkdir()
    assert_refused(run("surface", checkpoint, *SMALL, "--directions-from", "junk.zarr"), "junk.zarr")


@pytest.mark.parametrize(
    ("others", "status", "message"),
    [
        ((), 2, "at least three checkpoints, got 1"),
        (("again",), 2, "at least three checkpoints, got 2"),
        (("again", "again"), 1, "span 0 dimensions"),
        (("none.pt", "none.pt"), 1, "no checkpoint at none.pt"),
        (("again", "again", "--margin", "-1"), 2, "-1.0 is not in the range x>=0"),
        (("again", "again", "--steps", "2"), 2, "2 is not in the range x>=3"),
    ],
)
def test_trajectories_that_cannot_be(run, checkpoint, tmp_path, others, status, message):
    paths = [checkpoint if other == "again" else other for other in others]
    assert_refused(run("trajectory", checkpoint, *paths, "--samples", "4"), message, status=status)
    assert_nothing_written(tmp_path)


def test_a_trajectory_needs_checkpoints(run):
    assert_refused(run("trajectory", "--samples", "4"), "Missing argument", status=2)
