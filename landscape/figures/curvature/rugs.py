"""Curves above a rug of single values with a row for each network: spectra and spectral densities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from landscape.figures import style
from landscape.figures.style.groups import Group

_CURVES = 1.6
"""Inches of the axes for curves, with their title."""


def rug_panels(
    groups: Sequence[Group], width: float, *, below: float, sides: int = 1
) -> tuple[Figure, list[list[tuple[Axes, Axes]]]]:
    """For each group and side, an axis for curves above one for single values, a row for each network.

    All curves of a side share their axes.

    Args:
        groups: Of networks; one is below the other.
        width: In inches.
        below: Inches that labels and legend take.
        sides: How many pairs of axes a group has; of two, the second is twice as wide.

    Returns:
        The figure, and for each group the upper and the lower axis of each side.
    """
    rows = [0.09 * len(group.names) + 0.08 for group in groups]
    heights = [height for each in rows for height in (_CURVES, each)]
    layout = ConstrainedLayoutEngine(hspace=0.0, h_pad=0.02)
    figure = Figure(figsize=(width, sum(heights) + below), layout=layout)
    ratios = {"height_ratios": heights, "width_ratios": [1, 2] if sides == 2 else [1]}
    axes = figure.subplots(len(heights), sides, squeeze=False, sharex="col", gridspec_kw=ratios)
    for group, uppers, lowers in zip(groups, axes[::2], axes[1::2], strict=True):
        for lower in lowers:
            lower.set_ylim(len(group.names) - 0.3, -0.7)
            lower.spines["left"].set_visible(False)
            lower.set_yticks([])
        for upper, first in zip(uppers, axes[0], strict=True):
            upper.tick_params(axis="x", bottom=False, labelbottom=False)
            if upper is not first:
                upper.sharey(first)
    return figure, [
        list(zip(uppers, lowers, strict=True)) for uppers, lowers in zip(axes[::2], axes[1::2], strict=True)
    ]


def rug(axis: Axes, places: np.ndarray, row: int, look: style.Look) -> None:
    """A tick for each value, in the row of its network."""
    axis.plot(places, np.full(places.size, row), "|", color=look.colour, markersize=4.5, markeredgewidth=0.5)
