"""The door itself, in processes of its own: fast help without torch, exit status, streams, odd terminals."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from landscape import results
from landscape.cli import COMMANDS
from tests.figures import synthetic

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "matplotlib", "scipy", "pandas")


def process(*words: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        errors="replace",
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


def door(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return process(ROOT / "cli.py", *arguments, **options)


def python(code: str, **options) -> subprocess.CompletedProcess[str]:
    return process("-c", code, **options)


def spent(call: Callable[[], subprocess.CompletedProcess[str]]) -> tuple[float, subprocess.CompletedProcess]:
    """Processor time of a process (seconds), and how it ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, outcome


@cache
def blink() -> float:
    """Seconds of processor time that are a blink on this machine: half of what importing torch takes."""
    return min(spent(lambda: python("import torch"))[0] for _ in range(2)) / 2


def in_a_blink(*arguments: str) -> subprocess.CompletedProcess[str]:
    """How a call ends that takes no longer than that, in one of three attempts."""
    for _ in range(3):
        seconds, outcome = spent(lambda: door(*arguments))
        if seconds < blink():
            return outcome
    raise AssertionError(f"{arguments} took {seconds} s, importing torch {2 * blink()} s")


def test_help_lists_every_command_in_a_blink():
    outcome = in_a_blink("--help")
    assert outcome.returncode == 0
    assert outcome.stderr == ""
    for command in COMMANDS:
        assert f"  {command} " in outcome.stdout


def test_no_help_imports_anything_heavy():
    outcome = python(f"""
import contextlib, io, sys
from landscape.cli import COMMANDS, main
for arguments in [["--help"], *([name, "--help"] for name in COMMANDS)]:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            main(arguments)
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
    assert out.getvalue(), arguments
    loaded = set({HEAVY!r}) & set(sys.modules)
    assert not loaded, (arguments, loaded)
""")
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_fast(command):
    outcome = in_a_blink(command, "--help")
    assert outcome.returncode == 0
    assert outcome.stdout.startswith(f"Usage: landscape {command} ")


def test_the_version_is_known_with_and_without_an_installation():
    outcome = door("--version")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("landscape ")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_terminals_without_greek_get_the_numbers(encoding):
    outcome = door("hessian", "--help", PYTHONIOENCODING=encoding)
    assert outcome.returncode == 0, outcome.stderr
    assert "--tolerance" in outcome.stdout


def test_a_measurement_prints_one_object(checkpoint, tmp_path):
    arguments = ("evaluate", checkpoint, "--samples", "8", "--json")
    outcome = door(*arguments, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("\n") == 1
    assert json.loads(outcome.stdout)["samples"] == 8
    assert "\r" not in outcome.stderr, "a log has no moving bar"
    silent = door(*arguments, "--quiet", cwd=tmp_path)
    assert silent.stderr == ""
    assert json.loads(silent.stdout)["nll"] == json.loads(outcome.stdout)["nll"]


def test_failure_has_its_status_and_its_stream(tmp_path):
    outcome = door("info", "none.pt", cwd=tmp_path)
    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert outcome.stderr == "landscape: no checkpoint at none.pt: it is nowhere to be found\n"
    assert door("nonsense").returncode == 2


def test_a_reader_that_goes_away_is_no_traceback(checkpoint):
    script = f"{sys.executable} {ROOT / 'cli.py'} info {checkpoint} | true"
    outcome = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in outcome.stderr


def test_plotting_needs_no_torch(tmp_path):
    results.save(synthetic.surface("tiny"), tmp_path / "tiny-surface.zarr")
    outcome = python(
        "import sys; from landscape.cli import main\n"
        "try: main(['plot', 'tiny-surface.zarr', '--figure', 'surface3d'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules",
        cwd=tmp_path,
    )
    assert outcome.returncode == 0, outcome.stderr
