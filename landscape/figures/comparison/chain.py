"""The chain of reasons: what each factor changed, link by link, with intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from landscape.comparison import Verdict
from landscape.comparison.changes import correction_in_words
from landscape.comparison.readings import LINKED
from landscape.comparison.verdicts import SAME
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.registry import VERDICTS, figure
from landscape.numbers import plain_number, written
from landscape.results.reading import LOG

LINKS = ("features", "ensemble", "spectrum", "flatness", "evaluation")
"""Kinds of results in the order of the chain: feature maps, spread, curvature, surface, predictions."""

_GOOD, _BAD, _NEUTRAL = style.PALETTE[0], style.PALETTE[1], "0.55"
_LARGEST = 50.0  # logarithm of a factor that is large enough for any figure
_BESIDE = 9  # names of more columns than this do not fit side by side
_WIDEST = 100.0  # per cent; wider intervals end in arrows, larger changes stand at the edge in numbers
Pairing = tuple[str, str, str]


def caption(found: Sequence[Verdict]) -> str:
    """Of either figure: what is compared, over what the intervals are, and what the words mean."""
    over = dict.fromkeys(f"{verdict.change.count} {verdict.change.over}" for verdict in found)
    factors = {pair[2]: pair[0] for pair in by_pair(found)}
    said = ", ".join(f"{variant} ({factor})" for variant, factor in factors.items())
    alone = all(verdict.change.over != "seeds" for verdict in found)
    return with_notes(
        "Change of each quantity from baseline to variant, in per cent of the baseline's size (of the "
        "amplitude itself where its logarithm is measured), in the order of the chain of reasons: feature "
        "maps, spread of predictions, curvature, loss surface, quality of predictions. Intervals are 95 %, "
        f"over {', '.join(over)}.",
        f"Factors: {said}.",
        _corrections(found),
        "Other seeds were not measured: the intervals are those of these networks." if alone else "",
        "As the papers expect: less of everything, except for a higher accuracy.",
    )


def _corrections(found: Sequence[Verdict]) -> str:
    """How verdicts are corrected for their number; empty where that is not recorded."""
    families = [verdict.family for verdict in found if verdict.family]
    words = [correction_in_words(family, families.count(family)) for family in dict.fromkeys(families)]
    return f"Significance is {'; '.join(words)}." if words else ""


@figure(
    kind=VERDICTS,
    title="Factor by factor",
    caption=caption,
    width=lambda found: style.ONE_COLUMN if len(by_pair(found)) == 1 else style.TWO_COLUMN,
    order=51,
)
def chain(found: Sequence[Verdict], *, width: float) -> Figure:
    """Changes of every quantity with their intervals, a panel per pair of networks.

    Relative change of every quantity, one panel per pair of networks, in the order of the chain.
    Discs: as the papers expect; squares: the opposite; open circles: not distinguishable. Bars are 95 %
    intervals; those that reach beyond ±100 % end in arrows, and changes beyond it stand there in numbers.

    Args:
        found: Verdicts of `landscape.comparison`, of one pair or several.
        width: Width in inches; by default two ICML columns, one for a single pair.

    Raises:
        ResultError: If there are none.
    """
    groups, rows = by_pair(found), ordered(found)
    across = 1 if width < style.NARROW else min(len(groups), 3)
    down = -(-len(groups) // across)
    figure = Figure(figsize=(width, down * (0.16 * len(rows) + 0.42) + 0.5), layout="constrained")
    axes = style.grid(figure, len(groups), across, sharex=True, sharey=True)
    for index, (axis, (pair, verdicts)) in enumerate(zip(axes, groups.items(), strict=True)):
        _panel(axis, verdicts, rows)
        axis.set_title(title(pair, 26 if across > 1 else 40))
        if index + across >= len(groups):
            axis.set_xlabel("change (%)")
    style.legend_below(figure, *legend(), columns=3 if width > style.NARROW else 1)
    return figure


@figure(kind=VERDICTS, title="All factors and quantities", caption=caption, order=50)
def overview(found: Sequence[Verdict], *, width: float) -> Figure:
    """Changes in per cent, pairs of networks against quantities.

    Pairs against quantities: the change in per cent, and whether it is what the papers expect.

    Args:
        found: Verdicts of `landscape.comparison`.
        width: Width in inches; by default two ICML columns.

    Raises:
        ResultError: If there are none.
    """
    groups, rows = by_pair(found), ordered(found)
    upright = len(rows) > _BESIDE
    figure = Figure(figsize=(width, 0.24 * len(groups) + (1.7 if upright else 1.3)), layout="constrained")
    axis = figure.subplots()
    for line, verdicts in enumerate(groups.values()):
        for verdict in verdicts:
            cell(axis, rows.index(verdict.quantity.name), line, verdict)
    room = 19 if upright else max(int(16 * width / len(rows)), 9)
    columns = [textwrap.fill(name, room, break_long_words=False) for name in rows]
    bare_table(axis, columns, [title(pair, 34) for pair in groups])
    if upright:
        axis.tick_params(axis="x", rotation=90)
    style.legend_below(figure, *legend(), columns=3)
    return figure


def bare_table(axis: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Names above the columns and beside the rows of a table without frame or ticks.

    Args:
        axis: Where it is drawn, a unit for each column and row.
        columns: Names.
        rows: Names.
    """
    axis.set_xlim(-0.5, len(columns) - 0.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xticks(range(len(columns)), labels=columns, fontsize=6)
    axis.set_yticks(range(len(rows)), labels=rows)
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    axis.spines[:].set_visible(False)


def by_pair(found: Sequence[Verdict]) -> dict[Pairing, list[Verdict]]:
    """Verdicts by factor, baseline and variant, in their order.

    Raises:
        ResultError: If there are none.
    """
    groups: dict[Pairing, list[Verdict]] = {}
    linked = {reading.name for reading in LINKED}
    for verdict in found:
        pair = verdict.pair
        if verdict.quantity.name in linked:
            groups.setdefault((pair.factor, *pair.labels), []).append(verdict)
    if not groups:
        raise ResultError("there are no verdicts: no two networks are one factor apart and measured alike")
    return groups


def ordered(found: Sequence[Verdict]) -> list[str]:
    """The quantities there are, in the order of the chain."""
    there = {verdict.quantity.name for verdict in found}
    links = [*LINKS, *(reading.kind for reading in LINKED if reading.kind not in LINKS)]
    readings = sorted(LINKED, key=lambda reading: links.index(reading.kind))
    return [reading.name for reading in readings if reading.name in there]


def title(pair: Pairing, limit: int) -> str:
    """A pair in words: `gap → gap-blur`."""
    return style.short(f"{pair[1]} → {pair[2]}", limit)


def relative(verdict: Verdict) -> tuple[float, float, float]:
    """Change and ends of its interval in per cent of the baseline's size; NaN where that is zero.

    Of logarithms it is the change of what they are logarithms of.
    """
    if verdict.quantity.scale == LOG:
        ends = (verdict.change.value, verdict.change.low, verdict.change.high)
        value, low, high = (100 * np.expm1(min(each, _LARGEST)) for each in ends)
        return float(value), float(low), float(high)
    size = abs(verdict.change.baseline)
    if not size:
        return np.nan, np.nan, np.nan
    change = verdict.change
    return 100 * change.value / size, 100 * change.low / size, 100 * change.high / size


def as_expected(verdict: Verdict) -> bool | None:
    """Whether a change is what the papers expect of smoothing; None if there is none to speak of."""
    if verdict.verdict == SAME:
        return None
    if verdict.quantity.kind not in LINKS:  # an analysis of one's own: less is what is expected
        return verdict.verdict == verdict.quantity.lower
    return verdict.verdict in ("flatter", "better", "smoother", "steadier")


def _panel(axis: Axes, verdicts: Sequence[Verdict], rows: Sequence[str]) -> None:
    axis.axvline(0, color="0.6", linewidth=0.6, zorder=1)
    for verdict in verdicts:
        value, low, high = relative(verdict)
        if not np.isfinite(value):
            continue
        row, expected = rows.index(verdict.quantity.name), as_expected(verdict)
        colour = _NEUTRAL if expected is None else _GOOD if expected else _BAD
        ends = np.clip([low, high], -_WIDEST, _WIDEST)
        axis.plot(ends, [row, row], color=colour, linewidth=1.0, zorder=2)
        for end, whole in zip(ends, (low, high), strict=True):
            if end != whole:
                axis.plot(end, row, ">" if whole > 0 else "<", color=colour, markersize=3, clip_on=False)
        marker, face = ("o", "white") if expected is None else ("o", colour) if expected else ("s", colour)
        place = np.clip(value, -_WIDEST, _WIDEST)
        axis.plot(place, row, marker, color=colour, markerfacecolor=face, markersize=3.5, zorder=3)
        if place != value:
            side = "right" if value > 0 else "left"
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            text = axis.text(0.92 * place, row, _percent(value), ha=side, va="center", bbox=ground)
            text.set(color=colour, fontsize=6)
    axis.set_yticks(range(len(rows)), labels=rows)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(-_WIDEST * 1.05, _WIDEST * 1.05)
    axis.set_xticks([-100, -50, 0, 50, 100])
    axis.grid(axis="y", color="0.92", linewidth=0.5)
    axis.set_axisbelow(True)


def cell(axis: Axes, column: int, line: int, verdict: Verdict) -> None:
    """The relative change at a place of a table, bold on a tint where it is distinguishable."""
    value, expected = relative(verdict)[0], as_expected(verdict)
    colour = _NEUTRAL if expected is None else _GOOD if expected else _BAD
    if expected is not None:
        axis.add_patch(_tile(column, line, colour, hatch="" if expected else "////"))
    known = np.isfinite(value) and abs(value) < 999.5
    text = _percent(value) if known else plain_number(verdict.change.value)
    weight, shade = ("normal", "0.45") if expected is None else ("bold", "black")
    axis.text(column, line, text, ha="center", va="center", fontsize=6.5, weight=weight, color=shade)


def _percent(value: float) -> str:
    """Whole per cents, tenths of small ones, with a true minus."""
    if value >= 999.5:
        return "> 999 %"
    return written(value, f"+.{0 if abs(value) >= 0.95 else 1}f") + " %"


def _tile(column: int, line: int, colour: str, hatch: str) -> Rectangle:
    return Rectangle(
        (column - 0.48, line - 0.45),
        0.96,
        0.9,
        # Mixed with white: transparency loses the hatching in SVG and in print.
        facecolor=_tinted(colour, 0.22),
        hatch=hatch,
        edgecolor=_tinted(colour, 0.45),
        linewidth=0,
    )


def _tinted(colour: str, share: float) -> tuple[float, ...]:
    """A colour mixed with white."""
    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def legend() -> tuple[list[Line2D], list[str]]:
    """What the colours of `chain`, `overview` and the map of conditions mean."""
    entries = {
        "as the papers expect": {"color": _GOOD, "marker": "o"},
        "the opposite": {"color": _BAD, "marker": "s"},
        "not distinguishable": {"color": _NEUTRAL, "marker": "o", "markerfacecolor": "white"},
    }
    handles = [
        Line2D([], [], linestyle="-", linewidth=1, markersize=3.5, **look)  # type: ignore[arg-type]
        for look in entries.values()
    ]
    return handles, list(entries)
