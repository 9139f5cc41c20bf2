"""Tables of measures over a grid of networks, as Yang et al. (2021) published theirs: read and written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from landscape.errors import ResultError, ResultRequestError, printable
from landscape.exchange.layout import blank_protocol
from landscape.exchange.tables import read_texts
from landscape.files import atomic_path, sha256
from landscape.results import Check, provenance, stamp
from landscape.results.phases import ACCURACY, BESIDE, CELL, COUNTS, MEASURES, require_cells
from landscape.spreadsheet import guarded

_FIRST = "width"
"""Field that goes across where nobody says otherwise."""


def read(path: str | Path, *, x: str = "", y: str = "") -> xr.Dataset:
    """A table of cells as a result of kind `phase`: a header, then one row a cell.

    Columns that are neither measures that we know nor say how sure one is, are fields of the grid. What was
    not measured is empty, and what is not defined may say `nan`; nothing else may stand in for a number.

    Args:
        path: A CSV file with at least `test_acc` and two fields.
        x: The field that goes across; by default `width`, or the first one.
        y: The field that goes upward; by default the other one.

    Returns:
        Dimension `cell`: every column by its name.

    Raises:
        ResultError: If it is no such table, has a cell twice, or holds a number that its measure cannot have.
    """
    texts = read_texts(path, (ACCURACY,))
    first, second = _fields(list(texts), x, y, path)
    variables = {
        name: _column(name, each, path, field=name in (first, second)) for name, each in texts.items()
    }
    require_cells([variables[first], variables[second]], (first, second), path)
    dataset = xr.Dataset({name: (CELL, values, _about(name)) for name, values in variables.items()})
    origin = {"file": Path(path).name, "sha256": sha256(path), "format": "CSV of cells"}
    name = Path(path).stem
    return stamp(
        dataset,
        kind="phase",
        network={"name": name, "path": None, "sha256": None, "architecture": None, "parameters": None},
        protocol={**blank_protocol(), "options": {"x": first, "y": second}},
        provenance={**provenance(0.0), "imported": origin},
        checks=_checks(dataset, texts, origin["file"]),
    )


def _fields(names: Sequence[str], x: str, y: str, path: str | Path) -> tuple[str, str]:
    """The two fields, those asked for or the only two there are."""
    for asked in filter(None, (x, y)):
        if asked not in names:
            raise ResultRequestError(
                f"{path} has no column {printable(asked, 60)}; it has {printable(', '.join(names), 200)}"
            )
    if x and x == y:
        raise ResultRequestError(f"a map is over two fields, and --x and --y both name {printable(x, 60)}")
    if x and y:
        return x, y
    known = [*MEASURES, *COUNTS]
    free = [name for name in names if name not in known and not name.endswith(BESIDE)]
    if len(free) != 2 or (x or y or free[0]) not in free:
        said = printable(", ".join(free), 200) or "none"
        raise ResultRequestError(
            f"a map is over two fields, and {path} has {said} beside its measures: name two by --x and --y"
        )
    others = {free[0]: free[1], free[1]: free[0]}
    first = x or (others[y] if y else _FIRST if _FIRST in free else free[0])
    return first, others[first]


def _column(name: str, texts: Sequence[str], path: str | Path, *, field: bool) -> np.ndarray:
    """One column: numbers, or words of a field."""
    if field and not all(texts):
        raise ResultError(
            f"column {printable(name, 60)} of {path} is a field of the grid and has empty cells"
        )
    found = [_number(text) for text in texts]
    wrong = next((text for text, value in zip(texts, found, strict=True) if value is None), None)
    if wrong is None:
        values = np.array(found, dtype=float)
        _require_range(name, values, path)
        if not field or np.isfinite(values).all():
            return values
    elif field:
        return np.array(texts, dtype=object)
    raise ResultError(
        f"column {printable(name, 60)} of {path} holds {printable(repr(wrong or 'nan'), 60)} where a number "
        "is expected; what was not measured is left empty"
    )


def _number(text: str) -> float | None:
    """The number that a cell holds, NaN for an empty one; None for anything else."""
    if not text.strip():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isinf(value) else value


def _require_range(name: str, values: np.ndarray, path: str | Path) -> None:
    """Refuse a number that its measure cannot have."""
    if name not in MEASURES:
        return
    measure = MEASURES[name]
    beyond = values[(values < measure.low) | (values > measure.high)]
    if beyond.size:
        raise ResultError(
            f"column {name} of {path} holds {beyond[0]:g}, and a {measure.label} lies between "
            f"{measure.low:g} and {measure.high:g}"
        )


def _about(name: str) -> dict[str, str]:
    measure = MEASURES.get(name)
    if measure is None:
        return {}
    return {"long_name": measure.label} | ({"units": measure.unit} if measure.unit else {})


def _checks(dataset: xr.Dataset, texts: dict[str, Sequence[str]], file: str) -> list[Check]:
    """The trust report of numbers that others measured."""
    total = dataset.sizes[CELL]
    empty = {name: sum(not text.strip() for text in each) for name, each in texts.items()}
    undefined = {
        name: int(np.isnan(dataset[name].values).sum()) - empty[name]
        for name in texts
        if dataset[name].dtype.kind == "f"
    }
    said = [
        f"{name} {word} in {count} of {total}"
        for word, counts in (("empty", empty), ("not defined", undefined))
        for name, count in counts.items()
        if count
    ]
    told = f"Cells without a number: {'; '.join(said)}." if said else f"All {total} cells have all numbers."
    return [
        Check("imported", True, f"Read from {file}; nothing was measured here."),
        Check("cells", True, told),
    ]


def write(dataset: xr.Dataset, path: str | Path) -> Path:
    """The cells of a result as a table that `read` reads back, bit for bit; what has no number is empty.

    Args:
        dataset: A result of kind `phase`.
        path: Where it goes.

    Raises:
        ResultError: If it is of another kind.
    """
    if dataset.attrs.get("kind") != "phase":
        raise ResultError(f"expected a result of kind 'phase', received {dataset.attrs.get('kind')!r}")
    held = {str(name): each.values for name, each in dataset.data_vars.items() if each.dims == (CELL,)}
    frame = pd.DataFrame({guarded(name): _cells(values) for name, values in held.items()})
    with atomic_path(path) as draft:
        frame.to_csv(draft, index=False, na_rep="", lineterminator="\n")
    return Path(path)


def _cells(values: np.ndarray) -> np.ndarray:
    """Words as a spreadsheet takes for words."""
    return np.array(list(map(guarded, values)), dtype=object) if values.dtype.kind in "OU" else values
