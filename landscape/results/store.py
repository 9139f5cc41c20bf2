"""Results on disk: one zarr directory a dataset, written whole or not at all; opening needs no torch."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from landscape.errors import ResultError
from landscape.files import atomic_path
from landscape.results.schema import KINDS


def save(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a result as a zarr directory store; an older one at the same place is replaced.

    Raises:
        LandscapeError: If the place cannot be written.
    """
    with atomic_path(path) as draft:
        dataset.to_zarr(draft, mode="w", consolidated=False)
    return Path(path)


def load(path: str | Path) -> xr.Dataset:
    """Open a result and read it into memory.

    Raises:
        ResultError: If there is none at `path`, or it is not one of ours.
    """
    if not Path(path).is_dir():
        raise ResultError(f"no result at {path}; results are folders that end in .zarr")
    try:
        dataset = xr.open_zarr(path, consolidated=False).load()
    except Exception as error:  # zarr raises many kinds for a damaged store
        raise ResultError(f"{path} cannot be read as a zarr store: {error}") from error
    if dataset.attrs.get("kind") not in KINDS:
        raise ResultError(f"{path} is a zarr store, but not a result of landscape")
    return dataset
