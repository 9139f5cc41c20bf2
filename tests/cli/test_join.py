"""Commands that share one run: ranks of a launch, workers that come late or leave, and kills among them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from landscape.cli.joining import Rank, choose_device, rank
from landscape.results import attribute, load
from landscape.results.records import entries
from tests.build import checkpoint

from .launching import ROOT, Launch, launching, ranks
from .test_kill import assert_identical

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture(scope="module")
def launch(tmp_path_factory) -> Iterator[Launch]:
    with launching(tmp_path_factory.mktemp("launched")) as call:
        yield call


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("join") / "net.safetensors", "cifar-resnet8:width=4")


FEW = ("--samples", "16", "--batch-size", "16")
WORK = {
    "surface": ("surface", *FEW, "--steps", "7", "--span", "0.2"),
    "spectrum": (
        "hessian",
        *FEW,
        "--spectrum",
        "--spectrum-batch",
        "2",
        "--top-k",
        "1",
        "--tolerance",
        "0.5",
    ),
}
RESULT = {"surface": "s.zarr", "spectrum": "s-spectrum.zarr"}


def arguments(name: str, network: Path, folder: Path, *more: str) -> list[str]:
    command, *options = WORK[name]
    return [command, str(network), *options, *more, "--out", str(folder / "s.zarr")]


def finished(folder: Path, label: str) -> int:
    """How many items of a list are finished."""
    found = set()
    for path in folder.glob(".*.part/*.records"):
        with suppress(FileNotFoundError):  # that of another part of the command, which has just ended
            head = path.read_bytes()[:100].split(b"\n")
            if len(head) > 1 and len(head[1]) == 64:
                run = bytes.fromhex(head[1].decode())
                found |= {e.index for e in entries(path.parent, run) if e.label == label}
    return len(found)


def until(folder: Path, label: str, count: int) -> int:
    end = time.monotonic() + 60
    while (there := finished(folder, label)) < count:
        assert time.monotonic() < end
        time.sleep(0.002)
    return there


@pytest.fixture(scope="module")
def alone(launch: Launch, network: Path, tmp_path_factory) -> dict[str, Path]:
    """What one process finds."""
    found = {}
    for name in WORK:
        folder = tmp_path_factory.mktemp(name)
        launch(arguments(name, network, folder)).ended()
        found[name] = folder / RESULT[name]
    return found


@pytest.mark.parametrize("name", [*WORK])
def test_ranks_give_what_one_process_gives(launch, network, alone, tmp_path: Path, name: str):
    both = ranks(launch, arguments(name, network, tmp_path, "--json"))
    for each in both:
        each.ended()
    found = load(tmp_path / RESULT[name])
    assert_identical(found, load(alone[name]))
    joined = attribute(found, "provenance")["joined"]
    assert (joined["workers"], len(joined["kinds"])) == (2, 1)
    assert joined["largest_difference"] in (None, 0.0)
    content = json.loads(both[0].out.read_text())
    assert content["result"] == str(tmp_path / "s.zarr")
    assert both[1].out.read_text() == both[1].err.read_text() == ""
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["surface", pytest.param("spectrum", marks=pytest.mark.full)])
def test_a_killed_rank_changes_nothing(launch, network, alone, tmp_path: Path, name: str):
    both = ranks(launch, arguments(name, network, tmp_path))
    until(tmp_path, name, 2)
    both[1].send()
    both[0].ended()
    assert_identical(load(tmp_path / RESULT[name]), load(alone[name]))


@pytest.mark.parametrize("name", ["spectrum", pytest.param("surface", marks=pytest.mark.full)])
def test_killed_ranks_go_on_where_they_were(launch, network, alone, tmp_path: Path, name: str):
    for enough in (2, 4):
        both = ranks(launch, arguments(name, network, tmp_path))
        there = until(tmp_path, name, enough)
        for each in both:
            each.send()
            each.ended()
        assert not (tmp_path / RESULT[name]).exists()
        assert finished(tmp_path, name) >= there
    for each in ranks(launch, arguments(name, network, tmp_path)):
        each.ended()
    assert_identical(load(tmp_path / RESULT[name]), load(alone[name]))


def test_one_comes_late_and_one_leaves(launch, network, alone, tmp_path: Path):
    command = arguments("surface", network, tmp_path, "--join")
    first, leaving = launch(command), launch(command)
    until(tmp_path, "surface", 4)
    leaving.send(signal.SIGTERM)
    late = launch(command)
    for each in (leaving, first, late):
        each.ended()
    assert "interrupted" in leaving.err.read_text()
    assert_identical(load(tmp_path / "s.zarr"), load(alone["surface"]))
    assert f"saved {tmp_path / 's.zarr'}" in late.out.read_text()
    before = (tmp_path / "s.zarr" / "zarr.json").stat().st_mtime_ns
    launch(command).ended()  # all is done
    assert (tmp_path / "s.zarr" / "zarr.json").stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("more", [("--join",), ()])
def test_another_job_on_the_same_output_is_refused(launch, network, alone, tmp_path: Path, more: tuple):
    both = ranks(launch, arguments("surface", network, tmp_path))
    until(tmp_path, "surface", 3)
    other = launch(arguments("surface", network, tmp_path, "--seed", "7", *more))
    for each in (other, *both):
        each.ended()
    assert "another run, of workers that joined, writes there" in other.err.read_text()
    assert_identical(load(tmp_path / "s.zarr"), load(alone["surface"]))


@pytest.mark.full  # its surface and its spectrum are shared above
def test_a_comparison_is_shared(launch, network, tmp_path: Path):
    sizes = ("--samples", "8", "--steps", "3", "--span", "0.2", "--predictions", "8", "--maps", "4")
    sizes += ("--spectrum-batch", "4", "--directions", "2", "--draws", "2", "--quiet")
    command = ["compare", str(network), *sizes, "--out"]
    launch([*command, str(tmp_path / "alone")]).ended()
    for each in ranks(launch, [*command, str(tmp_path / "both")]):
        each.ended()
    alone = sorted((tmp_path / "alone" / "datasets" / "net").glob("*.zarr"))
    assert len(alone) >= 4
    for path in alone:
        assert_identical(load(tmp_path / "both" / "datasets" / "net" / path.name), load(path))
    assert (tmp_path / "both" / "index.html").is_file()


@pytest.mark.full
def test_torchrun_restarts_what_is_killed(network, alone, tmp_path: Path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", "2", "-m", "landscape", *arguments("surface", network, tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    until(tmp_path, "surface", 4)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    assert process.wait(120) == 0
    assert_identical(load(tmp_path / "s.zarr"), load(alone["surface"]))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Rank()),
        ({"RANK": "3", "WORLD_SIZE": "8"}, Rank(3, 8)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, Rank(0, 1)),
        ({"RANK": "x", "WORLD_SIZE": ""}, Rank(0, 1)),
        (
            {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "3"},
            Rank(1, 3, apart=True),
        ),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "2", "SLURM_NTASKS": "4"}, Rank(2, 4)),
        ({"SLURM_NTASKS": "4"}, Rank()),
    ],
)
def test_launchers_say_which_rank_it_is(environment: dict, expected: Rank):
    assert rank(environment) == expected
    assert rank(environment).joins == (expected.count > 1)


@pytest.mark.parametrize(
    ("given", "visible", "expected"),
    [((), None, "1"), ((), "4,5,6", "5"), ((), "4", "4"), (("--device", "cpu"), None, None)],
)
def test_each_rank_has_a_gpu_of_its_own(given: tuple, visible: str | None, expected: str | None):
    environment = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}
    environment |= {"CUDA_VISIBLE_DEVICES": visible} if visible else {}
    choose_device(["surface", *given], environment)
    assert environment.get("CUDA_VISIBLE_DEVICES") == expected
    alone: dict[str, str] = {}
    choose_device([], alone)
    assert alone == {}
