"""How measures go with test accuracy over a grid of networks: rank correlations with their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from landscape.comparison.phase import Trend, trends
from landscape.figures import style
from landscape.figures.captions import by_name, with_notes
from landscape.figures.phase.maps import own_protocol
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.results.phases import MEASURES


def _caption(results: Datasets) -> str:
    cells = {}
    for name, dataset in results.items():
        counts = sorted({each.cells for each in trends(dataset).values() if np.isfinite(each.value)})
        cells[name] = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return with_notes(
        "Spearman's rank correlation of each measure with test accuracy, over cells of a grid: "
        f"{by_name(cells)}. Bars are 95 % intervals (Bonett & Wright 2000).",
        "The intervals take cells for independent draws; those of a grid were chosen, and neighbours are "
        "alike.",
    )


@figure(
    kind="phase",
    title="Trends with test accuracy",
    caption=_caption,
    width=lambda found: style.ONE_COLUMN if len(found) == 1 else style.TWO_COLUMN,
    heads=own_protocol,
    further=True,
    order=62,
)
def phase_trends(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Rank correlations of local and global measures with test accuracy, with their intervals.

    One row a measure, one mark a grid of networks.

    Args:
        networks: Results of kind `phase` by name, or a single one.
        width: Width in inches; by default one ICML column for one result, two for several.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or no measure shares four cells with test accuracy.
    """
    found = {name: trends(dataset) for name, dataset in networks.items()}
    rows = _rows(found)
    line = 0.1 + 0.07 * len(found)
    height = line * len(rows) + 0.45 + 0.14 * curves.legend_rows(len(found), width)
    drawing = Figure(figsize=(width, height), layout="constrained")
    axis = drawing.subplots()
    for index, (name, own) in enumerate(found.items()):
        shift = 0.7 * ((index + 0.5) / len(found) - 0.5)
        there = [(row, own[each]) for row, each in enumerate(rows) if each in own]
        there = [(row, each) for row, each in there if np.isfinite(each.value)]
        values = np.array([each.value for _, each in there])
        ends = np.array([(each.interval.low, each.interval.high) for _, each in there]).reshape(-1, 2)
        look: dict[str, Any] = {
            "color": looks[name].colour,
            "marker": looks[name].marker,
            "linestyle": "none",
        }
        places = np.array([row + shift for row, _ in there])
        bars = np.abs([values - ends[:, 0], ends[:, 1] - values])
        face = "white" if looks[name].dropout else looks[name].colour
        more: dict[str, Any] = {
            "markersize": 3.2,
            "elinewidth": 0.9,
            "capsize": 1.5,
            "markerfacecolor": face,
            "label": name,
        }
        axis.errorbar(values, places, xerr=bars, **look, **more)
    axis.axvline(0, color="0.6", linewidth=0.6, zorder=0, label="_zero")
    axis.set_yticks(range(len(rows)), labels=[_label(row) for row in rows])
    axis.set(xlim=(-1.02, 1.02), ylim=(len(rows) - 0.5, -0.5), xlabel="rank correlation with test accuracy")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", color="0.92", linewidth=0.5)
    axis.set_axisbelow(True)
    curves.legend(drawing, {name: looks[name] for name in found}, width)
    return drawing


def _rows(found: dict[str, dict[str, Trend]]) -> list[str]:
    """Measures that any of the grids has, ours in their order and then others."""
    there = dict.fromkeys(name for own in found.values() for name in own)
    return [*(name for name in MEASURES if name in there), *(name for name in there if name not in MEASURES)]


def _label(name: str) -> str:
    """The measure in words, with what tells it from another one of that name."""
    measure = MEASURES.get(name)
    if measure is None:
        return style.short(name, 22)
    units = {"mc_train_err": " (training error)", "mc_train_nll": " (training loss)"}
    return measure.label + units.get(name, "")
