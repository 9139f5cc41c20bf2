"""How the results of several seeds become one, by kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape.comparison.rows import joined
from landscape.errors import ResultError
from landscape.intervals import student
from landscape.results import KINDS, plain
from landscape.results.kinds import imported

_ERROR = "_standard_error"
_ENDS = ("_low", "_high")
_FORM = ("depth", "frequency_pi", "radial_frequency_pi", "step_size", "components", "bin_lower", "bin_upper")
"""Numbers that are not measured: they are the same, or the results do not belong together."""
_DROPPED = ("log_probability",)
"""A mean of which is nothing that a network predicts."""

Reduce = Callable[[np.ndarray], Any]
_REDUCE: dict[str, Reduce] = {
    "converged": lambda values: values.all(0),
    "rank_certain": lambda values: values.all(0),
    "rank_risk": lambda values: values.max(0),
    "residual": lambda values: values.max(0),
    "error_bound": lambda values: values.max(0),
    "products": lambda values: values.sum(0),
    "correct": lambda values: values.astype(float).mean(0),
    "bin_count": lambda values: values.sum(0),
}
"""What is not averaged, and the share of seeds that are right on a sample."""


def together(datasets: Mapping[str, xr.Dataset]) -> tuple[xr.Dataset, str]:
    """One result from those of several seeds, and how, as the record of their kind says.

    Args:
        datasets: Of one kind, by seed.

    Returns:
        The result, with the attributes in which all agree and the first one's protocol, and the word:
        `values`, `mean` or `first`.

    Raises:
        ResultError: If they do not have the same form.
    """
    parts = list(datasets.values())
    kind = str(parts[0].attrs.get("kind"))
    if any(each.attrs.get("kind") != kind for each in parts):
        raise ResultError("they are of different kinds")
    record = KINDS.get(kind)
    if len(parts) == 1 or record is None or record.pooling == "first":
        return parts[0].copy(), "first"
    _require_one_form(parts, record.along)
    if record.pooling == "mean":
        dataset = mean(parts)
    else:
        dataset = joined(datasets, record.along)
        if record.statistics:
            dataset = imported(record.statistics)(datasets, dataset)
    dataset.attrs = _attributes(parts)
    return dataset, record.pooling


def mean(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """The mean over seeds of every variable, with standard errors over seeds.

    `X_standard_error` becomes sd/√n of X over n seeds, `X_low` and `X_high` the ends of Student's interval,
    and `X_change_standard_error` the error of the change of X from the layer before. Counts of bins are
    added, and what is known of a bin is weighted by them. What is not finite for one seed is not finite in
    the mean.

    Args:
        parts: Of one form.

    Raises:
        ResultError: If something that is not measured differs, such as the depth of layers.
    """
    first = parts[0]
    found = {}
    for name in map(str, first.data_vars):
        if name.endswith(_ERROR):
            values = _error(name, parts)
        else:
            values = _end(name, parts) if name.endswith(_ENDS) else _value(name, parts)
        if values is not None:
            about = first[name].attrs
            if name.endswith(_ERROR):
                about = about | {"over": f"{len(parts)} seeds"}
            found[name] = (first[name].dims, values, about)
    return xr.Dataset(found, coords=first.coords)


def _value(name: str, parts: Sequence[xr.Dataset]) -> np.ndarray | None:
    """One variable of the mean; None for what has none."""
    if name in _DROPPED:
        return None
    values = _stack(name, parts)
    if name in _REDUCE:
        return np.asarray(_REDUCE[name](values))
    if name.startswith("bin_") and name not in _FORM:
        return _weighted(values, _stack("bin_count", parts))
    if all(_same(values[0], each) for each in values[1:]):
        return values[0]
    if values.dtype.kind != "f" or name in _FORM:
        raise ResultError(f"{name!r} is not the same")
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN, and stays so
        return np.asarray(values.mean(0, dtype=float))


def _error(name: str, parts: Sequence[xr.Dataset]) -> np.ndarray | None:
    """A standard error over seeds; None if what it is of is not there."""
    of = name.removesuffix(_ERROR)
    changed = of.removesuffix("_change")
    if of in parts[0]:
        values = _stack(of, parts).astype(float)
    elif changed in parts[0] and "layer" in parts[0][changed].dims:
        axis = 1 + parts[0][changed].dims.index("layer")
        before = np.roll(_stack(changed, parts).astype(float), 1, axis)
        before[(slice(None),) * axis + (0,)] = np.nan
        values = _stack(changed, parts) - before
    else:
        return None
    if of.startswith("bin_"):  # seeds without a prediction in a bin say nothing of it
        count = np.isfinite(values).sum(0)
        deviation = np.nansum((values - _average(values)) ** 2, 0)
        return np.sqrt(deviation / np.where(count > 1, (count - 1.0) * count, np.nan))
    return student(values)[1]


def _end(name: str, parts: Sequence[xr.Dataset]) -> np.ndarray | None:
    """An end of Student's interval over seeds; None if what it is of is not there."""
    of, _, end = name.rpartition("_")
    if of not in parts[0]:
        return None
    _, _, low, high = student(_stack(of, parts).astype(float))
    return low if end == "low" else high


def _weighted(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over seeds, weighted by how many predictions each has in a bin; NaN in empty ones."""
    weights = np.where(np.isfinite(values), counts, 0)
    total = weights.sum(0)
    return np.nansum(weights * values, 0) / np.where(total > 0, total, np.nan)


def _average(values: np.ndarray) -> np.ndarray:
    """Mean over the seeds that have a value; NaN where none has."""
    return _weighted(values, np.ones_like(values))


def _stack(name: str, parts: Sequence[xr.Dataset]) -> np.ndarray:
    """A variable of every seed, shape (seed, …)."""
    return np.stack([part[name].transpose(*parts[0][name].dims).values for part in parts])


def _same(first: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.array_equal(first, other, equal_nan=first.dtype.kind == "f"))


def _require_one_form(parts: Sequence[xr.Dataset], dimension: str) -> None:
    """Raise unless variables, dimensions and coordinates agree, but for those along one dimension."""
    first, *others = parts
    for other in others:
        apart = sorted({str(name) for name in set(first.variables) ^ set(other.variables)})
        if apart:
            raise ResultError(f"not all of them have {', '.join(map(repr, apart))}")
        for name in map(str, first.variables):
            if set(first[name].dims) != set(other[name].dims):
                raise ResultError(f"the dimensions of {name!r} are not the same")
        sizes = [dim for dim, size in first.sizes.items() if dim != dimension and other.sizes[dim] != size]
        if sizes:
            raise ResultError(f"the lengths of {', '.join(map(repr, sizes))} are not the same")
        for name in map(str, first.coords):
            kept = dimension not in first[name].dims
            if kept and not _same(first[name].values, other[name].transpose(*first[name].dims).values):
                raise ResultError(f"{name!r} is not the same")


def _attributes(parts: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Those in which all agree, the first one's protocol, and means of those that have a standard error."""
    first = parts[0].attrs
    found = {
        name: value
        for name, value in first.items()
        if name == "protocol" or len({json.dumps(part.attrs.get(name), default=plain) for part in parts}) == 1
    }
    for name in [name for name in first if f"{name}{_ERROR}" in first]:
        value, error, _, _ = student(np.array([part.attrs.get(name, np.nan) for part in parts], float))
        found |= {name: float(value), f"{name}{_ERROR}": float(error)}
    return found
