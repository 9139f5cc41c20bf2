"""What a result of kind `phase` holds: cells of a grid, the two fields it is over, and its measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landscape.errors import ResultError, ResultRequestError
from landscape.results.schema import attribute

ACCURACY = "test_acc"
CELL = "cell"
BESIDE = ("_low", "_high", "_sd")
"""Ends of names of columns that say how sure another one is."""
COUNTS = ("networks", "pairs")


@dataclass(frozen=True)
class Measure:
    """One measure of the networks of a cell.

    Attributes:
        name: Of its column, as in the tables of Yang et al. (2021).
        label: In words.
        unit: Empty for pure numbers.
        log: Whether it is drawn on a logarithmic scale, and its jumps are factors.
        centred: Whether zero is the middle of its scale.
        low: Least value it may have.
        high: Largest value it may have.
    """

    name: str
    label: str
    unit: str = ""
    log: bool = False
    centred: bool = False
    low: float = -np.inf
    high: float = np.inf

    @property
    def full(self) -> str:
        """Label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


_ROUNDED = 1 + 1e-6
MEASURES: dict[str, Measure] = {
    each.name: each
    for each in (
        Measure("train_nll", "training loss", "nats", log=True, low=0.0),
        Measure("lmax", "λmax", "nats", log=True),
        Measure("trace", "trace", "nats", log=True),
        Measure("mc_train_err", "connectivity", "points of error", centred=True, low=-100, high=100),
        Measure("cka_softmax", "CKA of softmax outputs", low=-_ROUNDED, high=_ROUNDED),
        Measure("dist", "distance", "ℓ2 norm", log=True, low=0.0),
        Measure(ACCURACY, "test accuracy", "%", low=0.0, high=100.0),
        Measure("mc_train_nll", "connectivity", "nats", centred=True),
        Measure("cka_logits", "CKA of logits", low=-_ROUNDED, high=_ROUNDED),
        Measure("train_acc", "training accuracy", "%", low=0.0, high=100.0),
        Measure("test_nll", "test loss", "nats", log=True, low=0.0),
    )
}
"""The measures there are, in the order in which they are drawn."""

DRAWN = tuple(MEASURES)[:7]
"""Measures that a map has panels for."""


def axes_of(dataset: xr.Dataset) -> tuple[str, str]:
    """Names of the two fields that the grid of a result is over, across and upward.

    Raises:
        ResultError: If the result does not say, or does not hold them.
    """
    options = attribute(dataset, "protocol").get("options") or {}
    x, y = (str(options.get(which)) for which in "xy")
    if x not in dataset or y not in dataset:
        raise ResultError(f"this result does not hold the fields of its grid, {x} and {y}: it is damaged")
    return x, y


def columns(dataset: xr.Dataset) -> list[str]:
    """Names of what was measured of each cell: numbers, without fields, ends of intervals and counts."""
    left_out = (*axes_of(dataset), *COUNTS)
    return [
        str(name)
        for name, held in dataset.data_vars.items()
        if held.dims == (CELL,)
        and held.dtype.kind in "fiu"
        and name not in left_out
        and not (str(name).endswith(BESIDE) and str(name).rpartition("_")[0] in dataset)
    ]


def ends_of(dataset: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Lower and upper ends of a measure by cell: its interval, or ± the standard deviation of a table.

    Returns:
        None where the result holds neither.
    """
    if f"{name}_low" in dataset and f"{name}_high" in dataset:
        return dataset[f"{name}_low"].values.astype(float), dataset[f"{name}_high"].values.astype(float)
    if f"{name}_sd" in dataset:
        values, spread = (dataset[each].values.astype(float) for each in (name, f"{name}_sd"))
        return values - spread, values + spread
    return None


@dataclass(frozen=True)
class Grid:
    """One measure over the grid.

    Attributes:
        x: Values of the first field in order, as words.
        y: Values of the second field in order, as words.
        values: Shape (Y, X); NaN where nothing was measured.
    """

    x: tuple[str, ...]
    y: tuple[str, ...]
    values: np.ndarray

    @property
    def missing(self) -> int:
        """Cells without a number."""
        return int((~np.isfinite(self.values)).sum())


def grid(dataset: xr.Dataset, name: str) -> Grid:
    """One measure over the grid of a result.

    Args:
        dataset: A result of kind `phase`.
        name: Of its column.

    Raises:
        ResultRequestError: If the result has no such column.
    """
    if name not in dataset or dataset[name].dims != (CELL,):
        raise ResultRequestError(f"this grid has no {name!r}; it has {', '.join(columns(dataset))}")
    sides = [_ordered(dataset[field].values) for field in axes_of(dataset)]
    values = np.full((len(sides[1][0]), len(sides[0][0])), np.nan)
    values[sides[1][1], sides[0][1]] = dataset[name].values.astype(float)
    return Grid(sides[0][0], sides[1][0], values)


def _ordered(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """The different values in order as words, and the place of each cell among them."""
    known, places = np.unique(values, return_inverse=True)
    return tuple(word(each) for each in known), places


def word(value: object) -> str:
    """A value of a field as it is written: whole numbers without a point."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return f"{value:g}" if number else str(value)


def require_cells(fields: Sequence[np.ndarray], names: Sequence[str], where: object) -> None:
    """Refuse a grid that has a cell twice.

    Args:
        fields: Values of the two fields, each of shape (cell,).
        names: Of the fields.
        where: The file or folder, for the message.

    Raises:
        ResultError: If two rows are of one cell.
    """
    seen: set[tuple[str, ...]] = set()
    for place in zip(*fields, strict=True):
        cell = tuple(map(word, place))
        if cell in seen:
            said = ", ".join(f"{name} {value}" for name, value in zip(names, cell, strict=True))
            raise ResultError(
                f"{where} has two rows with {said}: name the two fields that tell its rows apart with "
                "--x and --y"
            )
        seen.add(cell)
