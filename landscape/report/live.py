"""The data behind the page's interactive parts: what was measured, as plain lists and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.colors import to_hex

from landscape.errors import ResultError
from landscape.figures.captions import not_converged, scalar
from landscape.figures.curvature.spectrum import density, eigenvalues, grid, use_log
from landscape.figures.style import Look
from landscape.figures.style.curves import column
from landscape.figures.style.scales import WIDE_SURFACE, is_wide, limits
from landscape.figures.surface.grids import QUANTITIES, Cells, cells, is_plane, label_of
from landscape.figures.surface.surface3d import both_units
from landscape.figures.surface.words import axis_of
from landscape.report.assets import number, numbers
from landscape.report.summary import Results
from landscape.report.training import epochs

COLOUR_MAP, DIFFERENCES = "viridis", "RdBu_r"
FEATURES = {
    "spatial_variance": "Spatial variance",
    "spatial_deviation": "Spatial standard deviation",
    "high_frequency": "High-frequency Δ log amplitude",
    "model_deviation": "Model deviation (over dropout masks)",
    "model_variance": "Model variance (over dropout masks)",
    "sample_deviation": "Standard deviation over samples",
    "sample_variance": "Variance over samples",
}
ENSEMBLE = {"nll": "NLL", "accuracy": "Accuracy", "ece": "ECE", "brier": "Brier score"}
_SHADES = 128
_NOT_FIRST = ("l2", "total")
_POINTS = slice(None, None, 3)  # of the 400 of the printed figure

Placed = Mapping[int, xr.Dataset]
"""Results of one kind by the place of their network."""


def live(results: Results, looks: dict[str, Look]) -> dict[str, Any]:
    """Everything the page draws itself; a part is absent if no network has results for it.

    Args:
        results: Network name → kind → dataset.
        looks: A look for each network.

    Returns:
        `networks` (names, markers, and of several checkpoints of a run its epochs), `colours` (of surfaces),
        and where measured `surface`, `spectrum`, `features` and `predictions`; networks are referred to by
        their place in `networks`.
    """
    trained = epochs(results)
    index = {name: place for place, name in enumerate(looks)}

    def of(kind: str) -> dict[int, xr.Dataset]:
        return {index[name]: kinds[kind] for name, kinds in results.items() if kind in kinds}

    parts = {
        "surface": surfaces({place: each for place, each in of("surface").items() if is_plane(each)}),
        "spectrum": spectra(of("spectrum")),
        "features": features(of("features")),
        "predictions": predictions(of("evaluation"), of("ensemble")),
    }
    return {
        "networks": [
            {"name": name, "marker": look.marker, "dash": _dash(look), **trained.get(name, {})}
            for name, look in looks.items()
        ],
        "colours": _shades(COLOUR_MAP),
        **{name: part for name, part in parts.items() if part},
    }


def _shades(colour_map: str) -> list[str]:
    return [to_hex(shade) for shade in matplotlib.colormaps[colour_map](np.linspace(0, 1, _SHADES))]


def _dash(look: Look) -> str:
    """Its dashes as SVG has them, in widths of the line; empty for a full line."""
    return "" if isinstance(look.dash, str) else " ".join(f"{2 * length:g}" for length in look.dash[1])


def surfaces(planes: Placed) -> dict[str, Any] | None:
    """Planes with every quantity that some hold, all masks and directions, and the colours of differences."""
    panels = [_panel(place, dataset) for place, dataset in planes.items()]
    held = [key for key in QUANTITIES if any(key in panel["values"] for panel in panels)]
    if not held:
        return None
    order = sorted(held, key=lambda key: key in _NOT_FIRST)
    quantities = [_quantity(key, planes) for key in order]
    return {"quantities": quantities, "panels": panels, "differences": _shades(DIFFERENCES)}


def _quantity(key: str, planes: Placed) -> dict[str, Any]:
    """Its label, and whether a figure would draw it on a logarithmic scale."""
    found = limits([grid.drawn() for dataset in planes.values() for _, grid in _draws(dataset, key)])
    label = label_of(key, planes.values())
    wide = found is not None and is_wide(*found, WIDE_SURFACE)
    return {"key": key, "label": label[:1].upper() + label[1:], "log": wide}


def _panel(place: int, dataset: xr.Dataset) -> dict[str, Any]:
    drawn = {key: found for key in QUANTITIES if (found := _draws(dataset, key))}
    some = next(iter(drawn.values()), [])
    grid = some[0][1] if some else cells(dataset)
    panel: dict[str, Any] = {
        "network": place,
        "x": numbers(grid.x),
        "y": numbers(grid.y),
        "units": both_units(*(axis_of(dataset, which) for which in ("x", "y"))).replace("\n", ", "),
        "draws": [label for label, _ in some],
        "values": {
            key: [numbers(each.values, done=each.done) for _, each in found] for key, found in drawn.items()
        },
    }
    if "standard_error" in dataset:
        errors = (part["standard_error"].transpose("y", "x").values for _, part in _parts(dataset))
        panel["errors"] = [numbers(each) for each in errors]
    return panel


def _draws(dataset: xr.Dataset, quantity: str) -> list[tuple[str, Cells]]:
    """One grid for each mask or pair of directions; none if the quantity is not stored."""
    try:
        return [(label, cells(part, quantity)) for label, part in _parts(dataset)]
    except ResultError:
        return []


def _parts(dataset: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """The surface under each dropout mask and along each pair of directions, with what it is."""
    found = [("", dataset)]
    for dimension, word in (("mask", "dropout mask"), ("repeat", "pair of directions")):
        count = dataset.sizes.get(dimension)
        if count is not None:
            found = [
                (", ".join(filter(None, (label, f"{word} {i + 1} of {count}"))), part.isel({dimension: i}))
                for label, part in found
                for i in range(count)
            ]
    return found


def surface_rows(results: Results) -> list[tuple[str, list[str]]]:
    """For each network with a plane: its name and, of the NLL of all its surfaces, what the 3D picture shows.

    Returns:
        Cells for points, surfaces, lowest, highest, not finite and not computed.
    """
    rows = []
    for name, kinds in results.items():
        plane = "surface" in kinds and is_plane(kinds["surface"])
        grids = [grid for _, grid in _draws(kinds["surface"], "nll")] if plane else []
        if grids:
            found = limits([grid.drawn() for grid in grids])
            ends = ["–", "–"] if found is None else [f"{float(number(value)):.4g}" for value in found]
            size = " × ".join(map(str, grids[0].values.shape[::-1]))
            missing = [sum(grid.not_finite for grid in grids), sum(grid.not_done for grid in grids)]
            rows.append((name, [size, str(len(grids)), *ends, *map(str, missing)]))
    return rows


def spectra(datasets: Placed) -> dict[str, Any] | None:
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
            **{
                f"{name}{end}": scalar(datasets[place], f"{name}{end}")
                for name in ("ape", "nep")
                for end in ("", "_standard_error")
            },
        }
        for place, found in values.items()
    ]
    return {"networks": networks, "sides": [side for side in sides if side]}


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


def features(datasets: Placed) -> dict[str, Any] | None:
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
            **_with_errors(dataset, held, "layer"),
        }
        for place, dataset in datasets.items()
    ]
    return {"quantities": [{"key": name, "label": FEATURES[name]} for name in held], "networks": networks}


def _with_errors(dataset: xr.Dataset, names: list[str], dimension: str) -> dict[str, Any]:
    """Columns of a result and their standard errors."""
    return {
        "values": {name: numbers(column(dataset, name, dimension)) for name in names},
        "errors": {name: numbers(column(dataset, f"{name}_standard_error", dimension)) for name in names},
    }


def predictions(evaluations: Placed, ensembles: Placed) -> dict[str, Any] | None:
    """Bins of the reliability diagram, and what averaging more predictions gives."""
    bins = {place: each for place, each in evaluations.items() if "bin_count" in each}
    found: dict[str, Any] = {}
    if bins:
        found["reliability"] = [_bins(place, dataset) for place, dataset in bins.items()]
    held = [name for name in ENSEMBLE if any(name in each for each in ensembles.values())]
    if held:
        found["ensemble"] = {
            "quantities": [{"key": name, "label": ENSEMBLE[name]} for name in held],
            "networks": [
                {"network": place, "size": numbers(each["size"].values), **_with_errors(each, held, "size")}
                for place, each in ensembles.items()
            ],
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
