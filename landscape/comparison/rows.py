"""Results that are rows of single values, those of several seeds one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from landscape.intervals import student

SEED = "seed"
"""Coordinate along the rows: the name of the network that each is of."""

_QUANTILES = (0.025, 0.975)
Named = Mapping[str, xr.Dataset]


def joined(datasets: Named, dimension: str) -> xr.Dataset:
    """All variables along a dimension, those of the seeds one after the other, with the coordinate `SEED`.

    Args:
        datasets: Results of one kind, by seed.
        dimension: Of the items.
    """
    parts = list(datasets.values())
    columns = {
        name: xr.Variable.concat([part.variables[name] for part in parts], dimension)
        for name, variable in parts[0].data_vars.items()
        if dimension in variable.dims
    }
    coords = {name: value for name, value in parts[0].coords.items() if dimension not in value.dims}
    counts = [part.sizes[dimension] for part in parts]
    names = np.repeat(np.array(list(datasets), dtype=object), counts)
    return xr.Dataset(columns, coords=coords | {SEED: (dimension, names)})


def spectrum(datasets: Named, rows: xr.Dataset) -> xr.Dataset:
    """APE and NEP as means of those of each seed, with Student's interval.

    A bootstrap over all mini-batches would take those of one network for independent.

    Args:
        datasets: Results of kind `spectrum`, by seed.
        rows: The mini-batches of all seeds.
    """
    values = [dataset["eigenvalue"].values.astype(float) for dataset in datasets.values()]
    found = rows.assign_coords(batch=np.arange(rows.sizes["batch"]))
    found = found.assign(_statistic("ape", np.array([_mean_of_positive(each) for each in values])))
    found = found.assign(_statistic("nep", np.array([(each < 0).mean() for each in values])))
    for name in ("nep_low", "nep_high"):
        found[name] = found[name].clip(0, 1)  # a share
    return found.assign(_sums(datasets, ("products",)))


def flatness(datasets: Named, rows: xr.Dataset) -> xr.Dataset:
    """Means and intervals over seeds.

    `sharpness` is the mean of the seeds' maxima over their own directions, and `radius_at_rise_median` the
    median of all directions.

    Args:
        datasets: Results of kind `flatness`, by seed.
        rows: The directions of all seeds.
    """
    found = rows.assign_coords(quantile=np.array(_QUANTILES))
    for name in ("curvature", "rise"):
        means = np.stack([dataset[name].mean("repeat", skipna=False).values for dataset in datasets.values()])
        dims = tuple(dim for dim in found[name].dims if dim != "repeat")
        centre, _, low, high = student(means)
        found[f"{name}_mean"] = (dims, centre, found[name].attrs)
        found[f"{name}_interval"] = (("quantile", *dims), np.stack([low, high]), found[name].attrs)
    first = next(iter(datasets.values()))
    if "sharpness" in first:
        values = np.stack([dataset["sharpness"].values for dataset in datasets.values()])
        found["sharpness"] = (first["sharpness"].dims, values.mean(0), first["sharpness"].attrs)
    if "radius_at_rise" in found:
        reached = found["radius_at_rise"].values
        middle = float(np.median(np.where(np.isnan(reached), np.inf, reached)))
        found["radius_at_rise_median"] = ((), middle if np.isfinite(middle) else np.nan)
    return found.assign(_sums(datasets, ("not_finite", "not_reached")))


def _mean_of_positive(values: np.ndarray) -> float:
    positive = values[values > 0]
    return float(positive.mean()) if positive.size else np.nan


def _statistic(name: str, values: np.ndarray) -> dict[str, Any]:
    """A mean over seeds with its error and interval, as variables without dimensions."""
    ends = ("", "_standard_error", "_low", "_high")
    return {name + end: ((), float(number)) for end, number in zip(ends, student(values), strict=True)}


def _sums(datasets: Named, names: tuple[str, ...]) -> dict[str, Any]:
    first = next(iter(datasets.values()))
    return {
        name: (first[name].dims, sum(dataset[name].values for dataset in datasets.values()))
        for name in names
        if name in first
    }
