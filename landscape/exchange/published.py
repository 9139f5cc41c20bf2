"""The loss-surface tables that Park & Kim published (xxxnell/spatial-smoothing, xxxnell/how-do-vits-work)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import ResultError
from landscape.exchange.layout import blank_protocol, extent, imported

AS_PUBLISHED = "as published"
"""Stands in the protocol for what the authors fixed and the table does not tell."""

_METRICS = (
    "nll",
    "cutoff",
    "cutoff_90",
    "accuracy",
    "accuracy_90",
    "uncertainty",
    "uncertainty_90",
    "iou",
    "iou_90",
    "confident",
    "confident_90",
    "top5",
    "brier",
    "ece",
)
COLUMNS = {
    16: ("x", "y", *_METRICS),
    19: ("x", "y", "paper_l1", "paper_l2", *_METRICS, "signed_ece"),
}
"""Names of the columns of a table, by their number; `_90` is over samples of confidence 0.9 or more."""

_LONG_NAMES = {
    "paper_l1": "Σ|w|",
    "paper_l2": "Σ‖w‖₂ over tensors, neither squared nor times the weight decay",
    "confident": "share of samples over the cutoff",
    "confident_90": "share of samples over the cutoff",
}
_LARGEST = 64 * 2**20  # bytes; the published ones have 0.1 MB


def read(path: str | Path) -> xr.Dataset:
    """A published table as a surface, with every column; infinity and NaN are kept as measured.

    The tables hold Σ‖w‖₂, from which ½·λ·‖w‖² cannot be told: `paper_l2` is theirs and `l2` is NaN.

    Args:
        path: A CSV file without a header: a square grid, x fastest, 16 or 19 columns.

    Raises:
        ResultError: If it is not such a table.
    """
    table = _numbers(path)
    columns = dict(zip(COLUMNS[table.shape[1]], table.T, strict=True))
    axes = _axes(columns.pop("x"), columns.pop("y"), path)
    shape = [len(place) for place in axes.values()]
    variables = {name: values.reshape(shape) for name, values in columns.items()}
    name, data = _names(path)
    source = "a table published by Park & Kim"
    protocol = _protocol(name, data, axes)
    dataset = imported(variables, axes, path=path, name=name, source=source, protocol=protocol)
    for variable, long_name in _LONG_NAMES.items():
        if variable in dataset:
            dataset[variable].attrs["long_name"] = long_name
    return dataset


def _numbers(path: str | Path) -> np.ndarray:
    place = Path(path)
    if not place.is_file():
        raise ResultError(f"no table at {path}")
    if not 0 < place.stat().st_size <= _LARGEST:
        raise ResultError(f"{path} has {place.stat().st_size} bytes: it is not a published table")
    try:
        table = np.loadtxt(place, delimiter=",", comments=None, ndmin=2, encoding="utf-8")
    except ValueError as error:
        raise ResultError(f"{path} is not a table of numbers: {error}") from error
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror or error}") from error
    if table.shape[1] not in COLUMNS:
        expected = " or ".join(map(str, COLUMNS))
        raise ResultError(f"{path} has {table.shape[1]} columns; published tables have {expected}")
    return table


def _axes(x: np.ndarray, y: np.ndarray, path: str | Path) -> dict[str, np.ndarray]:
    """Coordinates of the rows and columns, if every point of the grid is there in order."""
    width = max(1, int((y == y[0]).sum()))
    across, down = x[:width], y[::width]
    regular = np.array_equal(x, np.tile(across, len(down))) and np.array_equal(y, np.repeat(down, width))
    if regular and (np.diff(across) > 0).all() and (np.diff(down) > 0).all():
        return {"y": down, "x": across}
    raise ResultError(f"the {len(x)} rows of {path} are not a grid with x fastest: rows are missing or moved")


def _names(path: str | Path) -> tuple[str, str]:
    """Network and data set, from a name such as `cifar100_resnet_dnn_50_losslandscape.csv`."""
    stem = Path(path).stem.removesuffix("_losslandscape")
    data, _, network = stem.partition("_")
    return (network, data) if network and data.startswith("cifar") else (stem, AS_PUBLISHED)


def _protocol(name: str, data: str, axes: dict[str, np.ndarray]) -> dict[str, Any]:
    """What the papers and their code say of these tables: Park & Kim 2022a, appendix C.2."""
    protocol = blank_protocol(AS_PUBLISHED)
    protocol["data"] |= {"source": data, "split": "train"}
    return {
        **protocol,
        "loss": "nll",
        "batch_norm": "eval",
        "dropout": "fresh" if "mcdo" in name else "off",
        "options": {"norm": "paper", **extent(axes)},
    }
