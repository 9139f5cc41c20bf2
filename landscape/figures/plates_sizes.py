"""Curves against the size of an ensemble, put together from the results of several kinds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from landscape.comparison.identity import Results
from landscape.comparison.roles import Cast
from landscape.figures.captions import joined
from landscape.figures.plates import Plate, drawn, require
from landscape.results import attribute

AVERAGED = ("ensemble",)
"""What the curve of an ensemble is read from."""
ALONE = ("evaluation",)
"""What the horizontal line of a deterministic network is read from."""
_ROUND = 10
"""Size up to which horizontal lines reach where there is no ensemble beside them."""


def sizes(
    number: str, played: Cast, results: Results, *, width: float | None = None, said: str = ""
) -> Plate:
    """NLL, accuracy and ECE against the size; a network that was only evaluated is a horizontal line.

    Args:
        number: The panel.
        played: Which networks.
        results: By network and name of the result.
        width: In inches.
        said: More for the caption.

    Raises:
        ResultError: If no network plays a role.
    """
    require(number, played, results, (*AVERAGED, *ALONE))
    found = {label: results[network] for label, network in played.found.items()}
    largest = max(
        (kinds["ensemble"].sizes["size"] for kinds in found.values() if "ensemble" in kinds), default=_ROUND
    )
    datasets = {
        label: kinds["ensemble"] if "ensemble" in kinds else level(kinds["evaluation"], largest)
        for label, kinds in found.items()
    }
    flat = [label for label, kinds in found.items() if "ensemble" not in kinds]
    lines = (
        f"Horizontal lines ({', '.join(flat)}): one prediction, which averaging with itself does not change."
        if flat
        else ""
    )
    return drawn(number, "ensemble", played, datasets, width=width, said=joined(said, lines))


def level(evaluation: xr.Dataset, largest: int) -> xr.Dataset:
    """The evaluation of a network whose predictions are all the same, as that of its ensembles.

    Args:
        evaluation: Result of kind `evaluation`.
        largest: Size of the largest ensemble.
    """
    size = np.arange(1, largest + 1)
    names = {"nll": "mean_nll", "accuracy": "accuracy", "ece": "ece", "brier": "brier"}
    values = {
        f"{name}{end}": ("size", np.full(size.shape, float(evaluation.get(f"{stored}{end}", np.nan))))
        for name, stored in names.items()
        for end in ("", "_standard_error")
    }
    attrs = evaluation.attrs | {"kind": "ensemble", "kind_of_ensemble": "repeated"}
    return xr.Dataset(values, coords={"size": size}, attrs=attrs)


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
    values = {
        f"{name}{end}": (
            "size",
            np.array([float(each.get(f"mean_{name}{end}", np.nan)) for each in found.values()]),
        )
        for name in ("nll", "error", "accuracy", "ece")
        for end in ("", "_standard_error")
    }
    attrs = list(found.values())[-1].attrs | {"kind": "ensemble", "kind_of_ensemble": "mc-dropout"}
    return xr.Dataset(values, coords={"size": list(found)}, attrs=attrs)
