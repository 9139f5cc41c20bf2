"""Every help page at 80 columns, every example on it, and words that are nearly right."""

import re
import shlex
from glob import glob

import click
import pytest

from landscape.cli import COMMANDS, group
from landscape.cli.help import GROUPS, GroupedOption
from tests import build
from tests.cli.conftest import call

WIDTH = 80
PAGES = ((), *((name,) for name in COMMANDS))
LONG = {"compare", "demo", "reproduce", "train", "data", "phase"}
"""Commands whose examples take minutes or a network; their lines are read here and run elsewhere."""

SHIPPED = {"landscape verdicts", "landscape verdicts --claims", "landscape paper p1-fig8"}
"""Examples that read everything that ships, as tests of these commands do, too."""


def page(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    return call(*command, "--help").out


def commands() -> dict[str, click.Command]:
    context = click.Context(group)
    return {name: group.get_command(context, name) for name in COMMANDS}


EXAMPLES = [example for one in (group, *commands().values()) for example in one.examples]


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_pages_fit_a_terminal(command, monkeypatch):
    text = page(command, monkeypatch)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]|\\b", text)
    assert "\nExamples:\n" in text


def test_no_summary_is_cut(monkeypatch):
    listed = page((), monkeypatch).partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    for line in listed:
        assert line.endswith("."), line
        assert not line.endswith(".."), line


@pytest.mark.parametrize("name", COMMANDS)
def test_options_stand_in_groups(name, monkeypatch):
    command = commands()[name]
    text = page((name,), monkeypatch)
    options = [one for one in command.params if isinstance(one, click.Option)]
    for option in options:
        assert isinstance(option, GroupedOption), option.opts
        assert option.group in ("", *GROUPS), option.opts
        heading = f"\n{option.group or command.own}:\n"
        assert option.opts[-1] in text.partition(heading)[2].partition("\n\n")[0], option.opts
        assert option.help, option.opts


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """What the examples speak of: two networks, a run, and results."""
    place = tmp_path_factory.mktemp("examples")
    (place / "run").mkdir()
    for seed, name in enumerate(("net", "a", "b", "run/epoch-1", "run/epoch-2", "run/epoch-3")):
        build.checkpoint(place / f"{name}.safetensors", "cifar-resnet8:width=8,dropout=0.2", seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        small = ("--samples", 8, "--steps", 3)
        assert call("surface", "net.safetensors", *small).status == 0
        for name in ("a", "b"):
            kept = f"comparison/datasets/{name}/surface.zarr"
            assert call("surface", f"{name}.safetensors", *small, "--out", kept).status == 0
    return place


@pytest.mark.parametrize("example", dict.fromkeys(EXAMPLES))
def test_examples_are_read(example):
    first, *words = shlex.split(example)
    assert first == "landscape"
    command = commands()[words[0]]
    with command.make_context(words[0], words[1:], click.Context(group)):
        pass


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(example, marks=[pytest.mark.full] * (example in SHIPPED))
        for example in dict.fromkeys(EXAMPLES)
        if shlex.split(example)[1] not in LONG
    ],
)
def test_examples_run(example, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    words = [found for word in shlex.split(example)[1:] for found in sorted(glob(word)) or [word]]
    outcome = call(*words, *smaller(words))
    assert outcome.status == 0, outcome.err


def smaller(words: list[str]) -> tuple:
    """Measuring takes as long as there are samples and points; what is to be seen is that it runs."""
    measured = {"evaluate", "hessian", "surface", "trajectory", "features", "connect"}
    own = ("--samples", 8) if words[0] in measured else ()
    own += ("--spectrum-batch", 2) if "--protocol" in words else ()
    if words[0] == "sharpness":
        own += ("--samples", 8, "--few", 4, "--probes", 2, "--products", 2, "--directions", 2)
        own += ("--steps", 1, "--mini-batch", 8, "--noise-batch", 4)
        own += () if "--audit-samples" in words else ("--audit-samples", 4)
    return own + (("--steps", 3) if words[0] in ("surface", "trajectory") else ())


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("surfac",), "did you mean surface?"),
        (("evalute", "a.pt"), "did you mean evaluate?"),
        (("hessian", "--sampels", "3"), "--samples"),
        (("paper", "p1-fig88"), "did you mean p1-fig8"),
        (("plot", "comparison", "--figure", "countours"), "did you mean contours"),
        (("nothing-like-it",), "`landscape --help` lists them"),
    ],
)
def test_words_that_are_nearly_right(words, meant, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    outcome = call(*words)
    assert outcome.status == 2
    assert meant in outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ("surface", "a.safetensors", "--steps", "4"),
        ("surface", "a.safetensors", "--span", "-1"),
        ("plot", "comparison", "--quantity", "height"),
        ("paper", "p9-fig1"),
        ("hessian", "a.safetensors@resnat18"),
        ("evaluate", "a.safetensors", "--device", "abacus"),
        ("train", "--model", "resnet18", "--learning-rate", "-1", "--out", "x.safetensors"),
    ],
)
def test_values_that_the_library_judges_are_wrong_usage(words, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    outcome = call(*words)
    assert outcome.status == 2, outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("landscape: ")
