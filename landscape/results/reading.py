"""What is read from a result: one record serves tables, verdicts, correlations and sentences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from landscape.results.estimate import Estimate, indexed

if TYPE_CHECKING:
    import xarray as xr

ERROR, ENDS = ("standard_error",), ("low", "high")
LOG, RATIO = "log", "ratio"

Read = Callable[["xr.Dataset"], Estimate | None]
"""From a dataset of one kind to the number; None where the dataset does not hold it."""


@dataclass(frozen=True)
class Reading:
    """A number that results of one kind hold.

    Attributes:
        name: What it is, in words.
        key: What it is called in `summary.csv` and JSON.
        kind: Kind of result it is read from.
        read: The number of a dataset; None where the dataset does not hold it.
        unit: Unit of the number; empty for pure numbers.
        items: What its items are, or its error is over, such as `samples`.
        lower: Verdict if a variant's is lower; empty for what is not compared.
        higher: Verdict if it is higher.
        block: Verdicts of one block are corrected for one another.
        tabled: What of its error stands in the summary beside it, `ERROR`, `ENDS` or nothing; None for what
            is not in the summary.
        heading: Of its column in the page's table; empty for none.
        meaning: Of that column, shown under the table.
        percent: Whether it is a share, printed in per cent.
        scale: In what changes are given where the unit does not say: `LOG`, of logarithms, as a factor;
            `RATIO` in per cent of the baseline, as without a unit.
        moves: Changes of the weights that leave the function as it is and under which, by its definition, it
            moves all the same; names of `landscape.results.invariance.CHANGES`.
        audited: What it is called in a result of kind sharpness, whose audit says how far; empty for none.
    """

    name: str
    key: str
    kind: str
    read: Read
    unit: str = ""
    items: str = "samples"
    lower: str = ""
    higher: str = ""
    block: str = ""
    tabled: tuple[str, ...] | None = None
    heading: str = ""
    meaning: str = ""
    percent: bool = False
    scale: str = ""
    moves: tuple[str, ...] = ()
    audited: str = ""

    @property
    def compared(self) -> bool:
        """Whether verdicts are given on it."""
        return bool(self.lower)


def stored(name: str) -> Read:
    """A stored number, with its `_standard_error`, `_low` and `_high` where they are stored.

    Of several, as of ensembles of several sizes, it is the first. None where it is absent or not finite.

    Args:
        name: Of the variable.
    """

    def read(dataset: xr.Dataset) -> Estimate | None:
        value, error, low, high = (
            _first(dataset, f"{name}{end}") for end in ("", "_standard_error", "_low", "_high")
        )
        return Estimate(value, error, low=low, high=high) if math.isfinite(value) else None

    return read


def per_item(name: str, dimension: str, mean: str = "") -> Read:
    """One value for each item: samples, mini-batches, directions.

    Args:
        name: Of the variable, of this dimension alone.
        dimension: Of the items; their labels are its coordinate, or their places.
        mean: Name of the stored mean; without one it is the mean of the items.
    """

    def read(dataset: xr.Dataset) -> Estimate | None:
        found = stored(mean)(dataset) if mean else None
        if name not in dataset:
            return found
        values = dataset[name].values.astype(float)
        found = found or Estimate(float(values.mean()))
        return replace(found, items=indexed(values, dataset[dimension].values))

    return read


def measured(name: str) -> Read:
    """One measure of a result of kind sharpness; None where it is absent or not finite.

    Args:
        name: Of the measure.
    """

    def read(dataset: xr.Dataset) -> Estimate | None:
        if name not in dataset["measure"].values:
            return None
        return stored("value")(dataset.sel(measure=[name]))

    return read


def _first(dataset: xr.Dataset, name: str) -> float:
    """The first value of a variable; NaN where it is absent or not finite."""
    value = float(np.ravel(dataset[name].values)[0]) if name in dataset else math.nan
    return value if math.isfinite(value) else math.nan
