"""The data behind the page's interactive parts: what was measured, as plain lists and words."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.colors import to_hex

from landscape.errors import ResultError
from landscape.figures.style import Look
from landscape.figures.style.scales import WIDE_SURFACE, is_wide, limits
from landscape.figures.style.units import axis
from landscape.figures.surface.grids import QUANTITIES, Cells, cells, is_plane
from landscape.figures.surface.surface3d import both_units
from landscape.report.encoding import number, numbers
from landscape.report.live_curves import features, predictions, spectra
from landscape.report.summary import Results

COLOUR_MAP = "viridis"
_SHADES = 128
_NOT_FIRST = ("l2", "total")


def live(results: Results, looks: dict[str, Look]) -> dict[str, Any]:
    """Everything the page draws itself; a part is absent if no network has results for it.

    Args:
        results: Network name → kind → dataset.
        looks: A look for each network.

    Returns:
        `networks` (names, markers), `colours` (of surfaces), and where measured `surface`, `spectrum`,
        `features` and `predictions`; networks are referred to by their place in `networks`.
    """
    index = {name: place for place, name in enumerate(looks)}

    def of(kind: str) -> dict[int, xr.Dataset]:
        return {index[name]: kinds[kind] for name, kinds in results.items() if kind in kinds}

    parts = {
        "surface": surfaces({place: each for place, each in of("surface").items() if is_plane(each)}),
        "spectrum": spectra(of("spectrum")),
        "features": features(of("features")),
        "predictions": predictions(of("evaluation"), of("ensemble")),
    }
    shades = matplotlib.colormaps[COLOUR_MAP](np.linspace(0, 1, _SHADES))
    return {
        "networks": [
            {"name": name, "marker": look.marker, "dash": _dash(look)} for name, look in looks.items()
        ],
        "colours": [to_hex(shade) for shade in shades],
        **{name: part for name, part in parts.items() if part},
    }


def _dash(look: Look) -> str:
    """Its dashes as SVG has them, in widths of the line; empty for a full line."""
    return "" if isinstance(look.dash, str) else " ".join(f"{2 * length:g}" for length in look.dash[1])


def surfaces(planes: dict[int, xr.Dataset]) -> dict[str, Any] | None:
    """Planes with every quantity that some of them hold, and every draw of dropout masks or directions."""
    panels = [_panel(place, dataset) for place, dataset in planes.items()]
    held = [key for key in QUANTITIES if any(key in panel["values"] for panel in panels)]
    if not held:
        return None
    order = sorted(held, key=lambda key: key in _NOT_FIRST)
    return {"quantities": [_quantity(key, planes) for key in order], "panels": panels}


def _quantity(key: str, planes: dict[int, xr.Dataset]) -> dict[str, Any]:
    """Its label, and whether a figure would draw it on a logarithmic scale."""
    found = limits([grid.drawn() for dataset in planes.values() for _, grid in _draws(dataset, key)])
    label = QUANTITIES[key]
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
        "units": both_units(*(axis(dataset, which) for which in ("x", "y"))).replace("\n", ", "),
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
    """One grid a draw; none if the quantity is not stored."""
    try:
        return [(label, cells(part, quantity)) for label, part in _parts(dataset)]
    except ResultError:
        return []


def _parts(dataset: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """The surface under each dropout mask and along each pair of directions, with what it is."""
    found = [("", dataset)]
    for dimension, word in (("mask", "dropout draw"), ("repeat", "pair of directions")):
        count = dataset.sizes.get(dimension)
        if count is not None:
            found = [
                (", ".join(filter(None, (label, f"{word} {i + 1} of {count}"))), part.isel({dimension: i}))
                for label, part in found
                for i in range(count)
            ]
    return found


def surface_rows(results: Results) -> list[tuple[str, list[str]]]:
    """For each network with a plane: its name and, of the NLL of all its draws, what the 3D picture shows.

    Returns:
        Cells for points, draws, lowest, highest, not finite and not computed.
    """
    rows = []
    for name, kinds in results.items():
        grids = [grid for _, grid in _draws(kinds["surface"], "nll")] if _drawable(kinds) else []
        if not grids:
            continue
        found = limits([grid.drawn() for grid in grids])
        ends = ["–", "–"] if found is None else [f"{float(number(value)):.4g}" for value in found]
        size = " × ".join(map(str, grids[0].values.shape[::-1]))
        missing = [sum(grid.not_finite for grid in grids), sum(grid.not_done for grid in grids)]
        rows.append((name, [size, str(len(grids)), *ends, *map(str, missing)]))
    return rows


def _drawable(kinds: Any) -> bool:
    return "surface" in kinds and is_plane(kinds["surface"])
