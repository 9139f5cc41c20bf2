"""The summary as a table of printed cells: only columns that some network has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from landscape.report.numbers import PERCENT, number, percent, plus_minus
from landscape.report.summary import Row

_ON_PAPER = 7
"""Columns that fit beside the names on a sheet of A4 or Letter, in letters that can be read."""


@dataclass(frozen=True)
class Column:
    """One column of the page's table.

    Attributes:
        key: The key of a row without which its cell is empty.
        title: Heading.
        meaning: What it is, shown under the table.
        cell: From a row that has the key to what is printed.
    """

    key: str
    title: str
    meaning: str
    cell: Callable[[Row], str]


def _estimate(key: str) -> Callable[[Row], str]:
    return lambda row: plus_minus(row[key], row.get(f"{key}_standard_error"))


def _share(key: str) -> Callable[[Row], str]:
    return lambda row: percent(row[key], row.get(f"{key}_standard_error"))


def _debiased(row: Row) -> str:
    text = percent(row["ece_debiased"])
    if "ece_debiased_low" not in row:
        return text
    low, high = (percent(row[f"ece_debiased_{end}"]) for end in ("low", "high"))
    return f"{text} [{low}, {high}]"


def _rise(row: Row) -> str:
    border = row["border"]
    text = plus_minus(border["rise"], border.get("standard_error"))
    text += f" (without {border['not_finite']} cells)" if border["not_finite"] else ""
    return text + _of_one(row)


def _of_one(row: Row) -> str:
    """Said of the surface, where everything else in the row is a mean over seeds."""
    return " (one seed)" if "surface_of" in row else ""


COLUMNS = (
    Column("seeds", "Seeds", "networks trained with different seeds, whose mean is given; ± is over these",
           lambda row: str(row["seeds"])),
    Column("parameters", "Parameters", "trainable parameters", lambda row: f"{row['parameters']:,}"),
    Column("nll", "NLL", "mean negative log-likelihood", _estimate("nll")),
    Column("accuracy", "Accuracy," + PERCENT, "share of samples classified correctly", _share("accuracy")),
    Column(
        "top5",
        "Top\N{NON-BREAKING HYPHEN}5," + PERCENT,
        "share of samples whose class is among the five most likely",
        _share("top5"),
    ),
    Column("ece", "ECE," + PERCENT, "expected calibration error", _share("ece")),
    Column(
        "ece_debiased",
        "ECE debiased," + PERCENT,
        "ECE without the part that noise alone gives it, with its 95 % interval; it may come out below zero "
        "where predictions are calibrated",
        _debiased,
    ),
    Column("brier", "Brier", "mean squared error of the predicted probabilities", _estimate("brier")),
    Column(
        "largest_eigenvalue",
        "λ\N{NO-BREAK SPACE}max",
        "largest Hessian eigenvalue over all samples",
        lambda row: number(row["largest_eigenvalue"])
        + ("" if row["largest_eigenvalue_converged"] else " (not converged)"),
    ),
    Column(
        "batch_max_eigenvalue",
        "Batch λ\N{NO-BREAK SPACE}max",
        "mean over mini-batches of the largest Hessian eigenvalue of each",
        _estimate("batch_max_eigenvalue"),
    ),
    Column("ape", "APE", "mean of the positive mini-batch eigenvalues", _estimate("ape")),
    Column("nep", "NEP," + PERCENT, "share of negative mini-batch eigenvalues", _share("nep")),
    Column("centre_nll", "NLL at centre", "NLL of the trained weights on the samples of the surface",
           lambda row: number(row["centre_nll"]) + _of_one(row)),
    Column(
        "border",
        "Rise to border",
        "mean NLL over the finite cells of the outermost ring of the surface, minus its centre; the interval "
        "is an upper bound and covers the samples only",
        _rise,
    ),
    Column(
        "last_spatial_variance",
        "Last variance",
        "spatial variance of the feature maps of the last layer",
        _estimate("last_spatial_variance"),
    ),
    Column(
        "high_frequency",
        "High frequency",
        "Δ log amplitude of the last block at its highest frequency",
        _estimate("high_frequency"),
    ),
)  # fmt: skip


def table(rows: Sequence[Row]) -> tuple[list[Column], list[tuple[str, list[str]]]]:
    """The columns in use, and for each network its name and one printed cell a column (`–` for none)."""
    used = [column for column in COLUMNS if any(column.key in row for row in rows)]
    body = [
        (row["name"], [column.cell(row) if column.key in row else "–" for column in used]) for row in rows
    ]
    return used, body


def sheets(columns: int) -> list[slice]:
    """Which columns stand in which of the tables that a wide one is cut into on paper, about equally many."""
    count = -(-columns // _ON_PAPER)
    ends = [columns * place // count for place in range(count + 1)] if count else []
    return [slice(start, end) for start, end in pairwise(ends)]
