"""What smoothing layers do: each variance after one over that before it, and the high frequencies lost."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.errors import ResultError
from landscape.results.smoothing import smoothing_layers, smoothing_ratios

VARIANCES = tuple(
    f"{over}_{kind}" for over in ("spatial", "sample", "model") for kind in ("variance", "deviation")
)

_NEEDED = ("kind", *VARIANCES, "high_frequency")


def smoothing_effect(dataset: xr.Dataset) -> xr.Dataset:
    """Variances after each smoothing layer over those of the layer before it (Park & Kim 2022, Fig. 5).

    Standard errors are those of `landscape.results.smoothing.smoothing_ratios`.

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
    after = smoothing_layers(dataset)
    names = dataset["layer"].values[after]
    columns: dict[str, np.ndarray] = {"before": dataset["layer"].values[after - 1]}
    for name in VARIANCES:
        _, columns[f"{name}_ratio"], columns[f"{name}_ratio_standard_error"] = smoothing_ratios(dataset, name)
    high = dataset["high_frequency"].values
    columns["high_frequency_change"] = high[after] - high[after - 1]
    columns["high_frequency_change_standard_error"] = dataset["high_frequency_change_standard_error"].values[
        after
    ]
    return xr.Dataset(
        {name: ("layer", values, _described(dataset, name)) for name, values in columns.items()},
        coords={"layer": names},
    )


def _described(dataset: xr.Dataset, name: str) -> dict[str, str]:
    if name == "before":
        return {"long_name": "layer before the smoothing layer"}
    own = name.removesuffix("_standard_error")
    quantity = own.removesuffix("_ratio").removesuffix("_change")
    how, units = ("over", "1") if own.endswith("_ratio") else ("minus", "nat")
    words = f"{dataset[quantity].attrs['long_name']}, after {how} before"
    return {"long_name": words if own == name else f"standard error of the {words}", "units": units}
