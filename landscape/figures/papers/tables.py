"""The papers' tables with rows of measured networks (Park & Kim 2022a, Tables B.1, C.1, C.2 and E.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files

import pandas as pd
import xarray as xr

from landscape.comparison.identity import Results
from landscape.comparison.readings import BY_NAME, Kinds, train_nll
from landscape.comparison.seeds import members
from landscape.figures.papers import networks
from landscape.results import attribute
from landscape.results.estimate import Estimate

ABLATION: dict[str, tuple[str, int, str]] = {
    "no smoothing": ("none", 1, "0.848"),
    "ReLU∘tanh": ("tanh", 1, "0.838"),
    "ReLU6": ("relu6", 1, "0.844"),
    "scaling": ("scale", 1, "0.825"),
    "blur": ("none", 2, "0.806"),
    "blur ∘ ReLU∘tanh": ("tanh", 2, "0.801"),
    "blur ∘ ReLU6": ("relu6", 2, "0.805"),
    "blur ∘ scaling": ("scale", 2, "0.811"),
    "blur 3 × 3 ∘ ReLU∘tanh": ("tanh", 3, "0.822"),
    "blur 5 × 5 ∘ ReLU∘tanh": ("tanh", 5, "0.837"),
}
"""Rows of Table B.1: Prob, size of the blur, and the NLL of ResNet-18 with MC dropout on CIFAR-100."""


def published(number: str, record: networks.Record) -> tuple[str, dict[str, str]]:
    """What a table of the paper says of its network nearest to a measured one.

    Args:
        number: Which table, as in `Table C.1`.
        record: Of the measured network.

    Returns:
        The paper's network and its data, empty if there is nothing like it, and its numbers in words by label
        of the row, as the panels call them.
    """
    if number == "Table B.1":  # the paper has one network
        return "ResNet-18, CIFAR-100", {label: nll for label, (_, _, nll) in ABLATION.items()}
    family = "vgg" if record["config"]["architecture"] == "vgg" else "resnet"
    classes = str(record["config"].get("classes", 0))
    facts = _facts()
    own = facts[(facts.table == number.split()[1]) & (facts.family == family)]
    own = own[own.classes.isin(["", classes])]
    return next(iter(own.network), ""), dict(zip(own.row, own.numbers, strict=True))


@cache
def _facts() -> pd.DataFrame:
    """The rows of Tables C.1 (NLL on training images → NLL / accuracy / ECE), C.2 and E.1."""
    with files("landscape.figures.papers").joinpath("published.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False)


NEEDS = ("ensemble", "evaluation")
"""Results that a row can be read from."""
PAPER = "P1"
"""What the paper is called in the heading of its own numbers."""
SCORES = {
    "NLL": "NLL",
    "accuracy (%)": "accuracy",
    "ECE (%)": "calibration error",
    "ECE debiased (%)": "debiased calibration error",
}
"""Headings of the columns of numbers, and the readings they are of."""

Cell = str | Estimate | None


@dataclass(frozen=True)
class Table:
    """A table of a paper, of other networks.

    Attributes:
        columns: Headings; the first two are what the row is and which network.
        rows: One cell a column; None for what is not known.
        selection: Which network is which row.
        note: How to read it, in sentences.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    selection: networks.Selection
    note: str


@dataclass(frozen=True)
class Layout:
    """What a table of the paper holds.

    Attributes:
        wanted: Its rows.
        numbers: What the paper's own numbers are.
        train: Whether there is a column of the likelihood on training images.
    """

    wanted: list[networks.Wanted]
    numbers: str
    train: bool = False


def _has(prob: str, kernel: int, found: networks.Smoothing) -> bool:
    """Whether a smoothing is this Prob and this blur in the paper's placement."""
    return found == (prob, kernel, None)


LAYOUTS = {
    "Table B.1": Layout(
        [
            wanted
            for label, (prob, kernel, _) in ABLATION.items()
            for wanted in networks.trained_or_inserted(label, partial(_has, prob, kernel), NEEDS)
        ],
        "NLL",
    ),
    "Table C.1": Layout(networks.heads(NEEDS), "train NLL → NLL / accuracy / ECE", train=True),
    "Table C.2": Layout(networks.preactivations(NEEDS), "NLL / accuracy"),
    "Table E.1": Layout(networks.four(NEEDS), "NLL / accuracy / ECE"),
}


