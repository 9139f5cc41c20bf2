"""Loss and accuracy along the paths between networks."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.figures import style
from landscape.figures.captions import option, with_notes
from landscape.figures.registry import Datasets, figure
from landscape.figures.style.roles import PALETTE
from landscape.figures.surface.planes import plain_ticks
from landscape.numbers import plain_number

MOST = 6
"""Pairs that are drawn; the matrices show all."""
COLOURS = {"linear": PALETTE[6], "aligned": PALETTE[0], "bezier": PALETTE[1], "polygon": PALETTE[2]}
MARKERS = {"linear": "o", "aligned": "s", "bezier": "^", "polygon": "D"}
NAMES = {"linear": "line", "aligned": "aligned line", "bezier": "Bézier curve", "polygon": "polygonal chain"}
_QUANTITIES = {"nll": "NLL (nats)", "accuracy": "accuracy"}


def rows(results: Datasets) -> Iterator[tuple[str, xr.Dataset]]:
    """Each pair of every result, with a title."""
    for dataset in results.values():
        for index in range(dataset.sizes["pair"]):
            one = dataset.isel(pair=index)
            yield f"{one.a.item()} – {one.b.item()}", one


def _caption(results: Datasets) -> str:
    said = []
    for title, one in list(rows(results))[:MOST]:
        heights = [
            f"{NAMES[str(name)]} {plain_number(float(one.barrier[k, 0]))} ± "
            f"{plain_number(float(f'{2 * float(one.barrier_standard_error[k, 0]):.2g}'))}"
            for k, name in enumerate(one.path.values)
        ]
        said.append(f"{title}: {', '.join(heights)}")
    first = next(iter(results.values()))
    sides = [str(side) for side in first.side.values]
    other = f", dashed on the {sides[1]} split" if len(sides) > 1 else ""
    count = sum(dataset.sizes["pair"] for dataset in results.values())
    repaired = any(option(dataset, "repair") for dataset in results.values())
    return with_notes(
        f"NLL and accuracy along paths between networks, on the {sides[0]} split{other}; bands are ± "
        "two standard "
        f"errors over samples. Barriers there, in nats, ± two standard errors: {'; '.join(said)}.",
        "BatchNorm's statistics are estimated anew at every point, ends included.",
        "On the aligned line means and spreads of units are put right (REPAIR)." if repaired else "",
        f"The first {MOST} of {count} pairs." if count > MOST else "",
    )


@figure(kind="connect", title="Paths between networks", caption=_caption, order=20)
def connect(networks: Datasets, *, width: float) -> Figure:
    """Loss and accuracy along paths between networks.

    A row for each pair: the straight line, the line to the aligned copy, and the trained curve, with bands of
    ± two standard errors over samples, on both splits where both were measured.

    Args:
        networks: Results of kind `connect`.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.

    Raises:
        ResultError: If a result is of another kind.
    """
    shown = list(rows(networks))[:MOST]
    quantities = [name for name in _QUANTITIES if all(name in one for _, one in shown)]
    across = len(quantities) if width >= style.NARROW else 1
    down = ceil(len(shown) * len(quantities) / across)
    drawn = Figure(figsize=(width, down * 1.75 + 0.6), layout="constrained")
    axes = drawn.subplots(down, across, squeeze=False, sharex=True).flat
    names = list(dict.fromkeys(str(name) for _, one in shown for name in one.path.values))
    for row, (title, one) in enumerate(shown):
        for column, quantity in enumerate(quantities):
            axis = axes[row * len(quantities) + column]
            _panel(axis, one, quantity)
            axis.set_title(style.short(title, 34) if len(shown) > 1 or not column else "")
            axis.set_ylabel(_QUANTITIES[quantity])
    for axis in list(axes)[-across:]:
        axis.set_xlabel("share t of the way")
    for axis in drawn.axes[-across:]:
        axis.set_xlabel("share t of the way")
    _legend(drawn, names, [str(side) for side in shown[0][1].side.values])
    return drawn


def _panel(axis: Axes, one: xr.Dataset, quantity: str) -> None:
    t = one.t.values.astype(float)
    for k, name in enumerate(map(str, one.path.values)):
        for s in reversed(range(one.sizes["side"])):
            values = one[quantity].values[k, s].astype(float)
            spread = 2 * one[f"{quantity}_standard_error"].values[k, s].astype(float)
            shape: dict[str, Any] = {
                "color": COLOURS[name],
                "linestyle": "--" if s else "-",
                "linewidth": 1.1,
            }
            shape |= {"marker": MARKERS[name], "markersize": 2.6, "markerfacecolor": "white" if s else None}
            axis.plot(t, values, **shape, zorder=3 - s, label=f"_{name}")
            if np.isfinite(spread).any():
                axis.fill_between(
                    t,
                    values - spread,
                    values + spread,
                    color=COLOURS[name],
                    alpha=0.08 if s else 0.18,
                    linewidth=0,
                )
    axis.margins(x=0.02)
    plain_ticks(axis.xaxis, 5)
    plain_ticks(axis.yaxis, 4)


def _legend(drawn: Figure, names: list[str], sides: list[str]) -> None:
    keys = [
        Line2D([], [], color=COLOURS[name], marker=MARKERS[name], markersize=3, linewidth=1.1)
        for name in names
    ]
    labels = [NAMES[name] for name in names]
    if len(sides) > 1:
        keys += [Line2D([], [], color="0.3", linestyle=dash, linewidth=1.1) for dash in ("-", "--")]
        labels += [f"{side} split" for side in sides]
    across = len(keys) if drawn.get_figwidth() >= style.NARROW else 2
    style.legend_below(drawn, keys, labels, columns=across)
