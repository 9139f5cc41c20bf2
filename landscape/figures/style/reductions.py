"""Numbers read off saved results: what the figures annotate and the report tabulates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from landscape.numbers import plain_number
from landscape.results import attribute
from landscape.results.reading import stored


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
    found = stored(name)(dataset)
    if found is None:
        return None
    factor, unit = (100, " %") if percent else (1, "")
    text = plain_number(factor * found.value) + unit
    if found.interval:
        return f"{text} [{plain_number(factor * found.low)}, {plain_number(factor * found.high)}]"
    return f"{text} ± {plain_number(float(f'{2 * factor * found.error:.2g}'))}" if found.known else text


def eigenvalues(spectrum: xr.Dataset) -> np.ndarray:
    """All finite eigenvalues of a mini-batch spectrum, shape (N,)."""
    values = np.ravel(spectrum["eigenvalue"].values.astype(float))
    return values[np.isfinite(values)]


def not_converged(dataset: xr.Dataset) -> int:
    """Number of eigenvalues that did not converge."""
    return int(np.sum(~dataset["converged"].values.astype(bool))) if "converged" in dataset else 0


def smoothing(features: xr.Dataset) -> np.ndarray:
    """Mask of the smoothing layers, shape (layer,)."""
    return features["kind"].values.astype(str) == "smoothing"


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