def table(number: str, results: Results) -> Table:
    """The rows of a table for which there are networks, with the paper's numbers beside them.

    A network that smoothing was inserted into after training has a row where none was trained with it.

    Args:
        number: One of `LAYOUTS`.
        results: As `landscape.comparison.renamed` gives them.
    """
    layout = LAYOUTS[number]
    alike = all(wanted.dropout == "on" for wanted in layout.wanted)
    selection = networks.trained_first(networks.select(results, layout.wanted, deterministic=alike))
    records = list(selection.records.values())
    paper, facts = published(number, records[0]) if records else ("", {})
    scored = {
        label: found
        for label, network in selection.found.items()
        if (found := predictions(results[network])) is not None
    }
    rows = []
    for label, dataset in scored.items():
        network = selection.found[label]
        train = (train_nll(results[network]),) if layout.train else ()
        scores = [score(dataset, name) for name in SCORES.values()]
        rows.append((label, network, str(averaged(dataset)), *train, *scores, facts.get(label)))
    of = f" ({paper})" if paper else ""
    train_column = ("train NLL",) if layout.train else ()
    columns = ("row", "network", "N", *train_column, *SCORES, f"{PAPER}{of}: {layout.numbers}")
    return Table(columns, tuple(rows), selection, _note(scored, layout))


def predictions(kinds: Kinds) -> xr.Dataset | None:
    """The largest ensemble there is, at its full size, else the evaluation; None without either."""
    return kinds["ensemble"].isel(size=-1) if "ensemble" in kinds else kinds.get("evaluation")


def averaged(dataset: xr.Dataset) -> int:
    """How many predictions were averaged."""
    if "size" in dataset.coords:
        return int(dataset["size"])
    return int(str(attribute(dataset, "protocol").get("dropout")).partition(":")[2] or 1)


def score(dataset: xr.Dataset, name: str) -> Estimate | None:
    """A reading as a table has it, shares in per cent."""
    reading = BY_NAME[name]
    found = reading.read(dataset)
    return found.times(100) if found and reading.percent else found


def _note(found: Mapping[str, xr.Dataset], layout: Layout) -> str:
    errors = dict.fromkeys(_over(dataset) for dataset in found.values())
    parts = [
        f"Intervals: ± two standard errors over {', '.join(errors)}." if errors else "",
        "N: predictions averaged, of MC dropout under so many masks.",
        "ECE: mean absolute difference between accuracy and confidence over bins of confidence; debiased: "
        "without the part that noise alone gives it, in brackets its 95 % interval.",
        "In the authors' own ECE predictions of confidence exactly 1 fall out of the sums; here they count."
        if "ECE" in layout.numbers
        else "",
        "Train NLL: on training images, one pass." if layout.train else "",
        _samples(found),
        f"{PAPER}: the numbers that Park & Kim (2022a) published, of other networks, data and training, so "
        "that their order alone compares with ours; with MC dropout N = 50.",
    ]
    return " ".join(filter(None, parts))


def _over(dataset: xr.Dataset) -> str:
    """What the standard errors are over."""
    seeds = members(dataset)
    return f"{len(seeds)} seeds" if seeds else "samples"


def _samples(found: Mapping[str, xr.Dataset]) -> str:
    """What was evaluated; by row where not all rows share it, and so do not compare."""
    rows: dict[str, list[str]] = {}
    for label, dataset in found.items():
        data = attribute(dataset, "protocol").get("data") or {}
        words = f"{data.get('samples') or 0:,} {data.get('split') or ''} samples of {data.get('source')}"
        known = " ".join(words.split()) if data.get("samples") else "samples that are not recorded"
        rows.setdefault(known, []).append(label)
    if len(rows) < 2:
        return f"Evaluated on {next(iter(rows))}." if rows else ""
    listed = "; ".join(f"{samples} ({', '.join(labels)})" for samples, labels in rows.items())
    return f"Rows of different samples do not compare: {listed}."
