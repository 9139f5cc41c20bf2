"""CSV and NPZ: a surface for spreadsheets, R, gnuplot and plain NumPy, bit-exact both ways."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from landscape.errors import ResultError, printable
from landscape.exchange.layout import blank_protocol, extent, imported, require_surface
from landscape.files import atomic_path
from landscape.results import plain
from landscape.results.members import Archive, opened
from landscape.results.schema import FORMAT, require_format
from landscape.results.store import checked
from landscape.spreadsheet import guarded, unguarded

METADATA = "_landscape"
"""The member of an NPZ file that holds dimensions and attributes, as JSON."""

_AXES = ("repeat", "y", "x")
_SCALARS = ("x_norm", "y_norm")
_MOST = 2**26  # bytes of a CSV file
_MOST_COLUMNS = 1000
_MOST_CELLS = 2_000_000


def write_csv(dataset: xr.Dataset, path: str | Path) -> Path:
    """One row a point, x fastest: its coordinates, then every variable on the grid, single numbers repeated.

    Numbers are written so that they read back bit for bit (`repr`), with `nan` and `inf` as such. Protocol
    and provenance have no place in a CSV file; NPZ keeps them.

    Args:
        dataset: A surface.
        path: Where it goes.
    """
    grid = require_surface(dataset)["nll"]
    axes = [str(name) for name in reversed(grid.dims)]
    names = [
        str(name)
        for name, variable in dataset.data_vars.items()
        if set(variable.dims) <= set(grid.dims) and variable.dtype.kind in "fiub"
    ]
    frame = pd.DataFrame({guarded(name): _column(dataset[name], grid) for name in (*axes, *names)})
    with atomic_path(path) as draft:
        frame.to_csv(draft, index=False, na_rep="nan", lineterminator="\n")
    return Path(path)


def _column(variable: xr.DataArray, grid: xr.DataArray) -> np.ndarray:
    """One value a point, x fastest; floats in double precision, in which they are written exactly."""
    values = variable.broadcast_like(grid).transpose(*grid.dims).values.ravel()
    return values.astype(float) if values.dtype.kind == "f" else values


def has_header(path: str | Path) -> bool:
    """Whether a CSV file starts with names, as ours do, and not with numbers; False for no file."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as stream:
            first = stream.readline(1000).split(",")[0]
    except OSError:
        return False
    try:
        float(first)
    except ValueError:
        return bool(first.strip())
    return False


def read_csv(path: str | Path) -> xr.Dataset:
    """A surface that `write_csv` wrote; its protocol is unknown.

    Raises:
        ResultError: If it is no such table, or its axes are not finite or do not ascend.
    """
    columns = _columns(path)
    dims = [name for name in _AXES if name in columns]
    axes = {name: np.array(list(dict.fromkeys(columns[name].tolist()))) for name in dims}
    if math.prod(map(len, axes.values())) != len(columns["x"]):
        raise ResultError(f"the rows of {path} are not a grid with x fastest: rows are missing or moved")
    grid = np.meshgrid(*axes.values(), indexing="ij")
    for name, expected in zip(dims, grid, strict=True):
        if not np.array_equal(columns.pop(name), expected.ravel()):
            raise ResultError(f"the rows of {path} are not a grid with x fastest: rows are missing or moved")
    variables = {name: values.reshape(grid[0].shape) for name, values in columns.items()}
    for name in _SCALARS:
        if name in columns and len(set(map(repr, columns[name].tolist()))) == 1:
            variables[name] = columns[name][0]
    protocol = blank_protocol()
    protocol["options"] |= extent({name: axes[name] for name in dims if name != "repeat"})
    return imported(variables, axes, path=path, name=Path(path).stem, source="CSV", protocol=protocol)


