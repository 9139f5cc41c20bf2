"""What every format here shares: which dataset is a surface, and how one from elsewhere becomes ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import ResultError
from landscape.files import sha256
from landscape.results import KINDS, Check, budget, provenance, stamp
from landscape.results.surfaces import check_grid

UNKNOWN = "unknown"
"""Stands in the protocol for what a file does not tell."""

_ATTRIBUTES = {
    "nll": {"long_name": "negative log-likelihood", "units": "nats"},
    "standard_error": {"long_name": "standard error of the NLL over samples", "units": "nats"},
    "l2": {"long_name": "½ · weight decay · ‖w‖²", "units": "nats"},
    "accuracy": {"long_name": "accuracy"},
    "ece": {"long_name": "expected calibration error"},
}


def imported(
    variables: Mapping[str, np.ndarray],
    axes: Mapping[str, np.ndarray],
    *,
    path: str | Path,
    name: str,
    source: str,
    protocol: dict[str, Any],
    told: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Numbers from another tool's file as a result of kind `surface`.

    What the file does not hold (`l2`, `standard_error`, `samples`, the norms of the directions) is NaN.

    Args:
        variables: Arrays over all axes, or single numbers; `nll` is one of them. Without `done`, every point
            counts as computed.
        axes: Coordinates of each dimension, the fastest last: `y` and `x`, or `x` alone for a line.
        path: The file.
        name: What to call the network.
        source: The format, in words.
        protocol: What is known of how the numbers were made.
        told: What else the file says of its origin, kept under `imported` in the provenance.

    Raises:
        ResultError: If the axes are not finite or do not ascend.
    """
    shape = variables["nll"].shape
    absent = {key: np.full(shape, np.nan) for key in ("l2", "accuracy", "standard_error", "samples")}
    norms = {f"{axis}_norm": np.array(np.nan) for axis in axes if axis in ("x", "y")}
    table = {**absent, "done": np.ones(shape, bool), **norms, **variables}
    dataset = xr.Dataset(
        {
            key: (tuple(axes) if np.ndim(value) else (), value, _ATTRIBUTES.get(key, {}))
            for key, value in table.items()
        },
        coords={axis: (axis, place, {"long_name": axis}) for axis, place in axes.items()},
    )
    check_grid(dataset, path)
    origin = {"file": Path(path).name, "sha256": sha256(path), "format": source}
    return stamp(
        dataset,
        kind="surface",
        network={"name": name, "path": None, "sha256": None, "architecture": None, "parameters": None},
        protocol=protocol,
        provenance={**provenance(0.0), "imported": {**origin, **(told or {})}},  # nothing was measured here
        checks=_checks(dataset, origin),
    )


def blank_protocol(word: str = UNKNOWN) -> dict[str, Any]:
    """The entries of a surface's protocol, all of them this word."""
    entries = ("loss", "weight_decay", "batch_norm", "dropout", "dtype", "device", "seed")
    data = dict.fromkeys(("source", "split", "samples", "augmentation"), word)
    return {"data": data, **dict.fromkeys(entries, word), "options": {"norm": word}}


def extent(axes: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """`span` and `steps` of a grid, as the options of an analysis say them."""
    steps = [len(place) for place in axes.values()]
    span = max(float(np.abs(place).max()) for place in axes.values())
    return {"span": span, "steps": steps[0] if len(set(steps)) == 1 else steps[::-1]}


def _checks(dataset: xr.Dataset, origin: dict[str, str]) -> list[Check]:
    """The trust report of numbers that others measured."""
    done, total = dataset.done.values, dataset.done.size
    bad = int((done & ~np.isfinite(dataset.nll.values)).sum())
    missing = int((~done).sum())
    name, source = origin["file"], origin["format"]
    told = f"Read from {name} ({source}); nothing was evaluated here."
    finite = f"{bad} of {total} values of the surface are not finite; they are kept as measured."
    partial = f"{missing} of {total} points were not computed; finish the run that wrote {name}."
    return [
        Check("imported", True, told),
        Check("finite", not bad, finite if bad else "Every value of the surface is finite."),
        Check("complete", not missing, partial if missing else "Every point was computed."),
    ]


def require_surface(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset, if it is a whole result of kind `surface`.

    Raises:
        ResultError: If it is not.
    """
    kind = dataset.attrs.get("kind")
    if kind != "surface":
        raise ResultError(
            f"expected a result of kind 'surface', received {kind!r}; only surfaces can be exported"
        )
    missing = [name for name in (*KINDS["surface"].variables, "x") if name not in dataset]
    if missing:
        raise ResultError(f"this surface is damaged: {', '.join(missing)} is missing")
    return dataset


def one_grid(dataset: xr.Dataset) -> xr.Dataset:
    """The surface with dimensions (y, x), or (x,) for a line, both axes ascending.

    Raises:
        ResultError: If it has other dimensions, as one of several direction pairs has.
    """
    dims = set(require_surface(dataset)["nll"].dims)
    if dims not in ({"x"}, {"y", "x"}):
        names = ", ".join(map(str, dataset["nll"].dims))
        raise ResultError(
            f"this format holds one grid (y, x); the surface has ({names}): choose one with --repeat"
        )
    order = [name for name in ("y", "x") if name in dims]
    return dataset.sortby(order).transpose(*order, ...)


def computed(dataset: xr.Dataset) -> np.ndarray:
    """Mask of the points that were computed, shaped as `nll`."""
    if "done" in dataset:
        return dataset["done"].values.astype(bool)
    return np.ones(dataset["nll"].shape, bool)


def quantity_values(dataset: xr.Dataset, quantity: str) -> np.ndarray:
    """One quantity as measured, NaN where nothing was computed.

    Args:
        dataset: From `one_grid`.
        quantity: A variable on the grid, or `total`, the sum of `nll` and `l2`.

    Raises:
        ResultError: If the surface has none of that name, or it is NaN throughout.
    """
    grid = dataset["nll"].dims
    on_grid = (str(name) for name, value in dataset.data_vars.items() if value.dims == grid)
    known = sorted(name for name in on_grid if name != "done")
    if quantity not in (*known, "total"):
        raise ResultError(f"this surface has no {quantity!r}; it has {', '.join(known)}, total")
    parts = ("nll", "l2") if quantity == "total" else (quantity,)
    values = np.sum([dataset[part].values.astype(float) for part in parts], axis=0)
    values = np.where(computed(dataset), values, np.nan)
    if np.isnan(values).all():
        raise ResultError(f"{quantity} is not known at any point of this surface")
    return values


def room(path: str | Path) -> int:
    """Bytes that the numbers in a file may take once they are unpacked."""
    return budget.room(Path(path).stat().st_size)
