"""Surfaces that are killed at any moment end bit-identical to surfaces that were never stopped."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from landscape.results import attribute, load
from tests.build import checkpoint, kept
from tests.data.server import serving

from .kills import COMMANDS, CONTENT, Zygote, commands, killed, prepared


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """Calls the command line in a child process, which may be killed; gives its exit status."""
    with commands() as call:
        yield call


@pytest.fixture(scope="module")
def dropping(tmp_path_factory) -> Path:
    """A network of width 4 with dropout."""
    place = tmp_path_factory.mktemp("kill") / "dropping.safetensors"
    return checkpoint(place, "cifar-resnet8:width=4,dropout=0.2")


def surface(checkpoint: Path, place: Path, *options: str) -> list[str]:
    small = ("--samples", "16", "--batch-size", "8", "--steps", "5", "--span", "0.2", "--quiet")
    return ["surface", str(checkpoint), *small, *options, "--out", str(place)]


def written(folder: Path) -> dict[str, int]:
    """Each result, and when it was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*.zarr/zarr.json")}


def assert_identical(found: xr.Dataset, expected: xr.Dataset) -> None:
    assert set(found.variables) == set(expected.variables)
    for name, value in expected.variables.items():
        ours = found.variables[name]
        assert (ours.dims, ours.dtype) == (value.dims, value.dtype)
        same = ours.values.tolist() if value.dtype == object else ours.values.tobytes()
        assert same == (value.values.tolist() if value.dtype == object else value.values.tobytes()), name
        assert ours.attrs == value.attrs
    for name in ("network", "protocol", "checks"):
        assert attribute(found, name) == attribute(expected, name)


