"""`landscape hessian` under torchrun: one answer, one result, which survives the death of a rank."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from landscape.results import attribute, load
from tests.build import checkpoint, kept
from tests.cli.conftest import call

from .ranks import ROOT, Ranks

LAUNCHED = {"TORCHELASTIC_RUN_ID": "test"}


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("ranks") / "net.safetensors", "cifar-resnet20:width=2")


def arguments(network: Path, place: Path, *options: str) -> list[str]:
    """Top two eigenvalues over 40 images, in 4 micro-batches."""
    usual = ("--samples", "40", "--batch-size", "10", "--top-k", "2", "--tolerance", "0.05")
    return ["hessian", str(network), *usual, "--dtype", "float64", *options, "--out", str(place)]


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    for name, value in expected.variables.items():
        assert found.variables[name].values.tobytes() == value.values.tobytes(), name
    for name in ("network", "protocol", "checks"):
        assert attribute(found, name) == attribute(expected, name)


@pytest.fixture(scope="module")
def whole(ranks: Ranks, network: Path, tmp_path_factory) -> tuple[Path, list]:
    """What two ranks find that nobody stops, and what they say."""
    folder = tmp_path_factory.mktemp("whole")
    place = folder / "e.zarr"
    return place, ranks("command", folder, *arguments(network, place, "--json"), **LAUNCHED)


def test_rank_0_answers_for_all(whole, network, tmp_path):
    place, (first, second) = whole
    assert (first.status, second.status) == (0, 0), (first.err, second.err)
    assert (second.out, second.err) == ("", "")
    answer = json.loads(first.out)
    alone = call(*arguments(network, tmp_path / "alone.zarr", "--json"))
    assert answer["eigenvalues"] == pytest.approx(alone.json["eigenvalues"], rel=1e-9)
    assert answer["hvps"] == alone.json["hvps"]
    ours, theirs = load(place), load(tmp_path / "alone.zarr")
    protocol = attribute(ours, "protocol")
    assert protocol.pop("ranks") == 2
    assert protocol == attribute(theirs, "protocol")
    assert [check["name"] for check in answer["checks"]] == [check["name"] for check in alone.json["checks"]]
    assert all(check["passed"] for check in answer["checks"])
    assert [path.name for path in place.parent.glob("*.zarr")] == ["e.zarr"]
    assert not kept(place.parent)


def test_everything_else_is_shared_out_too(ranks, network, tmp_path):
    more = ("--trace", "2", "--density", "1", "--density-steps", "3", "--spectrum", "--spectrum-batch", "20")
    options = (*more, "--spectrum-batches", "1", "--params", "linear.*", "--json")
    first, second = ranks("command", tmp_path, *arguments(network, tmp_path / "e.zarr", *options), **LAUNCHED)
    assert (first.status, second.status) == (0, 0), (first.err, second.err)
    ours = json.loads(first.out)
    alone = call(*arguments(network, tmp_path / "alone.zarr", *options)).json
    for kind, name in (("trace", "value"), ("density", "largest"), ("spectrum", "ape")):
        assert ours[kind][name] == pytest.approx(alone[kind][name], rel=1e-9)


def test_what_is_wrong_is_said(ranks, network, tmp_path):
    first, second = ranks(
        "command", tmp_path, *arguments(network, tmp_path / "e.zarr", "--samples", "1"), **LAUNCHED
    )
    words = "landscape{}: 1 samples cannot be shared out among 2 ranks; start fewer ranks\n"
    assert (first.status, first.err) == (1, words.format(""))
    assert (second.status, second.err) == (1, words.format(" (rank 1)"))


def test_a_killed_rank_ends_the_job_and_the_next_one_goes_on(ranks, whole, network, tmp_path):
    place = tmp_path / "e.zarr"
    first, second = ranks("killed_command", tmp_path, 5, *arguments(network, place, "--quiet"), **LAUNCHED)
    assert second.status == -signal.SIGKILL
    assert first.status == 1
    assert first.err.startswith(
        "landscape: rank 1 ended without a word: it was killed, or its machine is lost; give the same command"
    )
    assert len(kept(tmp_path)) == 4
    again, _ = ranks("command", tmp_path, *arguments(network, place, "--quiet"), **LAUNCHED)
    assert again.status == 0, again.err
    assert_same(load(place), load(whole[0]))
    assert not kept(tmp_path)


def test_a_killed_leader_is_named_by_the_others(ranks, network, tmp_path):
    place = tmp_path / "e.zarr"
    first, second = ranks(
        "killed_command", tmp_path, 3, *arguments(network, place, "--quiet"), **LAUNCHED, LANDSCAPE_KILLED="0"
    )
    assert first.status == -signal.SIGKILL
    assert second.status == 1
    assert "landscape (rank 1): rank 0 ended without a word" in second.err


@pytest.mark.full  # starts six processes; the jobs above are its sample
def test_torchrun_starts_the_job_again_and_it_ends_with_the_same_bits(whole, network, tmp_path):
    place = tmp_path / "e.zarr"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, "--max-restarts", "1", "-m", "tests.distributed.killing", *arguments(network, place)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "LANDSCAPE_PATIENCE": "60"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("λ1 ") == 1
    found, expected = load(place), load(whole[0])
    assert_same(found, expected)
    assert np.array_equal(found.converged.values, expected.converged.values)
