"""Data of the page's interactive curves: Hessian spectra, feature maps by depth, predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from landscape.figures.curvature.spectrum import density, grid, use_log
from landscape.figures.style.curves import column
from landscape.figures.style.reductions import eigenvalues, not_converged, scalar
from landscape.report.encoding import number, numbers

_POINTS = slice(None, None, 3)  # of the 400 of the printed figure
FEATURES = {
    "spatial_variance": "Spatial variance",
    "spatial_deviation": "Spatial standard deviation",
    "high_frequency": "High-frequency Δ log amplitude",
    "model_deviation": "Model deviation (over dropout draws)",
    "model_variance": "Model variance (over dropout draws)",
    "sample_deviation": "Standard deviation over samples",
    "sample_variance": "Variance over samples",
}
ENSEMBLE = {"nll": "NLL", "accuracy": "Accuracy", "ece": "ECE", "brier": "Brier score"}


def spectra(datasets: dict[int, xr.Dataset]) -> dict[str, Any] | None:
    """All mini-batch eigenvalues, and their densities on the negative and the positive side.

    Densities are those of the printed figure: the area under a curve is the share of the network's values on
    that side, per unit of λ on the linear axis and per decade on the logarithmic one.
    """
    values = {place: eigenvalues(dataset) for place, dataset in datasets.items()}
    values = {place: found for place, found in values.items() if found.size}
    if not values:
        return None
    sides = [_side(values, sign) for sign in (-1, 1)]
    networks = [
        {
            "network": place,
            "values": numbers(np.sort(found)),
            "batches": int(datasets[place].sizes["batch"]),
            "not_converged": not_converged(datasets[place]),
            **{name: scalar(datasets[place], name) for name in _SCALARS},
        }
        for place, found in values.items()
    ]
    return {"networks": networks, "sides": [side for side in sides if side]}


_SCALARS = ("ape", "ape_standard_error", "nep", "nep_standard_error")


def _side(values: dict[int, np.ndarray], sign: int) -> dict[str, Any] | None:
    magnitudes = {place: sign * found[found * sign > 0] for place, found in values.items()}
    everything = np.concatenate(list(magnitudes.values()))
    if not everything.size:
        return None
    side: dict[str, Any] = {"sign": sign, "log": use_log(everything)}
    for log, name in ((False, "linear"), (True, "decades")):
        points = grid(list(magnitudes.values()), log=log)[_POINTS]
        curves = [
            {"network": place, "density": numbers(curve)}
            for place, found in magnitudes.items()
            if (curve := density(found, points, log=log, share=found.size / values[place].size)) is not None
        ]
        side[name] = {"points": numbers(points), "curves": curves}
    return side


def features(datasets: dict[int, xr.Dataset]) -> dict[str, Any] | None:
    """Statistics of the feature maps of every layer against its depth, with their standard errors."""
    held = [
        name
        for name in FEATURES
        if any(np.isfinite(column(each, name, "layer")).any() for each in datasets.values())
    ]
    if not held:
        return None
    networks = [
        {
            "network": place,
            "layers": [str(name) for name in dataset["layer"].values],
            "kinds": [str(kind) for kind in dataset["kind"].values],
            "depth": numbers(dataset["depth"].values),
            "values": {name: numbers(column(dataset, name, "layer")) for name in held},
            "errors": {name: numbers(column(dataset, f"{name}_standard_error", "layer")) for name in held},
        }
        for place, dataset in datasets.items()
    ]
    return {"quantities": [{"key": name, "label": FEATURES[name]} for name in held], "networks": networks}


def predictions(
    evaluations: dict[int, xr.Dataset], ensembles: dict[int, xr.Dataset]
) -> dict[str, Any] | None:
    """Bins of the reliability diagram, and what averaging more predictions gives."""
    bins = {place: each for place, each in evaluations.items() if "bin_count" in each}
    found: dict[str, Any] = {}
    if bins:
        found["reliability"] = [_bins(place, dataset) for place, dataset in bins.items()]
    held = [name for name in ENSEMBLE if any(name in each for each in ensembles.values())]
    if held:
        found["ensemble"] = {
            "quantities": [{"key": name, "label": ENSEMBLE[name]} for name in held],
            "networks": [_ensemble(place, dataset, held) for place, dataset in ensembles.items()],
        }
    return found or None


def _bins(place: int, dataset: xr.Dataset) -> dict[str, Any]:
    names = ("lower", "upper", "confidence", "accuracy", "accuracy_standard_error", "count")
    ece = scalar(dataset, "ece")
    return {
        "network": place,
        "ece": None if ece is None else number(ece),
        **{name: numbers(column(dataset, f"bin_{name}", "bin")) for name in names},
    }


def _ensemble(place: int, dataset: xr.Dataset, held: list[str]) -> dict[str, Any]:
    return {
        "network": place,
        "size": numbers(dataset["size"].values),
        "values": {name: numbers(column(dataset, name, "size")) for name in held},
        "errors": {name: numbers(column(dataset, f"{name}_standard_error", "size")) for name in held},
    }
