"""The documentation holds: its commands parse, its Python runs, its pages build without a warning."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import click
import pytest

from docs import catalogue
from landscape import family, figures
from landscape.cli import group
from landscape.samples import Samples
from tests.tools import missing, need

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
INSERTED = "--8<--"  # a file shown whole


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a language, one by one."""
    found = re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return [block for block in found if INSERTED not in block]


def commands(page: Path) -> list[list[str]]:
    """Arguments of every call of `landscape` on a page, shell variables filled in."""
    found = []
    for block in blocks(page, "sh"):
        variables = dict(re.findall(r'^([A-Z_]+)="([^"]*)"$', block, re.MULTILINE))
        for line in block.replace("\\\n", " ").splitlines():
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            words = shlex.split(line, comments=True)
            if words[:1] == ["landscape"]:
                found.append(words[1:])
    return found


COMMANDS = [(page, words) for page in PAGES for words in commands(page)]
PYTHON = [page for page in PAGES[1:] if blocks(page, "python")]


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 60
    assert len(PYTHON) >= 5


@pytest.mark.parametrize(
    ("page", "words"), COMMANDS, ids=[f"{page.stem}: {' '.join(words)[:60]}" for page, words in COMMANDS]
)
def test_a_documented_command_parses(page, words):
    command = group.get_command(click.Context(group), words[0])
    assert command is not None, f"{page.name}: there is no command {words[0]}"
    command.make_context(words[0], list(words[1:]))


def test_a_command_that_is_wrong_is_found():
    command = group.get_command(click.Context(group), "hessian")
    with pytest.raises(click.UsageError):
        command.make_context("hessian", ["net.pt", "--no-such-option"])


LONG = {"sharpness"}
"""Pages whose Python takes minutes whatever the number of samples."""


@pytest.mark.parametrize("most", [32, pytest.param(10**9, marks=pytest.mark.full)], ids=["few", "all"])
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.full] * (page.stem in LONG), id=page.stem) for page in PYTHON],
)
def test_the_python_of_a_page_runs(page, most, tmp_path, monkeypatch):
    take = Samples.take
    monkeypatch.setattr(Samples, "take", lambda self, count, **kw: take(self, min(count, most), **kw))
    monkeypatch.chdir(tmp_path)
    for name in ("gap", "gap-blur"):
        network = files("landscape.family").joinpath(f"{name}.safetensors")
        (tmp_path / f"{name}.safetensors").write_bytes(network.read_bytes())
    scope: dict = {}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), scope)


def headings(page: str) -> set[str]:
    return set(re.findall(r"^### (\S+)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE))


def test_every_figure_is_explained():
    missing = set(figures.FIGURES | figures.FURTHER) - headings("figures.md")
    assert not missing, f"docs/figures.md does not say how to read {', '.join(sorted(missing))}"


def test_the_images_of_the_docs_are_small():
    images = [path for path in (ROOT / "docs" / "images").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in images) < 2_000_000


def test_the_site_builds_without_a_warning(tmp_path):
    need("mkdocs", "docs")
    need("material", "docs")
    tool = shutil.which("mkdocs", path=str(Path(sys.executable).parent))
    if tool is None:
        missing("mkdocs is not installed beside this Python")
    outcome = subprocess.run(
        [tool, "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 20
    outside = re.compile(r'<(?:link|script|img)[^>]+(?:href|src)="https?://')
    assert not [page.name for page in pages if outside.search(page.read_text(encoding="utf-8"))]
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "assets/iframe-worker.js" in front, "the search does not work from files"
    assert (tmp_path / "site" / "search" / "search_index.js").stat().st_size > 10_000
    for name in catalogue.drawn():
        page = (tmp_path / "site" / "gallery" / f"{name}.html").read_text(encoding="utf-8")
        assert f'src="../images/gallery/{name}.webp"' in page
    assert (tmp_path / "site" / "five-pictures.html").read_text(encoding="utf-8").count('class="math"') > 15
    reference = (tmp_path / "site" / "api" / "hessian.html").read_text(encoding="utf-8")
    for name in ("probes.density", "probes.trace", "eigenvalues.top_eigenvalues"):
        assert f'id="landscape.hessian.{name}"' in reference
    literal = re.compile(r"<pre>.*?</pre>", re.DOTALL)  # help pages are quoted as the terminal shows them
    for each in (tmp_path / "site" / "api").glob("*.html"):  # as where words are taken for a type
        assert "`" not in literal.sub("", each.read_text(encoding="utf-8")), f"{each.name} shows raw markup"


def test_the_results_page_says_what_was_measured():
    """Run `python -m docs.results` after a change of the measured results, of claims or of the prose."""
    spec = importlib.util.spec_from_file_location("results_page", ROOT / "docs" / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    results, attended, tested = (family.measured(which) for which in ("family", "attention", "fair"))
    correlated = module.correlated_links(results)
    assert module.page(results, attended, tested, correlated) == module.PAGE.read_text(encoding="utf-8")
    assert {f"{name}.webp" for name in module.pictures(results, correlated)} == {
        path.name for path in module.PICTURES.iterdir()
    }
    assert {f"{name}.webp" for name in module.panels(attended)} == {
        path.name for path in module.ATTENDED.iterdir()
    }
    assert {f"{name}.webp" for name in module.fair.pictures(tested)} == {
        path.name for path in module.FAIR.iterdir()
    }
