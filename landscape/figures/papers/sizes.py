"""Scores against the size of an ensemble, put together from the results of several kinds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from landscape.comparison.readings import READINGS
from landscape.results import attribute

AVERAGED = ("ensemble",)
"""What the curve of an ensemble is read from."""
ALONE = ("evaluation",)
"""What the horizontal line of a deterministic network is read from."""
_ROUND = 10
"""Size up to which horizontal lines reach where there is no ensemble beside them."""


def curves(found: Mapping[str, Mapping[str, xr.Dataset]]) -> dict[str, xr.Dataset]:
    """The ensemble of each network; of one that was only evaluated its scores, the same at every size.

    Args:
        found: Results by label and name of the result.
    """
    sizes = [kinds["ensemble"].sizes["size"] for kinds in found.values() if "ensemble" in kinds]
    largest = max(sizes, default=_ROUND)
    return {
        label: kinds["ensemble"] if "ensemble" in kinds else _level(kinds["evaluation"], largest)
        for label, kinds in found.items()
    }


def _level(evaluation: xr.Dataset, largest: int) -> xr.Dataset:
    """The evaluation of a network whose predictions are all the same, as that of its ensembles."""
    values: dict[str, list[float]] = {}
    for reading in READINGS:
        if reading.key in ("nll", "accuracy", "ece", "brier"):
            found = reading.read(evaluation)
            values[reading.key] = [found.value if found else np.nan] * largest
            values[f"{reading.key}_standard_error"] = [found.error if found else np.nan] * largest
    return _of_sizes(values, np.arange(1, largest + 1), evaluation, "repeated")


def is_robust(name: str) -> bool:
    """Whether a result of this name is the robustness of a network, or of an ensemble."""
    return name == "robustness" or name.startswith("robustness-n")


def by_size(kinds: Mapping[str, xr.Dataset]) -> dict[int, xr.Dataset]:
    """The robustness of one pass and of the means of several, in the order of how many.

    With dropout off there is no ensemble: such a result is left out.
    """
    found = {}
    for name, dataset in kinds.items():
        mode = str(attribute(dataset, "protocol").get("dropout")) if is_robust(name) else "off"
        if mode != "off":
            found[int(mode.partition(":")[2] or 1)] = dataset
    return dict(sorted(found.items()))


def over_sizes(found: Mapping[int, xr.Dataset]) -> xr.Dataset:
    """Means over corruptions and severities by size of the ensemble, as a result of kind `ensemble`."""
    scores = ("nll", "error", "accuracy", "ece")
    names = [f"{score}{end}" for score in scores for end in ("", "_standard_error")]
    values = {name: [float(each.get(f"mean_{name}", np.nan)) for each in found.values()] for name in names}
    return _of_sizes(values, list(found), list(found.values())[-1], "mc-dropout")


def _of_sizes(values: Mapping[str, list[float]], sizes, like: xr.Dataset, how: str) -> xr.Dataset:
    """A result of kind `ensemble`, with the attributes of another."""
    columns = {name: ("size", np.array(column)) for name, column in values.items()}
    attrs = like.attrs | {"kind": "ensemble", "kind_of_ensemble": how}
    return xr.Dataset(columns, coords={"size": sizes}, attrs=attrs)
