"""What it costs to add an analysis: three source files and two tests, and no other file is edited.

The package is copied, the five files below are added, and the copy is asked, in processes of its own, for
everything that is then expected to know of the analysis. CONTRIBUTING.md walks through the same files.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FILES = {
    "landscape/results/kinds/jitter.py": '''
"""Kind of result of a made-up analysis."""

from landscape.results.kinds.record import Kind, Option
from landscape.results.reading import Reading, per_item

JITTER = Kind(
    "jitter",
    "How much the loss rises when every weight is jittered by a share of itself.",
    variables=("rise", "size"),
    recipe="landscape.analyses.jitter:jitter",
    chapter="surface",
    resumes=True,
    pooling="values",
    along="probe",
    split="train",
    options=(
        Option("probes", "Random perturbations.", 4, least=2),
        Option("share", "Standard deviation of a weight, as a share of itself.", 0.01, least=0.0),
    ),
    readings=(
        Reading(
            "rise of the NLL under jitter",
            key="jitter",
            kind="jitter",
            read=per_item("rise", "probe"),
            unit="nats",
            items="probes",
            lower="calmer",
            higher="touchier",
            block="jitter",
            tabled=(),
        ),
    ),
)
''',
    "landscape/analyses/jitter.py": '''
"""How much the loss rises when every weight is jittered."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from landscape.results.checks import finite
from landscape.analyses.stamping import stamped
from landscape.objective import Objective
from landscape.work import Item, Progress, Runner, in_memory, silent


def jitter(
    objective: Objective,
    *,
    probes: int = 4,
    share: float = 0.01,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Rise of the NLL under random perturbations, w ↦ w·(1 + share·ε) with ε from a standard normal.

    Args:
        objective: The loss.
        probes: How many perturbations.
        share: Standard deviation, as a share of each weight.
        progress: Shows the probes.
        run: Runs them; in memory by default.

    Returns:
        Dimension `probe`: `rise` in nats, and `size`, the norm of the perturbation.
    """
    options = {"probes": probes, "share": share, "seed": objective.seed}

    def compute(index: int) -> Item:
        draw = torch.Generator().manual_seed(objective.seed * probes + index)
        moved = {
            name: value * (1 + share * torch.randn(value.shape, generator=draw).to(value))
            for name, value in objective.parameters.items()
        }
        apart = sum(float(((moved[name] - value) ** 2).sum()) for name, value in objective.parameters.items())
        rise = objective.value(moved).nll - objective.value().nll
        return {"rise": np.array(rise), "size": np.array(apart**0.5)}

    def measure() -> xr.Dataset:
        items = (run or in_memory(progress))(probes, compute, "jitter")
        return xr.Dataset(
            {
                "rise": ("probe", np.array([float(item["rise"]) for item in items]), {"units": "nats"}),
                "size": ("probe", np.array([float(item["size"]) for item in items])),
            }
        )

    return stamped(
        "jitter", objective, options, measure, lambda found: [finite("losses", found.rise.values)]
    )
''',
    "landscape/figures/surface/jitter.py": '''
"""Rise of the loss under jitter, one point a probe."""

from __future__ import annotations

from matplotlib.figure import Figure

from landscape.figures.registry import Datasets, Looks, figure


def _caption(results: Datasets) -> str:
    count = sum(dataset.sizes["probe"] for dataset in results.values())
    return f"Rise of the NLL when every weight is jittered, over {count} probes."


@figure(kind="jitter", title="Loss under jitter", caption=_caption)
def jitter(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Rise of the loss against the size of a perturbation."""
    drawn = Figure(figsize=(width, 0.6 * width))
    axis = drawn.subplots()
    for name, dataset in networks.items():
        axis.plot(dataset["size"], dataset["rise"], "o", color=looks[name].colour, label=name)
    axis.set(xlabel="size of the perturbation", ylabel="rise of the NLL (nats)")
    axis.legend()
    return drawn
''',
    "tests/test_jitter_analysis.py": '''
"""The analysis against what it is defined as, and its resumption."""

import numpy as np
import torch
from torch import nn

import landscape as ls
from landscape.samples import Samples


def objective():
    torch.manual_seed(0)
    network = ls.Network(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), name="tiny")
    images = torch.rand(6, 3, 2, 2)
    return ls.Objective(network, Samples(images, torch.arange(6) % 3, source="made-up"))


def test_without_jitter_nothing_rises():
    assert np.all(ls.analyses.jitter(objective(), share=0.0).rise.values == 0)


def test_finished_probes_are_not_computed_again(tmp_path):
    def stopping(items, label="", total=None):
        for index, item in enumerate(items):
            if index == 2:
                raise KeyboardInterrupt
            yield item

    def counting(items, label="", total=None):
        left.append(total)
        return items

    left, options = [], {"probes": 5, "share": 0.1}
    try:
        ls.analyses.resumable("jitter", objective(), tmp_path / "j.zarr", progress=stopping, **options)
    except KeyboardInterrupt:
        pass
    found = ls.analyses.resumable("jitter", objective(), tmp_path / "j.zarr", progress=counting, **options)
    assert left == [3]
    assert found.rise.values.tolist() == ls.analyses.jitter(objective(), **options).rise.values.tolist()
''',
    "tests/test_jitter_figure.py": '''
"""The figure draws every probe."""

