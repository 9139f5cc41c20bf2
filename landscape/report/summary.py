"""One row of numbers per network, from all its results, as files and as the page's table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from landscape.comparison.readings import READINGS, centre_nll
from landscape.errors import ResultError
from landscape.figures.captions import not_converged
from landscape.figures.surface.grids import cells, first, is_plane
from landscape.files import write_text
from landscape.numbers import PERCENT, percent, plus_minus
from landscape.results import at_centre, attribute, plain
from landscape.results.reading import ENDS, Reading
from landscape.spreadsheet import guarded

Results = Mapping[str, Mapping[str, xr.Dataset]]
"""Network name → kind of result → dataset."""
Row = dict[str, Any]

_FIRST = ("evaluation", "eigenvalues", "spectrum", "surface", "features")
"""Kinds whose numbers come first in a row."""
_ON_PAPER = 7
"""Columns that fit beside the names on a sheet of A4 or Letter, in letters that can be read."""


def summarise(results: Results) -> list[Row]:
    """One row per network; what was not measured has no key, and nothing is NaN.

    Keys, by the kind of result they come from, are those of `landscape.comparison.READINGS`, with what they
    say of their errors (`_standard_error`, or `_low` and `_high`), and:

    - any: `name`, `architecture`, `parameters`, `failed_checks` (messages); of networks merged by
      `landscape.comparison.pooled` also `seeds`, how many: means and standard errors are then over seeds,
      but for those of the surface, which is that of the seed `surface_of`.
    - eigenvalues: `largest_eigenvalue_residual`, `largest_eigenvalue_converged`; spectrum: `not_converged`.
    - surface: `minimum` and `maximum` {x, y, nll}, `not_finite`, and `border` {radius, rise, standard_error,
      cells, not_finite}, where `rise` is the mean NLL over the finite cells of the outermost ring of the grid
      minus the NLL of the centre.

    Raises:
        ResultError: If there are no results, or one is filed under another kind than its own.
    """
    if not results or not any(results.values()):
        raise ResultError("nothing to summarise: expected results by network and kind, received none")
    return [_row(name, kinds) for name, kinds in results.items()]


def write_summary(rows: Sequence[Row], folder: str | Path) -> tuple[Path, Path]:
    """Write `summary.csv` (nested keys joined by dots, failed checks as a count) and `summary.json`.

    Raises:
        LandscapeError: If the folder cannot be written.
    """
    flat = [flatten({**row, "failed_checks": len(row["failed_checks"])}) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    frame = pd.DataFrame(flat, columns=columns, dtype=object).map(guarded)
    table, document = Path(folder) / "summary.csv", Path(folder) / "summary.json"
    write_text(table, frame.to_csv(index=False, lineterminator="\n"))
    write_text(document, json.dumps(list(rows), indent=2, default=plain, ensure_ascii=False) + "\n")
    return table, document


def flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots: `minimum.x`."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        nested = isinstance(value, Mapping)
        flat |= flatten(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return flat


def _row(name: str, kinds: Mapping[str, xr.Dataset]) -> Row:
    row: Row = {"name": name}
    failed: list[str] = []
    for kind, dataset in kinds.items():
        if dataset.attrs.get("kind") != kind:
            raise ResultError(
                f"the result filed as {kind!r} of {name!r} is of kind {dataset.attrs.get('kind')!r}"
            )
        network = attribute(dataset, "network")
        row |= {key: network[key] for key in ("architecture", "parameters") if network.get(key)}
        if network.get("seeds"):
            row["seeds"] = max(row.get("seeds", 0), len(network["seeds"]))
        if kind == "surface" and dataset.attrs.get("pooling") == "first":
            row["surface_of"] = network["seeds"][0]["name"]
        failed += [check["message"] for check in attribute(dataset, "checks") if not check["passed"]]
    for kind in sorted(kinds, key=lambda kind: _FIRST.index(kind) if kind in _FIRST else len(_FIRST)):
        if kind != "surface" or is_plane(kinds[kind]):  # a line is drawn, and has no border to speak of
            row |= numbers_of(kind, kinds[kind])
    return row | {"failed_checks": failed}


def numbers_of(kind: str, dataset: xr.Dataset) -> Row:
    """What a result adds to a row: its readings, and more where a number with its error does not say all."""
    row: Row = {}
    for reading in READINGS:
        found = reading.read(dataset) if reading.kind == kind and reading.tabled is not None else None
        if found is not None and math.isfinite(found.value):
            parts = {"standard_error": found.error, "low": found.low, "high": found.high}
            row[reading.key] = found.value
            row |= {
                f"{reading.key}_{part}": parts[part]
                for part in reading.tabled or ()
                if math.isfinite(parts[part])
            }
    return row | (_MORE[kind](dataset) if kind in _MORE else {})


def _eigenvalues(dataset: xr.Dataset) -> Row:
    values = dataset["eigenvalue"].values.astype(float)
    if not np.isfinite(values).any():
        return {}
    largest = int(np.nanargmax(values))
    return {
        "largest_eigenvalue_residual": float(dataset["residual"].values[largest]),
        "largest_eigenvalue_converged": bool(dataset["converged"].values[largest]),
    }


def _surface(surface: xr.Dataset) -> Row:
    """Lowest and highest finite NLL, and how much it rises from the trained weights to the border.

    The standard error of the rise comes from the samples alone and is an upper bound: cells share their
    samples, so their errors are taken as fully correlated. It says nothing about other directions.
    """
    grid = cells(surface)
    row: Row = {}
    if grid.finite.any():
        for name, pick in (("minimum", np.nanargmin), ("maximum", np.nanargmax)):
            j, i = np.unravel_index(pick(grid.drawn()), grid.values.shape)
            row[name] = {"x": float(grid.x[i]), "y": float(grid.y[j]), "nll": float(grid.values[j, i])}
    centre, point = centre_nll(surface), at_centre(surface)
    ring = np.ones(grid.values.shape, dtype=bool)
    ring[1:-1, 1:-1] = False
    kept = ring & grid.finite
    if centre is not None and point is not None and kept.any():
        border: dict[str, float] = {
            "radius": float(max(np.abs(grid.x).max(), np.abs(grid.y).max())),
            "rise": float(grid.values[kept].mean() - centre.value),
            "cells": int(ring.sum()),
            "not_finite": int(ring.sum() - kept.sum()),
        }
        if "standard_error" in surface:
            errors = first(surface)["standard_error"].transpose("y", "x").values
            error = float(np.mean(errors[kept])) + centre.error
            border |= {"standard_error": error} if math.isfinite(error) else {}
        row["border"] = border
    return row | {"not_finite": grid.not_finite}


_MORE: dict[str, Callable[[xr.Dataset], Row]] = {
    "eigenvalues": _eigenvalues,
    "spectrum": lambda dataset: {"not_converged": not_converged(dataset)},
    "surface": _surface,
}


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


def _column(reading: Reading) -> Column:
    """The column of a reading."""
    key, written = reading.key, percent if reading.percent else plus_minus

    def cell(row: Row) -> str:
        text = written(row[key], row.get(f"{key}_standard_error"))
        if reading.tabled == ENDS and f"{key}_low" in row:
            text += f" [{', '.join(written(row[f'{key}_{end}'], None) for end in ENDS)}]"
        if row.get(f"{key}_converged") is False:
            text += " (not converged)"
        return text + (_of_one(row) if reading.kind == "surface" else "")

    return Column(key, reading.heading + (f",{PERCENT}" if reading.percent else ""), reading.meaning, cell)


def _rise(row: Row) -> str:
    border = row["border"]
    text = plus_minus(border["rise"], border.get("standard_error"))
    text += f" (without {border['not_finite']} cells)" if border["not_finite"] else ""
    return text + _of_one(row)


def _of_one(row: Row) -> str:
    """Said of the surface, where everything else in the row is a mean over seeds."""
    return " (one seed)" if "surface_of" in row else ""


_SEEDS = "networks trained with different seeds, whose mean is given; ± is over these"
_RISE = (
    "mean NLL over the finite cells of the outermost ring of the surface, minus its centre; the interval is "
    "an upper bound and covers the samples only"
)
_OTHERS = (
    Column("seeds", "Seeds", _SEEDS, lambda row: str(row["seeds"])),
    Column("parameters", "Parameters", "trainable parameters", lambda row: f"{row['parameters']:,}"),
    Column("border", "Rise to border", _RISE, _rise),
)
_ORDER = (
    *("seeds", "parameters", "nll", "accuracy", "top5", "ece", "ece_debiased", "brier", "largest_eigenvalue"),
    *(
        "batch_max_eigenvalue",
        "ape",
        "nep",
        "centre_nll",
        "border",
        "last_spatial_variance",
        "high_frequency",
    ),
)
"""Keys of the page's columns from the left; others follow."""
COLUMNS = sorted(
    (*_OTHERS, *(_column(reading) for reading in READINGS if reading.heading)),
    key=lambda column: _ORDER.index(column.key) if column.key in _ORDER else len(_ORDER),
)


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
