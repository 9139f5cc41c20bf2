"""The fair test of flattening: its steps with their intervals, and curvature along the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.comparison.flattening import OPEN, STEPS, Step
from landscape.comparison.way import ARMS, FITTED, Point
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import with_notes
from landscape.figures.registry import VERDICTS, figure
from landscape.figures.style import curves as lines

_ROW = 0.19
"""Height of a row in inches."""
_ORDER = ("gap", "gap-blur", "mlp")
"""As the looks of networks without a configuration are given."""


def _steps_caption(found: Sequence[Step]) -> str:
    most = max(len(each.seeds) for each in found)
    return with_notes(
        "Change of each measure of the landscape over the two steps of smoothing, in per cent of the "
        f"baseline, paired by seed: ticks are the {most} seeds, marks geometric means, bars 95 % intervals. "
        "Filled: significant after correction.",
        "The primary measure is corrected for its two steps (Holm), the others together (false discovery "
        "rate); bars are those of each comparison by itself, and are cut at the edges.",
    )


@figure(kind=VERDICTS, title="Steps of flattening", caption=_steps_caption, order=55)
def flattening(found: Sequence[Step], *, width: float) -> Figure:
    """What each step of smoothing did to every measure of the landscape, with its seeds and interval.

    One panel a step, one row a measure, the primary one first.

    Args:
        found: Of `landscape.comparison.flattening.steps`.
        width: Width in inches; by default two ICML columns.

    Raises:
        ResultError: If nothing was measured of both sides of a step.
    """
    logged = [each for each in found if each.measure.logged]
    if not logged:
        raise ResultError("no step was measured on both sides; `landscape reproduce --size fair` does that")
    rows = list(dict.fromkeys(each.measure.name for each in logged))
    drawing = Figure(figsize=(width, _ROW * len(rows) + 0.6), layout="constrained")
    axes = drawing.subplots(1, len(STEPS), sharey=True, sharex=True)
    for axis, step in zip(axes, STEPS, strict=True):
        for each in logged:
            if each.step == step:
                _row(axis, rows.index(each.measure.name), each)
        axis.axvline(0, color="0.6", linewidth=0.6, zorder=0)
        axis.set(title=step, xlabel="change (%)")
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="y", color="0.92", linewidth=0.5)
        axis.set_axisbelow(True)
    axes[0].set_yticks(range(len(rows)), labels=rows)
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    _span(axes[0], logged)
    return drawing


def _row(axis: Axes, row: int, each: Step) -> None:
    """One comparison: a tick for each seed, and the mean with its interval."""
    change = each.change
    colour = style.looks(["gap"])["gap"].colour if each.verdict != OPEN else "0.35"
    face = colour if each.verdict != OPEN else "white"
    ticks: dict[str, Any] = {"marker": "|", "linestyle": "none", "markersize": 4, "color": colour}
    axis.plot(each.ratios, np.full(len(each.ratios), row - 0.22), **ticks, markeredgewidth=0.7)
    known = math.isfinite(change.low)
    bars = [[change.value - change.low], [change.high - change.value]] if known else None
    mark: dict[str, Any] = {"marker": "o", "markersize": 3.4, "markerfacecolor": face, "color": colour}
    axis.errorbar(change.value, row + 0.1, xerr=bars, **mark, elinewidth=0.9, capsize=1.5)


def _span(axis: Axes, found: Sequence[Step]) -> None:
    """Logarithms as per cent: marks at round changes, and an axis that holds every mean and seed."""
    drawn = [value for each in found for value in (*each.ratios, each.change.value)]
    ends = [math.log(0.5), *drawn, math.log(2)]
    low, high = min(ends), max(ends)
    shares = [-95, -90, -80, -65, -50, -30, 0, 50, 150, 400, 900, 1900]
    inside = [share for share in shares if low - 0.1 <= math.log1p(share / 100) <= high + 0.1]
    labels = [f"{share:+d}".replace("-", "−") if share else "0" for share in inside]
    axis.set_xticks([math.log1p(share / 100) for share in inside], labels=labels)
    axis.set_xlim(low - 0.15, high + 0.15)


def _way_caption(points: Sequence[Point]) -> str:
    seeds = len({point.seed for point in points})
    return with_notes(
        "Mean largest Hessian eigenvalue of mini-batches against the training NLL, dropout on, and against "
        f"the epoch: one line for each network, {seeds} seed{'s' if seeds > 1 else ''} an arm.",
        "Training runs from right to left in the first panel; the mark is its end.",
    )


@figure(kind=VERDICTS, title="Curvature along training", caption=_way_caption, order=56)
def flattening_way(points: Sequence[Point], *, width: float) -> Figure:
    """The largest eigenvalue along training, against the fit and against the epoch.

    One line a network; arms share a colour.

    Args:
        points: Of `landscape.comparison.way.along`.
        width: Width in inches; by default two ICML columns.

    Raises:
        ResultError: If there are none.
    """
    if not points:
        raise ResultError(
            "nothing was measured along a training; `landscape reproduce --size fair` does that"
        )
    arms = list(dict.fromkeys(point.arm for point in points))
    looks = style.looks(sorted(arms, key=_place))
    rows = lines.legend_rows(len(arms), width)
    drawing = Figure(figsize=(width, 0.36 * width + 0.14 * rows), layout="constrained")
    axes = drawing.subplots(1, 2, sharey=True)
    for (arm, _), own in groupby(points, key=lambda point: (point.arm, point.seed)):
        way = list(own)
        values = [point.eigenvalue for point in way]
        look: dict[str, Any] = {"color": looks[arm].colour, "linewidth": 0.9}
        for axis, along in zip(axes, ("nll", "epoch"), strict=True):
            places = [getattr(point, along) for point in way]
            axis.plot(places, values, **look)
            axis.plot(places[-1], values[-1], **looks[arm].line, markersize=3.6)
    axes[0].set(xscale="log", yscale="log", xlabel="training NLL (nats, log)")
    axes[0].set_ylabel("largest eigenvalue (log)")
    axes[1].set_xlabel("epoch")
    for axis in axes:
        lines.label_logarithm(axis)
    named = {ARMS.get(arm, arm): looks[arm] for arm in arms}
    lines.legend(drawing, named, width)
    return drawing


def _curves_caption(curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    return (
        f"Training NLL, dropout on, of {len(curves)} networks against the epoch, the mean over each epoch "
        "while it went on; dotted: 0.05."
    )


@figure(kind=VERDICTS, title="Training", caption=_curves_caption, order=57)
def training_curves(curves: Mapping[str, Sequence[tuple[int, float]]], *, width: float) -> Figure:
    """The training NLL of every network against the epoch.

    One line a network; arms share a colour.

    Args:
        curves: Epochs and training NLL by network, as `gap-seed0`.
        width: Width in inches; by default two ICML columns.
    """
    arms = {name: name.partition("-seed")[0] for name in curves}
    order = sorted(dict.fromkeys(arms.values()), key=_place)
    looks = style.looks(order)
    drawing = Figure(figsize=(width, 0.36 * width), layout="constrained")
    axis = drawing.subplots()
    for name, rows in curves.items():
        axis.plot(*zip(*rows, strict=True), color=looks[arms[name]].colour, linewidth=0.9)
    axis.axhline(FITTED, color="0.5", linestyle=":", linewidth=0.8)
    axis.set(yscale="log", xlabel="epoch", ylabel="training NLL (nats, log)")
    lines.label_logarithm(axis)
    lines.legend(drawing, {ARMS.get(arm, arm): looks[arm] for arm in order}, width)
    return drawing


def _place(arm: str) -> int:
    return _ORDER.index(arm) if arm in _ORDER else len(_ORDER)
