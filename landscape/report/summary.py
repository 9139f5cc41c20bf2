"""One row of numbers per network, from all its results."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landscape.comparison.scores import debiased_ece
from landscape.errors import ResultError
from landscape.figures.style.reductions import (
    batch_maximum,
    blocks,
    border_rise,
    cells,
    centre_nll,
    extremes,
    not_converged,
    scalar,
    smoothing_ratio,
)
from landscape.figures.surface.grids import is_plane
from landscape.files import write_text
from landscape.results import attribute, plain

Results = Mapping[str, Mapping[str, xr.Dataset]]
"""Network name → kind of result → dataset."""
Row = dict[str, Any]


def summarise(results: Results) -> list[Row]:
    """One row per network; what was not measured has no key, and nothing is NaN.

    Keys, by the kind of result they come from:

    - any: `name`, `architecture`, `parameters`, `failed_checks` (messages); of networks merged by
      `landscape.comparison.pooled` also `seeds`, how many: means and standard errors are then over seeds,
      but for those of the surface, which is that of the seed `surface_of`.
    - evaluation: `nll`, `accuracy`, `brier` (each with `_standard_error`), `ece`, `ece_debiased` (with
      the ends of its interval, `_low` and `_high`), `top5`.
    - eigenvalues: `largest_eigenvalue`, `largest_eigenvalue_residual`, `largest_eigenvalue_converged`.
    - spectrum: `batch_max_eigenvalue` (mean over mini-batches of the largest eigenvalue) and its
      `_standard_error` over mini-batches or seeds, `ape` and its `_standard_error`, `nep` (of several
      seeds with its `_standard_error`), `not_converged`.
    - surface: `centre_nll`, `minimum` and `maximum` {x, y, nll}, `not_finite`, and `border` {radius, rise,
      standard_error, cells, not_finite}, where `rise` is the mean NLL over the finite cells of the outermost
      ring of the grid minus the NLL of the centre.
    - features: `last_spatial_variance` and its `_standard_error`, `mean_spatial_variance`, `smoothing_ratio`
      (geometric mean of the spatial variance after over before a smoothing layer), `high_frequency` (Δ log
      amplitude at the highest frequency of the last block) and its `_standard_error`.

    Raises:
        ResultError: If there are no results, or one is filed under another kind than its own.
    """
    if not results or not any(results.values()):
        raise ResultError("nothing to summarise: expected results by network and kind, received none")
    return [_row(name, kinds) for name, kinds in results.items()]


def write_summary(rows: Sequence[Row], folder: str | Path) -> tuple[Path, Path]:
    """Write `summary.csv` (nested keys joined by dots, failed checks as a count) and `summary.json`.

    Raises:
        LandscapeError: If the folder cannot be written.
    """
    flat = [flatten({**row, "failed_checks": len(row["failed_checks"])}) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    table, document = Path(folder) / "summary.csv", Path(folder) / "summary.json"
    write_text(table, text.getvalue())
    write_text(document, json.dumps(list(rows), indent=2, default=plain, ensure_ascii=False) + "\n")
    return table, document


def flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots: `minimum.x`."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _row(name: str, kinds: Mapping[str, xr.Dataset]) -> Row:
    row: Row = {"name": name}
    failed: list[str] = []
    for kind, dataset in kinds.items():
        if dataset.attrs.get("kind") != kind:
            raise ResultError(
                f"the result filed as {kind!r} of {name!r} is of kind {dataset.attrs.get('kind')!r}"
            )
        network = attribute(dataset, "network")
        row |= {key: network[key] for key in ("architecture", "parameters") if network.get(key)}
        if network.get("seeds"):
            row["seeds"] = max(row.get("seeds", 0), len(network["seeds"]))
        if kind == "surface" and dataset.attrs.get("pooling") == "first":
            row["surface_of"] = network["seeds"][0]["name"]
        failed += [check["message"] for check in attribute(dataset, "checks") if not check["passed"]]
    for kind, read in _READERS.items():
        if kind in kinds:
            row |= read(kinds[kind])
    row["failed_checks"] = failed
    return {key: value for key, value in row.items() if value is not None and value != {}}


def _evaluation(dataset: xr.Dataset) -> Row:
    row = {
        "nll": scalar(dataset, "mean_nll"),
        "nll_standard_error": scalar(dataset, "mean_nll_standard_error"),
    }
    row |= dict(
        zip(("ece_debiased", "ece_debiased_low", "ece_debiased_high"), debiased_ece(dataset), strict=True)
    )
    names = ("accuracy", "accuracy_standard_error", "ece", "brier", "brier_standard_error", "top5")
    return row | {name: scalar(dataset, name) for name in names}


def _eigenvalues(dataset: xr.Dataset) -> Row:
    values = dataset["eigenvalue"].values.astype(float)
    if not np.isfinite(values).any():
        return {}
    first = int(np.nanargmax(values))
    return {
        "largest_eigenvalue": float(values[first]),
        "largest_eigenvalue_residual": float(dataset["residual"].values[first]),
        "largest_eigenvalue_converged": bool(dataset["converged"].values[first]),
    }


def _spectrum(dataset: xr.Dataset) -> Row:
    row: Row = {
        name: scalar(dataset, name) for name in ("ape", "ape_standard_error", "nep", "nep_standard_error")
    }
    largest = batch_maximum(dataset)
    if largest:
        row["batch_max_eigenvalue"], row["batch_max_eigenvalue_standard_error"] = largest
    return row | {"not_converged": not_converged(dataset)}


def _surface(dataset: xr.Dataset) -> Row:
    if not is_plane(dataset):
        return {}  # a line is drawn, and has no border to speak of
    grid = cells(dataset)
    return {
        "centre_nll": centre_nll(dataset),
        **extremes(dataset),
        "border": border_rise(dataset),
        "not_finite": grid.not_finite,
    }


def _features(dataset: xr.Dataset) -> Row:
    variance = dataset["spatial_variance"].values.astype(float)
    last, last_error = (
        dataset[key].values.astype(float)[blocks(dataset)]
        for key in ("high_frequency", "high_frequency_standard_error")
    )
    error = dataset["spatial_variance_standard_error"].values.astype(float)
    numbers = {
        "last_spatial_variance": variance[-1] if variance.size else np.nan,
        "last_spatial_variance_standard_error": error[-1] if error.size else np.nan,
        "mean_spatial_variance": variance.mean() if variance.size else np.nan,
        "high_frequency": last[-1] if last.size else np.nan,
        "high_frequency_standard_error": last_error[-1] if last_error.size else np.nan,
    }
    row: Row = {name: float(value) for name, value in numbers.items() if np.isfinite(value)}
    return row | {"smoothing_ratio": smoothing_ratio(dataset)}


_READERS: dict[str, Callable[[xr.Dataset], Row]] = {
    "evaluation": _evaluation,
    "eigenvalues": _eigenvalues,
    "spectrum": _spectrum,
    "surface": _surface,
    "features": _features,
}
