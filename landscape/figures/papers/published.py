"""Numbers of the papers' tables, as facts to be put beside measured ones (Park & Kim 2022a)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pandas as pd

from landscape.figures.papers.networks import Record

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


def published(number: str, record: Record) -> tuple[str, dict[str, str]]:
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
