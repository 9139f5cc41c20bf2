"""Training seen from its end, in polar coordinates (Park & Kim 2022b, Fig. 1b)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import by_name, with_notes
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style.groups import split


def _caption(results: Datasets) -> str:
    counts = {name: str(dataset.sizes["checkpoint"]) for name, dataset in results.items()}
    return with_notes(
        "Training seen from its last weights w*: r = ‖w − w*‖ / ‖w₀ − w*‖ against the angle between w − w* "
        "and w₀ − w*, over all parameters, from (1, 0°) to the origin (Park & Kim 2022b, Fig. 1b). On a "
        "straight path the angle stays 0°.",
        f"Checkpoints: {by_name(counts)}; the line between them is drawn, not measured.",
    )


def is_polar(dataset: xr.Dataset) -> bool:
    """Whether a trajectory has polar coordinates."""
    return "radius" in dataset and "angle" in dataset


@figure(
    kind="trajectory",
    title="Training seen from its end",
    caption=_caption,
    width=lambda paths: style.ONE_COLUMN,
    suits=is_polar,
    further=True,
    order=13,
)
def polar(paths: Datasets, *, width: float, looks: Looks) -> Figure:
    """Distance of checkpoints from the last weights against their direction, in polar coordinates.

    One line per network (Park & Kim 2022b, Fig. 1b).
    r_t = ‖w_t − w*‖ / ‖w_0 − w*‖, and θ_t is the angle between w_t − w* and w_0 − w*, so that training goes
    from (1, 0°) to the origin.

    Args:
        paths: Results of kind `trajectory` with `radius` and `angle`, by network name, or a single one.
        width: Width in inches; by default one ICML column.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind or has no polar coordinates.
    """
    absent = [name for name, dataset in paths.items() if not is_polar(dataset)]
    if absent:
        raise ResultError(f"no radius and angle are stored for {', '.join(absent)}; measure them again")
    half = any(np.nanmax(np.abs(dataset["angle"].values)) > np.pi / 2 for dataset in paths.values())
    labels = [style.short(name) for name in paths]
    across = (1 if width < style.NARROW else 3) + (max(map(len, labels)) < 16)
    groups = split(looks)
    titles = [group.title for group in groups]
    figure, axes = _panels(titles, width, half, 0.15 * ceil(len(paths) / across))
    for axis, group in zip(axes, groups, strict=True):
        for name, dataset in group.of(paths).items():
            angle, radius = polar_path(dataset)
            every = max(len(radius) // 8, 1)
            axis.plot(angle, radius, **looks[name].line, markevery=every, label=name, clip_on=False)
    end = max(float(np.nanmax(line.get_ydata())) for axis in axes for line in axis.lines)
    for axis in axes:
        _wedge(axis, half, 1.02 * max(1.0, end))
    style.legend_below(figure, [style.key(look) for look in looks.values()], labels, columns=across)
    return figure


def polar_path(dataset: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Angles and radii without gaps, shape (checkpoint,) each.

    At the end the radius is zero and the angle undefined: the line goes there as it came.
    """
    angle, radius = (dataset[name].values.astype(float) for name in ("angle", "radius"))
    known = np.flatnonzero(np.isfinite(angle))
    if known.size:
        last = known[np.maximum(np.searchsorted(known, np.arange(angle.size), side="right") - 1, 0)]
        angle = np.where(np.isfinite(angle) | (radius > 0), angle, angle[last])
    return angle, radius


def _panels(titles: Sequence[str], width: float, half: bool, legend: float) -> tuple[Figure, list[PolarAxes]]:
    """Halves or quarters of a disc, placed by hand: layout engines reserve room for the whole of it."""
    side, below = width - 0.9, 0.55
    each = (side / 2 if half else side) + below + 0.25 + 0.16 * bool(titles[0])
    height = len(titles) * each + legend
    figure = Figure(figsize=(width, height))
    sunk = side / 4 if half else 0  # matplotlib centres half a disc in a square
    axes = []
    for row, title in enumerate(reversed(titles)):
        figure.text(0.1 / width, (legend + (row + 1) * each - 0.03) / height, title, va="top", fontsize=7.5)
        bottom = legend + row * each + below - sunk
        place = (0.45 / width, bottom / height, side / width, side / height)
        axes.append(PolarAxes(figure, place))
        figure.add_axes(axes[-1])
    return figure, axes[::-1]


def _wedge(axis: PolarAxes, half: bool, end: float) -> None:
    """A quarter or half of a disc, as much as the lines need, up to the radius `end`."""
    axis.set_thetalim(0, np.pi if half else np.pi / 2)
    axis.set_thetagrids(range(0, 181 if half else 91, 30))
    axis.set_rlim(0, end)
    axis.set_rticks([0.25, 0.5, 0.75, 1.0], labels=["0.25", "0.5", "0.75", "1"])
    axis.tick_params(labelsize=6.5)  # these ticks are made when they are drawn, maybe outside the style
    where: dict[str, Any] = {"xytext": (0, -16), "textcoords": "offset points"}
    axis.annotate("r = ‖w − w*‖ / ‖w₀ − w*‖", (0, end / 2), **where, ha="center", va="top")
    axis.grid(color="0.88", linewidth=0.4)
