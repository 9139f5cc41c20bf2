"""Captions of the figures of training: its path on a plane, and in polar coordinates."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.figures.captions import Results, by_name, joined
from landscape.figures.captions_surface import conditions, not_drawn
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.scales import plain_number
from landscape.figures.style.units import axis as axis_of
from landscape.figures.surface.grids import QUANTITIES, first
from landscape.figures.surface.trajectory import explained


def trajectory(
    results: Results, *, surfaces: Datasets | None = None, quantity: str = "nll", log: bool | None = None
) -> str:
    """Of `figures.trajectory`."""
    del log  # said on the colour bar
    if isinstance(surfaces, xr.Dataset):
        surfaces = dict.fromkeys(results, surfaces)
    planes = {} if surfaces is None else {n: first(d) for n, d in named(surfaces, "surface").items()}
    named_axes = dict.fromkeys(" and ".join(axis_of(d, w).name for w in "xy") for d in results.values())
    over = f" over contours of {QUANTITIES[quantity]}" if planes else ""
    off = {}
    for name, dataset in results.items():
        away, distance = (np.nanmax(dataset[key].values) for key in ("off_plane", "distance"))
        off[name] = f"{plain_number(float(away))} and {plain_number(float(distance))}"
    return joined(
        f"Training{over}: checkpoints in order, the first a square, the last a disc, some numbered "
        "(Li et al. 2018, Fig. 9).",
        f"Axes: {'; '.join(named_axes)}.{_shares(results)}",
        f"Largest distance off the plane, and from the origin: {by_name(off)}.",
        "The loss under a checkpoint is that of the plane, not its own." if planes else "",
        *(conditions(planes, quantity) if planes else ()),
        not_drawn(planes, quantity, "hatched", "left white within dots"),
    )


def _shares(results: Results) -> str:
    """Which share of the motion the axes explain, where it is known."""
    found = {}
    for name, dataset in results.items():
        shares = [explained(dataset, index) for index in (0, 1)]
        if all(share is not None for share in shares):
            found[name] = " and ".join(f"{100 * share:.2g} %" for share in shares if share is not None)
    return f" They explain {by_name(found)} of the sum of ‖w − origin‖²." if found else ""


def polar(results: Results) -> str:
    """Of `figures.polar`."""
    counts = {name: str(dataset.sizes["checkpoint"]) for name, dataset in results.items()}
    return joined(
        "Training seen from its last weights w*: r = ‖w − w*‖ / ‖w₀ − w*‖ against the angle between w − w* "
        "and w₀ − w*, over all parameters, from (1, 0°) to the origin (Park & Kim 2022b, Fig. 1b). On a "
        "straight path the angle stays 0°.",
        f"Checkpoints: {by_name(counts)}; the line between them is drawn, not measured.",
    )
