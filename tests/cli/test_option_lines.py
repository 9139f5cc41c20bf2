"""Random option lines: each is done or refused in words, never with a traceback or an unexpected error.

Options, their types and choices are read from the commands, so that new ones join by themselves. A few
examples run with every change, the same ones each time; ``LANDSCAPE_FUZZ=500`` runs so many new ones.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landscape.cli import COMMANDS, group
from tests.cli.conftest import call, undrawn

MANY = int(os.environ.get("LANDSCAPE_FUZZ") or 0)
ODD = ("", "x", "-", "-1", "0", "nan", "inf", "1e30", "9" * 30, "a,b", "[", "*", "\x1b[31m", "ü", "x" * 5000)
ODD += (
    "../x",
    "/dev/zero",
    "~nobody",
    "a:b:c",
    ":",
    "@",
    "=",
    "1-2",
    "0:1",
    "٣",
    "$x$",
    "<b>",
    "%s",
    "\udcff",
)
WORDS: dict[str, tuple[str, ...]] = {
    "--data": ("DATA", "DATA", "demo:train", "cifar10:.", "cifar100:/", "images:.", "npz:", "npz:/dev/zero"),
    "--device": ("cpu", "cpu", "cuda:7", "mps", "meta", "xla", "cpu:3"),
    "--model": ("cifar-resnet8:width=4", "cifar-resnet8:width=10**9", "os:system", "torch.nn:Identity"),
    "--smooth": ("blur", "relu6-blur@layer1", "blur@nope", "tanh-blur@"),
    "--params": ("*", "*conv*", "nothing*", "*running*"),
    "--dropout": ("off", "fixed", "ensemble:2", "ensemble:0"),
    "--max-input": ("1GiB", "1B", "1e300GB", "nanGB"),
    "--max-memory": ("1GB", "1KB", "0GB"),
    "--url": ("file:///etc/passwd", "http://127.0.0.1:9/x", "http://[::1/", "data:,x", "ftp://x/"),
}
SMALL = (
    "--samples",
    "--steps",
    "--batch-size",
    "--epochs",
    "--top-k",
    "--repeats",
    "--draws",
    "--directions",
)
MOST = 3  # of anything that takes time in proportion to it
MEASURING = tuple(name for name in COMMANDS if name not in ("demo", "reproduce", "train", "data"))


def _words(option: click.Option) -> st.SearchStrategy[str]:
    """Values of an option: mostly of its kind."""
    flag = max(option.opts, key=len)
    usual: list[str] = list(WORDS.get(flag, ()))
    if isinstance(option.type, click.Choice):
        usual += map(str, option.type.choices)
    elif isinstance(option.type, click.types.IntParamType) or flag in SMALL:
        usual += map(str, range(1, MOST + 1))
    elif isinstance(option.type, click.types.FloatParamType):
        usual += ("0.5", "1.0", "1e-3", "-1.0", "nan", "inf", "1e30", "1e-30")
    else:
        usual += ("0.5", "0.5,0.5,0.5", "1,2", "0")
    return st.one_of(st.sampled_from(usual), st.sampled_from(usual), st.sampled_from(ODD))


def _given(option: click.Option) -> st.SearchStrategy[list[str]]:
    flag = max(option.opts, key=len)
    if option.is_flag:
        return st.sampled_from([[flag], *([each] for each in option.secondary_opts)])
    return st.lists(_words(option), min_size=max(option.nargs, 1), max_size=max(option.nargs, 1)).map(
        lambda words: [flag, *words]
    )


@st.composite
def lines(draw: Any, names: tuple[str, ...]) -> list[str]:
    """A command with arguments and a few options; CKPT, RESULT, DATA and OUT stand for what there is."""
    name = draw(st.sampled_from(names))
    found = group.get_command(None, name)  # type: ignore[arg-type]
    options = [each for each in found.params if isinstance(each, click.Option) and not each.is_eager]
    arguments = [each for each in found.params if isinstance(each, click.Argument)]
    line = [name]
    for argument in arguments:
        kept = "RESULT" if "RESULT" in (argument.metavar or "") else "CKPT"
        line += draw(st.lists(st.sampled_from([kept, kept, kept, *ODD]), min_size=1, max_size=2))
    required = [each for each in options if each.required]
    chosen = draw(st.lists(st.sampled_from(options), max_size=4, unique=True)) if options else []
    for option in {id(each): each for each in (*required, *chosen)}.values():
        if max(option.opts, key=len) not in ("--out", "--samples", "--data"):
            line += draw(_given(option))
    flags = {flag for option in options for flag in option.opts}
    for flag, value in (("--samples", "3"), ("--data", "DATA"), ("--steps", "3"), ("--out", "OUT")):
        line += [flag, value] if flag in flags and flag not in line else []
    return line


@pytest.fixture(scope="module")
def there(tmp_path_factory, checkpoint) -> dict[str, str]:
    """What the words of a line stand for."""
    folder = tmp_path_factory.mktemp("lines")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    np.savez(folder / "x.npz", images=pixels, labels=np.arange(4))
    data = f"npz:{folder / 'x.npz'}"
    made = folder / "x-evaluation.zarr"
    assert call("evaluate", checkpoint, "--data", data, "--out", made).status == 0
    return {"CKPT": str(checkpoint), "DATA": data, "RESULT": str(made), "OUT": str(folder / "out")}


def _check(line: list[str], there: dict[str, str]) -> None:
    words = [there.get(word, word) for word in line]
    try:
        with undrawn():
            found = call(*words)
    finally:
        shutil.rmtree(there["OUT"], ignore_errors=True)
    assert found.status in (0, 1, 2), (words, found.err)
    assert "Traceback" not in found.err, words
    assert "unexpected " not in found.err or "please report" not in found.err, (words, found.err)
    assert "\x1b" not in found.err + found.out
    if "--json" in words and found.status == 0:
        json.loads(found.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    if "--json" in words and found.status:
        assert not found.out


def _settings(examples: int) -> settings:
    return settings(
        max_examples=MANY or examples,
        derandomize=not MANY,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@_settings(300)
@given(lines(COMMANDS))
def test_every_line_is_understood_or_is_wrong_usage(line):
    command = group.get_command(None, line[0])  # type: ignore[arg-type]
    try:
        with command.make_context(line[0], line[1:]):
            pass
    except click.UsageError:
        pass


@pytest.mark.filterwarnings("ignore")
def test_lines_are_done_or_refused(there, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    @_settings(10)
    @given(lines(MEASURING))
    def running(line: list[str]) -> None:
        _check(line, there)

    running()


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", MEASURING)
def test_lines_of_each_command(there, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)

    @_settings(30)
    @given(lines((command,)))
    def running(line: list[str]) -> None:
        _check(line, there)

    running()
