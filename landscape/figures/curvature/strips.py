"""Few values a network: each as a point in its row, with their mean and its interval, and no density."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.style.scales import limits, log_ticks
from landscape.numbers import plain_number

Mean = tuple[float, float, float]
"""A mean and the ends of its interval; NaN where they are not known."""


def strips(
    values: Mapping[str, np.ndarray],
    means: Mapping[str, Mean],
    said: Mapping[str, str],
    *,
    label: str,
    looks: Mapping[str, style.Look],
    width: float,
    log: bool,
) -> Figure:
    """A row for each network: its values, their mean with its interval, and what is said of it at the right.

    Args:
        values: Of each network, shape (N,).
        means: Of each network.
        said: Words at the right edge.
        label: What the values are.
        looks: Looks by name.
        width: In inches.
        log: Whether the axis is logarithmic.
    """
    figure = Figure(figsize=(width, 0.55 + 0.24 * len(values)), layout="constrained")
    axis = figure.subplots()
    for row, (name, each) in enumerate(values.items()):
        _row(axis, row, each, means[name], looks[name], name)
    drawn = np.concatenate([*values.values(), *map(np.asarray, means.values())])
    span = limits([drawn[drawn > 0] if log else drawn]) or (0.1 if log else 0.0, 1.0)
    if log:  # an interval that reaches zero or below leaves the axis at its left end
        axis.set_xscale("log")
        axis.set_xlim(span[0] / 1.15, span[1] * 1.15)
        ticks = log_ticks(*axis.get_xlim(), 5 if width < style.NARROW else 7)
        axis.set_xticks(ticks, labels=[plain_number(tick) for tick in ticks])
        axis.minorticks_off()
    else:
        axis.set_xlim(min(0.0, 1.05 * span[0]), 1.05 * max(span[1], 0.0) or 1.0)
        axis.axvline(0, color="0.6", linewidth=0.6, zorder=0, label="_zero")
    axis.set_xlabel(label + (" (log)" if log else ""))
    name_rows(axis, said, width)
    return figure


def _row(axis: Axes, row: int, values: np.ndarray, mean: Mean, look: style.Look, name: str) -> None:
    """The values of one network above their mean, which has the marker of the network."""
    point: dict[str, Any] = {"marker": "|", "linestyle": "none", "markersize": 5, "markeredgewidth": 0.7}
    axis.plot(values, np.full(values.size, row - 0.2), **point, color=look.colour, label=f"_{name}")
    middle, low, high = mean
    if np.isfinite(middle):
        known = np.isfinite(high - low)
        bars: dict[str, Any] = {"xerr": [[middle - low], [high - middle]]} if known else {}
        mark: dict[str, Any] = {"color": look.colour, "marker": look.marker, "markersize": 4, "capsize": 1.8}
        face = "white" if look.dropout else look.colour
        mark |= {"elinewidth": 0.9, "markerfacecolor": face, "label": name}
        axis.errorbar([middle], [row + 0.15], **mark, **bars)


def name_rows(axis: Axes, said: Mapping[str, str], width: float) -> None:
    """Names at the left of rows, and what is said of them at the right.

    Args:
        axis: A unit for each row.
        said: Words by name, in order.
        width: Of the figure in inches.
    """
    rows = range(len(said))
    right = axis.secondary_yaxis("right")
    axis.set_yticks(rows, labels=[style.short(name, 17 if width < style.NARROW else 26) for name in said])
    right.set_yticks(rows, labels=list(said.values()))
    for side in (axis, right):
        side.tick_params(axis="y", length=0)
    axis.set_ylim(len(said) - 0.5, -0.5)
    axis.grid(axis="y", color="0.92", linewidth=0.5)
    axis.set_axisbelow(True)
    right.spines[:].set_visible(False)