import xarray as xr

from landscape import figures
from landscape.results import stamp


def test_every_probe_is_a_point():
    probes = xr.Dataset({"rise": ("probe", [0.1, 0.2, 0.4]), "size": ("probe", [1.0, 1.1, 1.2])})
    result = stamp(probes, kind="jitter", network={"name": "a"}, protocol={}, provenance={})
    (line,) = figures.jitter(result).axes[0].lines
    assert line.get_ydata().tolist() == [0.1, 0.2, 0.4]
''',
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the package with the files of a new analysis, and two networks one factor apart."""
    from landscape.checkpoint import save
    from landscape.zoo import build, parse

    place = tmp_path_factory.mktemp("new")
    left_out = shutil.ignore_patterns("__pycache__", "*.safetensors", "measured.zip")
    shutil.copytree(ROOT / "landscape", place / "landscape", ignore=left_out)
    shutil.copytree(ROOT / "docs", place / "docs", ignore=shutil.ignore_patterns("images"))
    for name, text in FILES.items():
        path = place / name
        path.parent.mkdir(exist_ok=True)
        assert not path.exists()
        path.write_text(text.lstrip(), encoding="utf-8")
    for name, spec in {"plain": "cifar-resnet20:width=4", "blur": "cifar-resnet20:width=4,blur"}.items():
        save(place / f"{name}.safetensors", build(parse(spec)), config=parse(spec))
    return place


def called(copy: Path, *arguments: object) -> str:
    """What a Python process of the copy writes to stdout."""
    outcome = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def landscape(copy: Path, *arguments: object) -> str:
    """What the command line of the copy writes to stdout."""
    return called(copy, "-c", "from landscape.cli import main; main()", *arguments)


def test_its_command_is_in_the_help_without_torch(copy: Path):
    assert "  jitter  " in landscape(copy, "--help")
    code = (
        "import sys; from landscape.cli import main\n"
        "try: main(['jitter', '--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    shown = called(copy, "-c", code)
    assert shown.startswith("Usage: landscape jitter [OPTIONS] CKPT")
    for words in ("--probes", "--share", "Random perturbations.", "--samples", "default: train"):
        assert words in shown
    assert "jitter" in landscape(copy, "compare", "--help") or "KIND" in landscape(copy, "compare", "--help")


def test_it_is_measured_and_drawn(copy: Path):
    answer = landscape(
        copy, "jitter", "plain.safetensors", "--samples", "6", "--probes", "3", "--json", "--quiet"
    )
    found = json.loads(answer)
    assert found["command"] == "jitter"
    assert found["protocol"]["options"] == {"probes": 3, "share": 0.01, "seed": 0}
    landscape(copy, "plot", found["result"], "--out", "figures")
    assert (copy / "figures" / "jitter.pdf").stat().st_size > 0
    assert "over 3 probes" in (copy / "figures" / "jitter.txt").read_text(encoding="utf-8")


@pytest.mark.full  # measures and draws a whole comparison
def test_a_comparison_shows_it_on_its_page_and_judges_it(copy: Path):
    small = ("--samples", "6", "--predictions", "4", "--maps", "2", "--spectrum-batch", "3", "--steps", "3")
    sizes = ("--directions", "2", "--draws", "2", "--with", "jitter", "--out", "out", "--quiet", "--json")
    answer = json.loads(landscape(copy, "compare", "plain.safetensors", "blur.safetensors", *small, *sizes))
    assert "rise of the NLL under jitter" in {verdict["quantity"] for verdict in answer["verdicts"]}
    assert {"jitter"} <= set(answer["summary"][0])
    page = (copy / "out" / "index.html").read_text(encoding="utf-8")
    assert "Loss under jitter" in page
    headings = [page.index(f'id="{name}-title"') for name in ("surface", "jitter-figure", "hessian")]
    assert headings == sorted(headings)  # in the chapter that its record names
    judged = json.loads(landscape(copy, "verdicts", "out", "--json"))["verdicts"]
    assert "rise of the NLL under jitter" in {verdict["quantity"] for verdict in judged}


def test_seeds_are_pooled_as_its_record_says(copy: Path):
    code = (
        "import xarray as xr; from landscape.comparison.pooling import together\n"
        "probes = {'rise': ('probe', [0.1, 0.2]), 'size': ('probe', [1.0, 2.0])}\n"
        "one = xr.Dataset(probes, attrs={'kind': 'jitter'})\n"
        "found, how = together({'a': one, 'b': one})\n"
        "print(how, found.rise.values.tolist(), found.seed.values.tolist())"
    )
    assert called(copy, "-c", code) == "values [0.1, 0.2, 0.1, 0.2] ['a', 'a', 'b', 'b']\n"


def test_the_documentation_lists_it(copy: Path):
    code = (
        "import sys; sys.path.insert(0, 'docs'); import hooks\n"
        "from pathlib import Path\n"
        "for page in ('analyses', 'figures', 'results'):\n"
        "    print(page, 'jitter' in hooks.on_page_markdown(Path(f'docs/api/{page}.md').read_text()))"
    )
    assert called(copy, "-c", code) == "analyses True\nfigures True\nresults True\n"


def test_its_own_tests_pass(copy: Path):
    names = [name for name in FILES if name.startswith("tests/")]
    called(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *names)
