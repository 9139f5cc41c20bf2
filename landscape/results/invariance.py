"""Whether a measure of sharpness moves when weights change and the function does not, as an audit found."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from landscape.numbers import number

CHANGES = {
    "filter_scale": "filters scaled behind BatchNorm",
    "relu_rescale": "layers rescaled across ReLU",
    "permute": "units permuted",
    "fold_batchnorm": "BatchNorm folded",
    "split_unit": "a unit split in two",
}
"""The changes of an audit, in words."""

NOTICED = 0.05
"""Share of itself by which a measure has to change before it counts as moved."""
_ERRORS = 3.0


def moves(ratio: float, error: float = math.nan) -> bool:
    """Whether a ratio is none of the same function: more than 5 %, and three standard errors, from 1.

    Args:
        ratio: Of an audit.
        error: Its standard error; NaN where it is not known.
    """
    if math.isnan(ratio):
        return False
    apart = abs(ratio - 1)
    return apart > NOTICED and not (math.isfinite(error) and apart <= _ERRORS * error)


def furthest(dataset: xr.Dataset, measure: str) -> tuple[str, float] | None:
    """The change under which a measure moves most, and its ratio; None if it does not, or nothing is known.

    Args:
        dataset: A result of kind sharpness.
        measure: Name of the measure.
    """
    if "ratio" not in dataset or measure not in dataset["measure"].values:
        return None
    row = dataset.sel(measure=measure)
    pairs = zip(row["change"].values, row["ratio"].values, row["ratio_standard_error"].values, strict=True)
    moved = {str(name): float(ratio) for name, ratio, error in pairs if moves(float(ratio), float(error))}
    if not moved:
        return None
    name = max(moved, key=lambda each: abs(_log(moved[each])))
    return name, moved[name]


def known(dataset: xr.Dataset, measure: str) -> bool:
    """Whether an audit says anything of a measure."""
    if "ratio" not in dataset or measure not in dataset["measure"].values:
        return False
    return bool(np.isfinite(dataset["ratio"].sel(measure=measure).values).any())


def factor(ratio: float) -> str:
    """A ratio as it is written: `×37`, `×0.25`."""
    return f"×{number(ratio, 2)}"


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio > 0 else math.inf
