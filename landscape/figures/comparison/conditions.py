"""The map of conditions: one table a quantity, conditions against factors."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.comparison.conditional import REFERENCE, Conditioned
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.comparison.chain import bare_table, cell, legend
from landscape.figures.registry import VERDICTS, figure

_QUANTITIES = ("largest Hessian eigenvalue", "curvature along random directions")
_ROW = 0.19
"""Height of a row in inches."""


def _one_at_a_time(found: Sequence[Conditioned]) -> list[Conditioned]:
    return [each for each in found if not (each.measured and each.trained)]


def caption(found: Sequence[Conditioned]) -> str:
    """What is compared, over what the intervals are, and what the conditions mean."""
    found = _one_at_a_time(found)
    over = dict.fromkeys(f"{each.verdict.change.count} {each.verdict.change.over}" for each in found)
    pairs = dict.fromkeys((each.factor, *each.verdict.pair.labels) for each in found)
    said = "; ".join(f"{factor}: {first} → {second}" for factor, first, second in pairs)
    return (
        "Change of the mean largest Hessian eigenvalue of mini-batches, and of the mean second derivative of "
        "the NLL along random filter-normalised directions, from baseline to variant, in per cent of the "
        f"baseline. The row “{REFERENCE}” is the usual measurement; each other one differs from it in what "
        "it says. Bold on a tint: the 95 % interval excludes no change; hatched: sharper. Intervals are over "
        f"{', '.join(over)}. "
        f"Cells are exploratory: each by itself, not corrected for how many there are. {said}."
    )


@figure(kind=VERDICTS, title="Changes by condition", caption=caption, order=53)
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
    bare_table(axis, [textwrap.fill(_named(*each), room) for each in columns], rows, 6)
    axis.tick_params(labelsize=6)
    for line in range(1, len(rows)):
        axis.axhline(line - 0.5, color="0.9", linewidth=0.5, zorder=0)


def _named(factor: str, dropout: float) -> str:
    return f"{factor}, MC dropout {dropout:g}" if dropout else factor
