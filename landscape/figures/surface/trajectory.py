"""Where training went: its path on a plane, over contours of the loss (Li et al. 2018, Fig. 9)."""

from __future__ import annotations

from math import ceil
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import by_name, with_notes
from landscape.figures.registry import Datasets, figure, named
from landscape.figures.style.scales import scale
from landscape.figures.surface.grids import Cells, cells, first, label_of
from landscape.figures.surface.planes import colour_bar, colours_of, draw_plane, outline, plain_ticks
from landscape.figures.surface.words import axis_of, conditions, not_drawn
from landscape.numbers import plain_number

_NUMBERED = 7
_APART = 0.09  # numbers keep this distance, as a share of the panel


def _caption(
    results: Datasets, *, surfaces: xr.Dataset | Datasets | None = None, quantity: str = "nll"
) -> str:
    planes = _planes(results, surfaces)
    named_axes = dict.fromkeys(" and ".join(axis_of(d, w).name for w in "xy") for d in results.values())
    over = f" over contours of the {label_of(quantity, planes.values())}" if planes else ""
    off = {}
    for name, dataset in results.items():
        away, distance = (np.nanmax(dataset[key].values) for key in ("off_plane", "distance"))
        off[name] = f"{plain_number(float(away))} and {plain_number(float(distance))}"
    return with_notes(
        f"Training{over}: checkpoints in order, the first a square, the last a disc, some numbered "
        f"(Li et al. 2018, Fig. 9). Axes: {'; '.join(named_axes)}{_shares(results)}.",
        f"Largest distance off the plane, and from the origin: {by_name(off)}.",
        "The loss under a checkpoint is that of the plane, not its own." if planes else "",
        *(conditions(planes, quantity) if planes else ()),
        not_drawn(planes, quantity, "hatched", "left white within dots"),
    )


def _shares(results: Datasets) -> str:
    """Which share of the motion the axes explain, where it is known."""
    found = {}
    for name, dataset in results.items():
        shares = [explained(dataset, index) for index in (0, 1)]
        if all(share is not None for share in shares):
            found[name] = " and ".join(f"{100 * share:.2g} %" for share in shares if share is not None)
    return f"; they explain {by_name(found)} of the sum of ‖w − origin‖²" if found else ""


@figure(kind="trajectory", title="Path of training", caption=_caption, width=style.by_count, order=12)
def trajectory(
    paths: Datasets,
    *,
    surfaces: xr.Dataset | Datasets | None = None,
    quantity: str = "nll",
    width: float,
    log: bool | None = None,
    colour_map: str = "viridis",
) -> Figure:
    """Checkpoints of training on a plane through the weights.

    In the order of training, over contours of the loss (Li et al. 2018, Fig. 9).
    The first checkpoint is a square, the last one a disc, and a few are numbered. Axes say which share of
    the motion they explain.

    Args:
        paths: Results of kind `trajectory` by network name, or a single one.
        surfaces: Results of kind `surface` on the same planes, by the same names; some may be missing.
        quantity: Of the surfaces: `nll`, `l2`, `total`, `accuracy`, `ece` or `convexity`.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force logarithmic or linear levels; by default they follow from the range.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind, or a surface has no trajectory or lies on another plane.
    """
    grids = {name: cells(dataset, quantity) for name, dataset in _planes(paths, surfaces).items()}
    shared = scale((grid.drawn() for grid in grids.values()), log=log) if grids else None
    figure, axes, side = _panels(len(paths), width)
    colours = colours_of(shared, matplotlib.colormaps[colour_map])
    for axis, (name, dataset) in zip(axes, paths.items(), strict=True):
        if name in grids:
            draw_plane(axis, grids[name], shared, colours)
        _limits(axis, dataset, grids.get(name))
        _path(axis, dataset)
        axis.set_title(style.short(name, min(26, max(int(17 * side), 9))))
        axis.set_xlabel(axis_label(dataset, "x", 0, lines=side < 2.1))
        axis.set_ylabel(axis_label(dataset, "y", 1, lines=side < 2.1))
    if shared:
        colour_bar(figure, axes, colours, shared, label_of(quantity, _planes(paths, surfaces).values()))
    return figure


def explained(dataset: xr.Dataset, index: int) -> float | None:
    """Share of the squared distances that one axis explains; None if it is not known."""
    stored = dataset.get("explained_variance", dataset.attrs.get("explained_variance"))
    shares = np.ravel(np.asarray([] if stored is None else stored, dtype=float))
    return float(shares[index]) if index < shares.size and np.isfinite(shares[index]) else None


def axis_label(dataset: xr.Dataset, which: str, index: int, *, lines: bool = False) -> str:
    """Label of an axis: `first principal component (83 %), in ‖Δw‖`.

    Args:
        dataset: The trajectory.
        which: `x` or `y`.
        index: Its place among the explained shares.
        lines: Whether all but the name has a line of its own, for narrow panels.
    """
    found, share = axis_of(dataset, which), explained(dataset, index)
    if share is None:
        return found.label(lines=lines)
    unit = "; ".join(part for part in (found.unit, found.step) if part)
    said = f"({100 * share:.2g} %){f', in {unit}' if unit else ''}"
    return f"{found.name}{chr(10) if lines else ' '}{said}"


