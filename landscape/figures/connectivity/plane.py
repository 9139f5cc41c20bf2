"""The plane through two networks and a bend or an aligned copy, with the paths on it."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.connectivity.connect import COLOURS, NAMES
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.scales import scale
from landscape.figures.surface.grids import Cells, cells
from landscape.figures.surface.planes import colour_bar, colours_of, draw_plane, outline
from landscape.numbers import plain_number

_FAR = 0.02
"""Share of the distance between the ends beyond which a path leaves the plane, and is not drawn."""


def _third(dataset: xr.Dataset) -> str:
    return (
        "the bend of the curve"
        if str(dataset.path.values[-1]) != "aligned"
        else "the aligned copy of the second"
    )


def _caption(results: Datasets) -> str:
    thirds = list(dict.fromkeys(_third(dataset) for dataset in results.values()))
    lengths = [plain_number(float(f"{float(dataset.distance[0, 0]):.3g}")) for dataset in results.values()]
    return with_notes(
        f"NLL on the plane through two networks (squares) and {' or '.join(thirds)} (disc), with the "
        "paths that lie "
        f"on it (Garipov et al. 2018). One unit is the distance of the networks, {', '.join(lengths)}.",
        "BatchNorm's statistics are estimated anew at every point.",
    )


@figure(
    kind="connect",
    title="Plane of a path",
    caption=_caption,
    width=style.by_count,
    suits=lambda dataset: "plane_nll" in dataset,
    further=True,
    order=21,
)
def connect_plane(networks: Datasets, *, width: float, colour_map: str = "viridis") -> Figure:
    """Contours of the loss on the plane through two networks, with the paths between them.

    The third point is the bend of the trained curve, or the aligned copy of the second network.

    Args:
        networks: Results of kind `connect` that hold a plane.
        width: Width in inches; by default one ICML column for one result, two for several.
        colour_map: A perceptually uniform colour map of matplotlib.

    Raises:
        ResultError: If a result is of another kind.
    """
    grids = {name: plane(dataset) for name, dataset in networks.items()}
    shared = scale(grid.drawn() for grid in grids.values())
    across = style.columns(len(grids), width)
    down = -(-len(grids) // across)
    side = (width - 1.0) / across
    drawn = Figure(figsize=(width, down * (0.8 * side + 0.4) + 0.3), layout="constrained")
    axes = style.grid(drawn, len(grids), across)
    colours = colours_of(shared, matplotlib.colormaps[colour_map])
    for axis, (name, grid) in zip(axes, grids.items(), strict=True):
        dataset = networks[name]
        draw_plane(axis, grid, shared, colours, numbers=False)  # names and paths lie there
        _paths(axis, dataset, names=len(grids) < 3)
        axis.set_aspect("equal")
        axis.set_title(style.short(str(dataset.pair.values[0]), max(int(16 * side), 14)))
    for index, axis in enumerate(axes):
        if index + across >= len(axes):
            axis.set_xlabel("from a to b (‖b − a‖)")
        if not index % across:
            axis.set_ylabel("at a right angle")
    if shared:
        colour_bar(drawn, axes, colours, shared, "NLL (nats)")
    keys = {
        str(line.get_label()): line
        for axis in axes
        for line in axis.lines
        if line.get_label() in NAMES.values()
    }
    style.legend_below(drawn, list(keys.values()), list(keys), columns=len(keys))
    return drawn


def plane(dataset: xr.Dataset) -> Cells:
    """The grid of a plane."""
    surface = xr.Dataset(
        {
            "nll": (("y", "x"), dataset.plane_nll.values),
            "done": (("y", "x"), np.isfinite(dataset.plane_nll.values)),
        },
        coords={"x": dataset.px.values, "y": dataset.py.values},
        attrs=dataset.attrs,
    )
    return cells(surface, "nll")


def _paths(axis: Axes, dataset: xr.Dataset, *, names: bool) -> None:
    distance = float(dataset.distance[0, 0])
    for k, name in enumerate(map(str, dataset.path.values)):
        if float(dataset.path_off.values[k].max()) > _FAR * distance:
            continue
        x, y = dataset.path_x.values[k], dataset.path_y.values[k]
        line: dict[str, Any] = {"color": COLOURS[name], "linewidth": 1.2, "zorder": 4, "label": NAMES[name]}
        axis.plot(x, y, **line, path_effects=outline("white", 2.4))
    end: dict[str, Any] = {"color": "white", "markeredgecolor": "black", "markersize": 4.5, "zorder": 5}
    for x, y, marker in zip(dataset.mark_x.values, dataset.mark_y.values, "sso", strict=True):
        axis.plot(x, y, marker, **end, label="_mark")
    ends = [str(dataset.a.values[0]), str(dataset.b.values[0])] if names else []
    for name, x, y, side in zip(
        ends, dataset.mark_x.values, dataset.mark_y.values, ("left", "right"), strict=False
    ):
        text = axis.annotate(
            style.short(name, 12),
            (x, y),
            (0, -8),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=6,
        )
        text.set_path_effects(outline("white", 1.6))