MODES = {
    "plain": (4, ()),
    "tolerance": (4, ("--samples", "250", "--batch-size", "50", "--steps", "3", "--tolerance", "0.3")),
    "fresh": (4, ("--dropout", "fresh", "--masks", "2", "--steps", "3")),
}


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("mode", [*MODES, pytest.param("often", marks=pytest.mark.full)])
def test_killed_at_any_moment_it_ends_bit_identical(
    zygote: Zygote, dropping: Path, tmp_path: Path, mode: str
):
    kills, options = MODES.get(mode, (10, ()))
    whole = tmp_path / "whole" / "s.zarr"
    assert zygote(surface(dropping, whole, *options)) == 0
    started = time.monotonic()
    assert zygote(surface(dropping, whole, *options)) == 0
    duration, expected = time.monotonic() - started, load(whole)
    assert bool(expected.done.all())
    assert bool((expected.samples < 250).any())
    rng, killed, most, round_ = np.random.default_rng(0), 0, 0, 0
    while killed < kills:
        folder, before = tmp_path / f"{round_}", {}
        while True:
            moment = rng.uniform(0, duration)
            status = zygote(
                surface(dropping, folder / "s.zarr", *options), kill_when=lambda t, m=moment: t > m
            )
            if status == 0:
                break
            assert status == -signal.SIGKILL
            killed += 1
            there = kept(folder)
            if (folder / "s.zarr").exists():
                break  # killed after the result was written, while the items were removed
            # What was finished is there still, and was not computed again.
            assert before.items() <= there.items()
            most, before = max(most, len(there)), there
        assert_identical(load(folder / "s.zarr"), expected)
        assert status or [path.name for path in folder.iterdir()] == ["s.zarr"]
        round_ += 1
    assert most > 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_killed_while_the_result_is_written_it_leaves_nothing(zygote: Zygote, dropping: Path, tmp_path: Path):
    whole, place = tmp_path / "whole" / "s.zarr", tmp_path / "s" / "s.zarr"
    command = surface(dropping, place, "--line", "--steps", "3")

    def writing(elapsed: float) -> bool:
        return any(place.parent.glob(".s.zarr.????????/s.zarr/*"))

    assert zygote(command, kill_when=writing) == -signal.SIGKILL
    assert not place.exists()
    assert writing(0.0)
    assert len(kept(place.parent)) == 3
    assert zygote(command) == 0
    assert [path.name for path in place.parent.iterdir()] == ["s.zarr"]
    assert zygote(surface(dropping, whole, "--line", "--steps", "3")) == 0
    assert_identical(load(place), load(whole))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_what_a_killed_run_has_can_be_looked_at(zygote: Zygote, dropping: Path, tmp_path: Path):
    place = tmp_path / "s.zarr"
    command = surface(dropping, place)
    assert zygote(command, kill_when=lambda t: len(kept(tmp_path)) >= 4) == -signal.SIGKILL
    there = kept(tmp_path)
    assert zygote([*command, "--partial"]) == 0
    assert kept(tmp_path) == there
    part = load(tmp_path / "s.partial.zarr")
    assert not place.exists()
    assert int(part.done.sum()) == len(there) < part.done.size
    assert {check["name"]: check["passed"] for check in attribute(part, "checks")}["complete"] is False
    assert zygote(command) == 0
    finished = load(place)
    assert bool(finished.done.all())
    known = part.done.values
    assert finished.nll.values[known].tobytes() == part.nll.values[known].tobytes()
    # Once it is finished there is nothing to look at, and the result stays as it is.
    assert zygote([*command, "--partial"]) == 1
    assert_identical(load(place), finished)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_comparison_killed_inside_a_surface_goes_on_where_it_was(
    zygote: Zygote, dropping: Path, tmp_path: Path
):
    small = ("--samples", "16", "--batch-size", "8", "--steps", "5", "--span", "0.2", "--predictions", "8")
    sizes = ("--maps", "4", "--spectrum-batch", "8", "--directions", "2", "--draws", "2", "--quiet")
    command = ["compare", str(dropping), *small, *sizes, "--out", str(tmp_path / "out")]
    folder, before = tmp_path / "out" / "datasets" / "dropping", {}
    for enough in (2, 6):
        killed = zygote(command, kill_when=lambda t, n=enough: len(kept(folder, "surface")) >= n)
        assert killed == -signal.SIGKILL
        assert not (folder / "surface.zarr").exists()
        there = kept(folder, "surface")
        assert before.items() <= there.items()  # what was finished was not evaluated again
        assert len(there) >= enough
        before = there
    finished = written(folder)
    assert zygote(command) == 0
    assert not kept(folder)
    assert finished.items() <= written(folder).items()
    whole = tmp_path / "whole" / "s.zarr"
    same = ("--split", "train", "--dropout", "fixed")
    assert zygote(surface(dropping, whole, *same)) == 0
    assert_identical(load(folder / "surface.zarr"), load(whole))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_top_eigenvalues_killed_on_the_way_go_on_where_they_were(
    zygote: Zygote, dropping: Path, tmp_path: Path
):
    def command(place: Path) -> list[str]:
        small = ("--samples", "16", "--top-k", "2", "--tolerance", "0.01", "--quiet")
        return ["hessian", str(dropping), *small, "--out", str(place)]

    place, before = tmp_path / "h.zarr", {}
    for enough in (3, 8):
        killed = zygote(command(place), kill_when=lambda t, n=enough: len(kept(tmp_path)) >= n)
        assert killed == -signal.SIGKILL
        there = kept(tmp_path)
        assert before.items() <= there.items()
        assert len(there) >= enough
        before = there
    assert zygote(command(place)) == 0
    assert not kept(tmp_path)
    assert zygote(command(tmp_path / "whole" / "h.zarr")) == 0
    assert_identical(load(place), load(tmp_path / "whole" / "h.zarr"))


@pytest.mark.full  # a surface, a comparison and a search are killed above
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_killed_again_and_again_ends_bit_identical(tmp_path: Path, name: str):
    known = prepared(tmp_path)
    with serving(CONTENT, pause=0.02) as (url, _), commands(known["A"]) as call:
        assert not killed(call, name, known | {"URL": url}, tmp_path, 3, np.random.default_rng(0))
