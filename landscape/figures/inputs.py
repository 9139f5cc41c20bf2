"""What every figure accepts: one result, or several by name, all of the kind it draws."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from landscape.errors import ResultError
from landscape.results import attribute

Datasets = xr.Dataset | Mapping[str, xr.Dataset]


def named(datasets: Datasets, kind: str) -> dict[str, xr.Dataset]:
    """The results by network name, in the order given; a single one goes by its stored name.

    Raises:
        ResultError: If there are none, or one is not of the kind asked for.
    """
    if isinstance(datasets, xr.Dataset):
        datasets = {str(attribute(datasets, "network").get("name") or "network"): datasets}
    if not datasets:
        raise ResultError(f"nothing to draw: expected one or more results of kind {kind!r}, received none")
    for name, dataset in datasets.items():
        found = dataset.attrs.get("kind") if isinstance(dataset, xr.Dataset) else type(dataset).__name__
        if found != kind:
            raise ResultError(f"expected a result of kind {kind!r} for {name!r}, received {found!r}")
    return dict(datasets)
