"""Numbers read off saved results: what the figures annotate and the report tabulates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from landscape.figures.surface.grids import cells, first
from landscape.numbers import plain_number
from landscape.results import at_centre, attribute


def scalar(dataset: xr.Dataset, name: str) -> float | None:
    """A number stored in a result; None if it is absent or not finite."""
    if name not in dataset:
        return None
    value = float(dataset[name])
    return value if np.isfinite(value) else None


def estimate(dataset: xr.Dataset, name: str, *, percent: bool = False) -> str | None:
    """A stored number in words, with what is known of its error; None if there is no finite number.

    The error is the interval `[name_low, name_high]` where the result has one, else ± two `_standard_error`.

    Args:
        dataset: Any result.
        name: Name of the scalar.
        percent: Whether it is a share, to be written in per cent.
    """
    value, low, high, error = (
        scalar(dataset, name + end) for end in ("", "_low", "_high", "_standard_error")
    )
    if value is None:
        return None
    factor, unit = (100, " %") if percent else (1, "")
    text = plain_number(factor * value) + unit
    if low is not None and high is not None:
        return f"{text} [{plain_number(factor * low)}, {plain_number(factor * high)}]"
    if error is not None:
        return f"{text} ± {plain_number(float(f'{2 * factor * error:.2g}'))}"
    return text


def extremes(surface: xr.Dataset) -> dict[str, dict[str, float]]:
    """`minimum` and `maximum` of the finite NLL with their x and y; empty if no cell is finite."""
    grid = cells(surface)
    if not grid.finite.any():
        return {}
    found = {}
    for name, pick in (("minimum", np.nanargmin), ("maximum", np.nanargmax)):
        j, i = np.unravel_index(pick(grid.drawn()), grid.values.shape)
        found[name] = {"x": float(grid.x[i]), "y": float(grid.y[j]), "nll": float(grid.values[j, i])}
    return found


def centre_nll(surface: xr.Dataset) -> float | None:
    """NLL at the centre; None if the grid has none (`landscape.results.centre`) or it is not finite."""
    point = at_centre(surface)
    if point is None or ("done" in point and not bool(point["done"])):
        return None
    return scalar(point, "nll")


def border_rise(surface: xr.Dataset) -> dict[str, float]:
    """How much the NLL rises from the trained weights to the border of the grid.

    The mean over the finite cells of the outermost ring, minus the centre. Its standard error comes from the
    samples alone and is an upper bound: cells share their samples, so their errors are taken as fully
    correlated. It says nothing about other directions.

    Returns:
        `radius` (largest |x| or |y|), `rise`, `standard_error` where stored, `cells` of the ring, and how
        many of them are `not_finite` or not computed; empty without a finite centre and ring.
    """
    grid = cells(surface)
    centre, point = centre_nll(surface), at_centre(surface)
    ring = np.ones(grid.values.shape, dtype=bool)
    ring[1:-1, 1:-1] = False
    kept = ring & grid.finite
    if centre is None or point is None or not kept.any():
        return {}
    found: dict[str, float] = {
        "radius": float(max(np.abs(grid.x).max(), np.abs(grid.y).max())),
        "rise": float(grid.values[kept].mean() - centre),
        "cells": int(ring.sum()),
        "not_finite": int(ring.sum() - kept.sum()),
    }
    if "standard_error" in surface:
        errors = first(surface)["standard_error"].transpose("y", "x").values
        total = float(np.mean(errors[kept])) + float(point["standard_error"])
        if np.isfinite(total):
            found["standard_error"] = total
    return found


def eigenvalues(spectrum: xr.Dataset) -> np.ndarray:
    """All finite eigenvalues of a mini-batch spectrum, shape (N,)."""
    values = np.ravel(spectrum["eigenvalue"].values.astype(float))
    return values[np.isfinite(values)]


def not_converged(dataset: xr.Dataset) -> int:
    """Number of eigenvalues that did not converge."""
    return int(np.sum(~dataset["converged"].values.astype(bool))) if "converged" in dataset else 0


def batch_maximum(spectrum: xr.Dataset) -> tuple[float, float | None] | None:
    """Mean over mini-batches of the largest eigenvalue, and its standard error over them.

    Of several seeds (coordinate `seed`) it is the mean of their means, and the error is over seeds.

    Returns:
        None if no batch has a finite value; the standard error is None with fewer than two batches.
    """
    values = spectrum["eigenvalue"].transpose("batch", "rank").values.astype(float)
    values = np.where(np.isfinite(values), values, -np.inf).max(axis=1)
    finite = np.isfinite(values)
    if "seed" in spectrum.coords:
        seed = spectrum["seed"].values[finite].astype(str)
        values = np.array([values[finite][seed == each].mean() for each in dict.fromkeys(seed)])
    else:
        values = values[finite]
    if not values.size:
        return None
    error = float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else None
    return float(values.mean()), error


def blocks(features: xr.Dataset) -> np.ndarray:
    """Mask of the layers that are blocks (neither the stem nor a smoothing layer), shape (layer,)."""
    return features["kind"].values.astype(str) == "block"


def smoothing(features: xr.Dataset) -> np.ndarray:
    """Mask of the smoothing layers, shape (layer,)."""
    return features["kind"].values.astype(str) == "smoothing"


def smoothing_ratios(features: xr.Dataset, variable: str = "spatial_variance") -> tuple[np.ndarray, ...]:
    """What smoothing layers do to a variance: its value after each over that before it.

    Args:
        features: Result of kind `features`.
        variable: Which variance.

    Returns:
        Indices of the smoothing layers, the ratios, NaN where the variance before is not positive, and their
        standard errors by the delta method, with the covariance that follows from the error of the paired
        change where it is stored, else none. Each has shape (smoothing,).
    """
    values, errors, changes = (
        features[name].values.astype(float) if name in features else np.full(features.sizes["layer"], np.nan)
        for name in (variable, f"{variable}_standard_error", f"{variable}_change_standard_error")
    )
    after = np.flatnonzero(smoothing(features))
    after = after[after > 0]
    before = after - 1
    positive = np.where(values > 0, values, np.nan)
    ratios = values[after] / positive[before]
    covariance = (errors[after] ** 2 + errors[before] ** 2 - changes[after] ** 2) / 2
    covariance = np.where(np.isfinite(covariance), covariance, 0.0)
    variance = errors[after] ** 2 + (ratios * errors[before]) ** 2 - 2 * ratios * covariance
    return after, ratios, np.sqrt(np.maximum(variance, 0)) / positive[before]


def smoothing_ratio(features: xr.Dataset) -> float | None:
    """Geometric mean, over smoothing layers, of the spatial variance after one over that before it."""
    _, ratios, _ = smoothing_ratios(features)
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    return float(np.exp(np.log(ratios).mean())) if ratios.size else None


def stage_boundaries(features: Iterable[xr.Dataset]) -> list[float]:
    """Depths that separate consecutive stages in every network at once.

    A boundary that falls differently in different networks, so that no depth separates them all, is left out.
    """
    datasets = list(features)
    spans: dict[int, list[tuple[float, float]]] = {}
    for dataset in datasets:
        stage, depth = dataset["stage"].values, dataset["depth"].values.astype(float)
        for before, after in zip(np.unique(stage)[:-1], np.unique(stage)[1:], strict=True):
            span = float(depth[stage == before].max()), float(depth[stage == after].min())
            spans.setdefault(int(after), []).append(span)
    shared = [pairs for _, pairs in sorted(spans.items()) if len(pairs) == len(datasets)]
    common = [(max(a for a, _ in pairs), min(b for _, b in pairs)) for pairs in shared]
    return [(low + high) / 2 for low, high in common if low < high]


def option(dataset: xr.Dataset, name: str) -> Any:
    """An option of the analysis that made a result; None if it is not recorded."""
    return attribute(dataset, "protocol").get("options", {}).get(name)