def numbered(places: np.ndarray, limit: int = _NUMBERED) -> list[int]:
    """Indices of the checkpoints whose numbers fit: the first, the last, and some between, spread evenly.

    Args:
        places: Positions as shares of the panel, shape (checkpoint, 2).
        limit: At most so many.
    """
    count = len(places)
    between = np.linspace(0, count - 1, min(limit, count)).round().astype(int)[1:-1]
    kept: list[int] = []
    for index in dict.fromkeys([0, count - 1, *between.tolist()]):
        if all(np.hypot(*(places[index] - places[other])) > _APART for other in kept):
            kept.append(index)
    return sorted(kept)


def _planes(paths: Datasets, surfaces: xr.Dataset | Datasets | None) -> dict[str, xr.Dataset]:
    """The surfaces by name, once they are known to have trajectories on the same planes."""
    if surfaces is None:
        return {}
    if isinstance(surfaces, xr.Dataset) and len(paths) == 1:
        surfaces = dict.fromkeys(paths, surfaces)
    planes = {name: first(dataset) for name, dataset in named(surfaces, "surface").items()}
    for name, plane in planes.items():
        if name not in paths:
            raise ResultError(f"the surface {name!r} has no trajectory; there are {', '.join(paths)}")
        for which in ("x", "y"):
            theirs, ours = (axis_of(dataset, which) for dataset in (plane, paths[name]))
            if (theirs.name, theirs.unit) != (ours.name, ours.unit):
                raise ResultError(
                    f"the surface of {name!r} lies on another plane than its trajectory: {which} is "
                    f"{theirs.label()!r}, not {ours.label()!r}; measure it along the trajectory's directions"
                )
    return planes


def _panels(count: int, width: float) -> tuple[Figure, list[Axes], float]:
    """Panels of their own axes, each with its label, and about the width of one (inches)."""
    across = 1 if width < 5 else style.columns(count)  # the labels are long
    side = (width - 1.2 - 0.55 * (across - 1)) / across
    down = ceil(count / across)
    figure = Figure(figsize=(width, down * (0.85 * side + 0.75) + 0.1), layout="constrained")
    axes = style.grid(figure, count, across)
    for axis in axes:
        plain_ticks(axis.xaxis, 5)
        plain_ticks(axis.yaxis, 5)
    return figure, axes, side


def _limits(axis: Axes, dataset: xr.Dataset, grid: Cells | None) -> None:
    """Limits that hold the whole path and the whole plane; a path alone keeps clear of the frame."""
    for which in ("x", "y"):
        values = dataset[which].values.astype(float)
        low, high = np.nanmin(values), np.nanmax(values)
        margin = 0.15 * (high - low) or 1.0
        low, high = low - margin, high + margin
        if grid is not None:
            plane = getattr(grid, which)
            # What the plane holds needs no margin of its own.
            low = plane.min() if values.min() >= plane.min() else low
            high = plane.max() if values.max() <= plane.max() else high
        axis.set(**{f"{which}lim": (low, high)})


def _path(axis: Axes, dataset: xr.Dataset) -> None:
    """The path, its ends, and the numbers of some checkpoints."""
    x, y = (dataset[which].values.astype(float) for which in ("x", "y"))
    line: dict[str, Any] = {"color": "black", "linewidth": 1.0, "marker": ".", "markersize": 3}
    axis.plot(x, y, **line, path_effects=outline("white", 2.2), zorder=4, label="path")
    end: dict[str, Any] = {"color": "white", "markeredgecolor": "black", "markersize": 4.5, "zorder": 5}
    for index, marker in ((0, "s"), (-1, "o")):
        axis.plot(x[index], y[index], marker, **end)
    spans = [np.ptp(axis.get_xlim()), np.ptp(axis.get_ylim())]
    places = np.stack([x, y], axis=1)
    names = dataset["checkpoint"].values if "checkpoint" in dataset.coords else np.arange(len(x))
    text: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": 6}
    for index in numbered(places / spans):
        aside = _aside(places / spans, index)
        effects = outline("white", 1.6)
        axis.annotate(str(names[index]), places[index], aside, **text, path_effects=effects, zorder=6)


def _aside(places: np.ndarray, index: int, distance: float = 7.0) -> tuple[float, float]:
    """Offset of a number, in points: at a right angle to the path, upwards."""
    before, after = places[max(index - 1, 0)], places[min(index + 1, len(places) - 1)]
    along = after - before
    size = np.hypot(*along)
    across = np.array([-along[1], along[0]]) / size if size > 0 else np.array([0.0, 1.0])
    across = across if across[1] >= 0 else -across
    return float(distance * across[0]), float(distance * across[1])
