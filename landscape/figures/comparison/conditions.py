"""The map of conditions: one table a quantity, conditions against factors."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.comparison.conditional import REFERENCE, Conditioned
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.comparison.chain import bare_table, cell, legend
from landscape.figures.registry import VERDICTS, figure
from landscape.numbers import written

_QUANTITIES = ("largest Hessian eigenvalue", "curvature along random directions")
_ROW = 0.19
"""Height of a row in inches."""


def _one_at_a_time(found: Sequence[Conditioned]) -> list[Conditioned]:
    return [each for each in found if not (each.measured and each.trained)]


def _caption(found: Sequence[Conditioned]) -> str:
    """What is compared, over what the intervals are, and what the conditions mean."""
    found = _one_at_a_time(found)
    over = dict.fromkeys(f"{each.verdict.change.count} {each.verdict.change.over}" for each in found)
    pairs = dict.fromkeys((each.factor, *each.verdict.pair.labels) for each in found)
    said = "; ".join(f"{factor}: {first} → {second}" for factor, first, second in pairs)
    return with_notes(
        "Change of the mean largest Hessian eigenvalue of mini-batches, and of the mean second derivative of "
        "the NLL along random filter-normalised directions, from baseline to variant, in per cent of the "
        f"baseline. The row “{REFERENCE}” is the usual measurement; each other one differs from it in what "
        "it says.",
        f"Bold on a tint: the 95 % interval, over {', '.join(over)}, excludes no change; hatched: sharper. "
        f"Cells are exploratory: each by itself, not corrected for how many there are. {said}.",
    )


@figure(kind=VERDICTS, title="Changes by condition", caption=_caption, order=53)
def conditions(found: Sequence[Conditioned], *, width: float) -> Figure:
    """Changes of the landscape in per cent, conditions against factors.

    The change in per cent of two measures of the landscape, by condition and factor.
    One condition at a time: changes under two at once are left to text and tables. Blue: flatter, as the
    papers expect of all factors; hatched orange: sharper; grey: not distinguishable. Cells are exploratory.

    Args:
        found: Of `landscape.comparison.conditional`.
        width: Width in inches; by default two ICML columns.

    Raises:
        ResultError: If there is nothing to draw.
    """
    one = _one_at_a_time(found)
    tables = {name: [each for each in one if each.verdict.quantity.name == name] for name in _QUANTITIES}
    tables = {name: table for name, table in tables.items() if table}
    if not tables:
        raise ResultError("no change of the landscape was measured; `landscape compare --conditions` does")
    columns = list(dict.fromkeys((each.factor, each.dropout) for each in one))
    rows = {name: list(dict.fromkeys(each.condition for each in table)) for name, table in tables.items()}
    heights = [len(rows[name]) + 3.6 for name in tables]
    figure = Figure(figsize=(width, _ROW * sum(heights) + 0.45), layout="constrained")
    axes = style.grid(figure, len(tables), 1, gridspec_kw={"height_ratios": heights})
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        _table(axis, table, rows[name], columns, width)
        axis.set_title(name, loc="left")
    style.legend_below(figure, *legend(), columns=3)
    return figure


def _table(
    axis: Axes,
    table: Sequence[Conditioned],
    rows: Sequence[str],
    columns: Sequence[tuple[str, float]],
    width: float,
) -> None:
    for each in table:
        cell(axis, columns.index((each.factor, each.dropout)), rows.index(each.condition), each.verdict)
    room = max(int(16 * width / len(columns)), 8)
    bare_table(axis, [textwrap.fill(_named(*each), room) for each in columns], rows)
    axis.tick_params(labelsize=6)
    for line in range(1, len(rows)):
        axis.axhline(line - 0.5, color="0.9", linewidth=0.5, zorder=0)


def _named(factor: str, dropout: float) -> str:
    return f"{factor}, MC dropout {dropout:g}" if dropout else factor


_SMALL = 0.05


def _correlated_caption(dataset: xr.Dataset) -> str:
    """Of the figure."""
    counts = dataset["networks"].values
    most = sorted({int(count) for count in counts[np.isfinite(dataset["correlation"].values)]})
    span = f"{most[0]}" if len(most) == 1 else f"{most[0]} to {most[-1]}"
    seeds = dataset.attrs.get("seeds")
    each = f", each the mean over {seeds} seeds" if seeds else ""
    return with_notes(
        f"Spearman's rank correlation between the mean quantities of {span} networks{each}; bold where the "
        "p-value by permutation of the networks is under 0.05, without correction for the number of pairs. "
        "The networks are few and related: a correlation here shows no cause."
    )


@figure(
    kind=VERDICTS,
    title="Links of the chain",
    caption=_correlated_caption,
    width=lambda found: style.ONE_COLUMN,
    order=52,
)
def correlations(dataset: xr.Dataset, *, width: float) -> Figure:
    """Rank correlations between quantities, across networks.

    Spearman's ρ between quantities, lower triangle; bold where its p-value by permutation is under 0.05.

    Args:
        dataset: Of `landscape.comparison.correlations`.
        width: Width in inches; by default one ICML column.
    """
    dataset = _correlated(dataset)
    names = [str(name) for name in dataset["quantity_a"].values]
    narrow = width < style.NARROW
    figure = Figure(figsize=(width, width * 0.92), layout="constrained")
    axis = figure.subplots()
    scale = Normalize(-1, 1)
    colours = ScalarMappable(scale, "RdBu_r")
    values, below = dataset["correlation"].values, np.tri(len(names), k=-1, dtype=bool)
    shown = np.where(below, values, np.nan)[1:, :-1]
    axis.imshow(shown, cmap=colours.cmap, norm=scale, aspect="auto")
    letters: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6 if narrow else 7}
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            weight = "bold" if dataset["p_value"].values[row + 1, column] < _SMALL else "normal"
            colour = "white" if abs(value) > 0.75 else "black"
            text = _signed(value, 1).replace("+", "").replace("0.", ".") if narrow else _signed(value, 2)
            axis.text(column, row, text, **letters, weight=weight, color=colour)
    # Names in two lines need room beside them.
    labels = [textwrap.fill(name, 18 if width / len(names) > 0.4 else 40) for name in names]
    axis.set_xticks(range(len(names) - 1), labels=labels[:-1], rotation=90, fontsize=6)
    axis.set_yticks(range(len(names) - 1), labels=labels[1:], fontsize=6)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    if not narrow:  # where the cells need the room, their numbers say what the colours mean
        style.colour_bar(figure, colours, "rank correlation ρ", ax=axis, aspect=30, pad=0.02, shrink=0.9)
    return figure


def _correlated(dataset: xr.Dataset) -> xr.Dataset:
    """Without quantities that too few networks have for a correlation with any other."""
    values = dataset["correlation"].values
    kept = np.flatnonzero((np.isfinite(values) & ~np.eye(len(values), dtype=bool)).any(1))
    return dataset.isel(quantity_a=kept, quantity_b=kept)


def _signed(value: float, digits: int) -> str:
    """With a true minus, and no sign before zero."""
    text = written(value, f"+.{digits}f")
    return text if float(f"{value:.{digits}f}") else text[1:]
