"""What smoothing layers do: each variance after one over that before it, and the high frequencies lost."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.errors import ResultError

VARIANCES = tuple(
    f"{over}_{kind}" for over in ("spatial", "sample", "model") for kind in ("variance", "deviation")
)

_NEEDED = ("kind", *VARIANCES, "high_frequency")


def smoothing_effect(dataset: xr.Dataset) -> xr.Dataset:
    """Variances after each smoothing layer over those of the layer before it (Park & Kim 2022, Fig. 5).

    The standard error of a ratio r = a/b is that of a − r·b over b, to first order. The covariance of a and b
    comes from the error of their paired difference, var(a) + var(b) − 2 cov(a, b), which `measure` stores:
    the two share their samples.

    Args:
        dataset: From `landscape.features.measure`.

    Returns:
        Dimension `layer` (coordinate: the smoothing layers' names): `before` (name of the layer before),
        `…_ratio` of each of `VARIANCES`, and `high_frequency_change`, after minus before in nats, each with
        its standard error. NaN where the dataset has none, such as model variances without draws.

    Raises:
        ResultError: If the dataset does not hold these variables.
    """
    missing = [name for name in _NEEDED if name not in dataset]
    if missing:
        raise ResultError(f"this dataset has no {', '.join(missing)}; measure the features again")
    kinds = dataset["kind"].values.astype(str)
    after = np.flatnonzero(kinds == "smoothing")
    after = after[after > 0]
    names = dataset["layer"].values[after]
    columns: dict[str, np.ndarray] = {"before": dataset["layer"].values[after - 1]}
    for name in VARIANCES:
        columns[f"{name}_ratio"], columns[f"{name}_ratio_standard_error"] = _ratio(dataset, name, after)
    high = dataset["high_frequency"].values
    columns["high_frequency_change"] = high[after] - high[after - 1]
    columns["high_frequency_change_standard_error"] = dataset["high_frequency_change_standard_error"].values[
        after
    ]
    return xr.Dataset(
        {name: ("layer", values, _described(dataset, name)) for name, values in columns.items()},
        coords={"layer": names},
    )


def _ratio(dataset: xr.Dataset, name: str, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """After over before, and the standard error; NaN where there was no variance before."""
    values, error = dataset[name].values, dataset[f"{name}_standard_error"].values
    change = dataset[f"{name}_change_standard_error"].values[after]
    a, b = values[after], np.where(values[after - 1] > 0, values[after - 1], np.nan)
    both = (error[after] ** 2 + error[after - 1] ** 2 - change**2) / 2
    ratio = a / b
    squared = error[after] ** 2 - 2 * ratio * both + (ratio * error[after - 1]) ** 2
    return ratio, np.sqrt(np.maximum(squared, 0)) / b  # below zero by rounding alone


def _described(dataset: xr.Dataset, name: str) -> dict[str, str]:
    if name == "before":
        return {"long_name": "layer before the smoothing layer"}
    own = name.removesuffix("_standard_error")
    quantity = own.removesuffix("_ratio").removesuffix("_change")
    how, units = ("over", "1") if own.endswith("_ratio") else ("minus", "nat")
    words = f"{dataset[quantity].attrs['long_name']}, after {how} before"
    return {"long_name": words if own == name else f"standard error of the {words}", "units": units}
