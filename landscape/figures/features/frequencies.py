"""The mask of frequency noise, spectra after the first stage, and accuracy under noise (2022a, Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.features.amplitude import stage_curves
from landscape.figures.features.fourier import frequency_axis
from landscape.figures.features.noise import LABEL, noise_curves
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.curves import NARROW, legend, legend_rows

EXAMPLE = 0.55
"""Frequency of the ring whose mask is shown, in units of π."""


def frequencies(
    features: Datasets | None,
    noises: Datasets | None,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Mask of one ring; log amplitude at the end of stage 1; accuracy against the frequency of the noise.

    Args:
        features: Results of kind `features` by network name; None leaves their panel out.
        noises: Results of kind `noise` by network name; None leaves their panel out, and the mask.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If there is neither, or a result is of another kind.
    """
    spectra = named(features, "features") if features else {}
    drops = named(noises, "noise") if noises else {}
    if not spectra and not drops:
        raise ResultError("nothing to draw: expected results of kind 'features' or 'noise', received none")
    chosen = style.looks_for(list(dict.fromkeys([*spectra, *drops])), looks)
    total = width or style.TWO_COLUMN
    with style.context():
        count = bool(spectra) + 2 * bool(drops)
        figure, axes = _panels(count, total, len(chosen), mask=bool(drops))
        if drops:
            widths = {float(dataset.attrs.get("width_pi", 0.1)) for dataset in drops.values()}
            draw_mask(axes.pop(0), max(widths))
        if spectra:
            axis = axes.pop(0)
            highest = stage_curves(axis, spectra, 1, looks=chosen)
            frequency_axis(axis, max(1.0, highest), step=0.25)
            axis.set(xlabel="frequency (units of π)", ylabel="log amplitude", title="end of stage 1")
        if drops:
            axis = axes.pop(0)
            frequency_axis(axis, noise_curves(axis, drops, "accuracy", looks=chosen))
            axis.set(xlabel=LABEL, title="noise of one frequency")
        legend(figure, chosen, total)
    return figure


def draw_mask(axis: Axes, width: float, centre: float = EXAMPLE) -> None:
    """The square ring of frequencies that noise is restricted to, white on black.

    Args:
        axis: Where to draw.
        width: Of the ring, in units of π.
        centre: Its frequency, in units of π.
    """
    axis.set_facecolor("black")
    for half, colour in ((centre + width / 2, "white"), (centre - width / 2, "black")):
        axis.add_patch(Rectangle((-half, -half), 2 * half, 2 * half, color=colour, linewidth=0))
    ticks = np.array([-1, 0, 1])
    axis.set(xlim=(-1, 1), ylim=(-1, 1), xticks=ticks, yticks=ticks, title=f"mask at {centre:g}π")
    axis.set(xlabel="frequency (units of π)", ylabel="frequency (units of π)")
    axis.set_box_aspect(1)


def _panels(count: int, width: float, entries: int, *, mask: bool) -> tuple[Figure, list[Axes]]:
    stacked = width < NARROW
    height = (1.9 * count if stacked else 1.9) + 0.15 + 0.14 * legend_rows(entries, width)
    figure = Figure(figsize=(width, height), layout="constrained")
    if stacked:
        return figure, list(figure.subplots(count, 1, squeeze=False).flat)
    ratios = [0.75 if mask and not index else 1.0 for index in range(count)]
    return figure, list(figure.subplots(1, count, squeeze=False, width_ratios=ratios).flat)
