"""How one measured surface looks flat or steep, and how little one direction says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.ideas.paper import BLUE, GREEN, WIDTH, letter

Results = Mapping[str, Mapping[str, xr.Dataset]]

STEEP = 40.0
"""Where the scale of a much steeper network would end, in nats."""


def picture(family: Results) -> Figure:
    """One surface three times, and the curvature along ten random directions for each of three seeds."""
    figure = Figure(figsize=(WIDTH, 1.95), layout="constrained")
    *planes, last = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.2])
    surface = family["gap-seed0"]["surface"]
    values = surface["nll"].values
    low, high = float(values.min()), float(values.max())
    levels = [
        np.linspace(0, high, 13),
        np.geomspace(low, high, 13),
        np.linspace(0, STEEP, 13),
    ]
    for axis, steps in zip(planes, levels, strict=True):
        axis.contourf(surface["x"], surface["y"], values, levels=steps, cmap="viridis", extend="both")
        axis.contour(surface["x"], surface["y"], values, levels=steps, colors="black", linewidths=0.3)
        axis.plot(0, 0, "+", color="white", markersize=6)
        axis.set(aspect="equal", xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5], xlabel="filter norms")
    for axis in planes[1:]:
        axis.set_yticklabels([])
    _directions(last, family)
    letter([*planes, last], ["linear levels", "logarithmic", "a steep scale", "ten directions"])
    return figure


def _directions(axis: Axes, family: Results) -> None:
    place, ticks = 0.0, {}
    for name, colour in (("gap", BLUE), ("gap-blur", GREEN)):
        for seed in range(3):
            values = family[f"{name}-seed{seed}"]["flatness"]["curvature"].values
            axis.plot(
                [place] * len(values), values, "o", color=colour, alpha=0.5, markersize=3.5, markeredgewidth=0
            )
            axis.plot([place - 0.25, place + 0.25], [values.mean()] * 2, color="black", linewidth=1)
            place += 0.7
        ticks[name] = place - 1.4
        place += 0.5
    axis.set_xticks(list(ticks.values()), labels=list(ticks))
    axis.set(ylabel="curvature", ylim=(0, None))