def _columns(path: str | Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file by name."""
    return {name: _typed(name, texts, path) for name, texts in read_texts(path, ("x", "nll")).items()}


def read_texts(path: str | Path, required: Sequence[str]) -> dict[str, Sequence[str]]:
    """The columns of a CSV file with a header, as they were written, by name.

    Args:
        path: A file of up to 64 MiB.
        required: Columns that have to be there.

    Raises:
        ResultError: If it is no such table, or too large.
    """
    if not Path(path).is_file():
        raise ResultError(f"no table at {path}")
    if Path(path).stat().st_size > _MOST:
        raise ResultError(f"{path} is larger than {_MOST // 2**20} MiB: write it as .npz")
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            header = [unguarded(name) for name in next(lines, [])]
            rows = list(islice(lines, _MOST_CELLS // max(len(header), 1) + 1))
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise ResultError(f"{path} is not a table: {printable(error)}") from error
    missing = [name for name in required if name not in header]
    if missing:
        found = printable(", ".join(header), 200)
        raise ResultError(f"{path} has no column {', '.join(missing)}; it has {found}")
    if len(header) > _MOST_COLUMNS or len(rows) * len(header) > _MOST_CELLS:
        raise ResultError(
            f"{path} has {len(header):,} columns and {len(rows):,} rows or more, and tables of up to "
            f"{_MOST_COLUMNS:,} columns and {_MOST_CELLS:,} numbers are read: write it as .npz"
        )
    if not rows:
        raise ResultError(f"{path} has names and no rows")
    if len(set(header)) < len(header):
        raise ResultError(f"{path} has {len(header)} columns, and one name twice")
    if set(map(len, rows)) != {len(header)}:
        raise ResultError(f"{path} is not a table: rows are shorter or longer than the first")
    return dict(zip(header, zip(*rows, strict=True), strict=True))


def _typed(name: str, texts: Sequence[str], path: str | Path) -> np.ndarray:
    """Whole numbers, truth values or floats, as they were written; coordinates and NLL are floats."""
    real = name in ("x", "y", "nll")
    if not real and texts[0] in ("True", "False") and set(texts) <= {"True", "False"}:
        return np.array(texts) == "True"
    if not real:
        with suppress(ValueError, OverflowError):  # then they are floats
            return np.array(list(map(int, texts)), dtype=np.int64)
    try:
        values = np.array(list(map(float, texts)))
    except ValueError as error:
        raise ResultError(
            f"column {printable(name, 60)} of {path} holds no numbers: {printable(error, 100)}"
        ) from error
    beyond = [
        texts[place]
        for place in np.flatnonzero(np.isinf(values)).tolist()
        if "inf" not in texts[place].lower()
    ]
    if beyond:
        raise ResultError(
            f"column {printable(name, 60)} of {path} holds a number beyond the range of floats: "
            f"{printable(beyond[0], 40)}"
        )
    return values


def write_npz(dataset: xr.Dataset, path: str | Path) -> Path:
    """One array a variable, by its name, and all the rest as JSON; `np.load` reads it, without pickle.

    Args:
        dataset: A surface; every variable is written, whatever its dimensions.
        path: Where it goes.
    """
    arrays: dict[str, np.ndarray] = {}
    described: dict[str, Any] = {}
    for key, variable in require_surface(dataset).variables.items():
        name, values = str(key), variable.values
        arrays[name] = values.astype(str) if values.dtype.kind in "OT" else values  # words, not pickles
        described[name] = {"dims": variable.dims, "attributes": variable.attrs}
    content = {
        "variables": described,
        "coordinates": [str(name) for name in dataset.coords],
        "attributes": dataset.attrs,
        "format_version": FORMAT,
    }
    arrays[METADATA] = np.array(json.dumps(content, default=plain))
    with atomic_path(path) as draft, open(draft, "wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    return Path(path)


def read_npz(path: str | Path) -> xr.Dataset:
    """A surface that `write_npz` wrote, exactly as it was.

    Raises:
        ResultError: If it is no such file, or damaged.
    """
    with opened(path, "an NPZ result") as archive:
        dataset = _assembled(archive, path)
    return require_surface(checked(dataset, str(path), Path(path).stem))


def _assembled(archive: Archive, path: str | Path) -> xr.Dataset:
    if f"{METADATA}.npy" not in archive.names:
        raise ResultError(f"{path} holds no {METADATA}: it was not written by landscape")
    content = json.loads(str(archive.array(f"{METADATA}.npy")))
    require_format(content, path)
    variables = {
        name: (tuple(each["dims"]), archive.array(f"{name}.npy"), each["attributes"])
        for name, each in content["variables"].items()
    }
    coordinates = {name: variables.pop(name) for name in content["coordinates"]}
    return xr.Dataset(variables, coords=coordinates, attrs=content["attributes"])
