"""The loss along a line through the weights, one curve a network (Goodfellow et al. 2015; Li et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from landscape.figures import style
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.scales import is_wide, limits, log_ticks, plain_number
from landscape.figures.style.units import Axis
from landscape.figures.style.units import axis as axis_of
from landscape.figures.surface.grids import QUANTITIES, Profile, profile
from landscape.figures.surface.hatching import NOT_FINITE

_MARKS = 8  # markers on a curve, to tell it from others in grey


def lines(
    datasets: Datasets,
    *,
    quantity: str = "nll",
    width: float | None = None,
    log: bool | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """One quantity along a line, with a panel for the accuracy where it was measured.

    Bands are ± two standard errors over samples. Of several directions, each is a thin line, the mean a thick
    one, and the band is ± one standard deviation over directions. Points that are not finite are gaps, with a
    cross at the upper edge; those not computed yet are left out.

    Args:
        datasets: Results of kind `surface` with the dimension `x` alone, by network name, or a single one.
        quantity: `nll`, `l2`, `total`, `accuracy`, `ece` or `convexity`.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        log: Force a logarithmic or linear axis of the quantity; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, has no such quantity, or is not a line.
    """
    surfaces = named(datasets, "surface")
    chosen = style.looks_for(list(surfaces), looks)
    shown = {quantity: {name: profile(dataset, quantity) for name, dataset in surfaces.items()}}
    if quantity != "accuracy" and all("accuracy" in dataset for dataset in surfaces.values()):
        found = {name: profile(dataset, "accuracy") for name, dataset in surfaces.items()}
        if any(np.isfinite(each.drawn()).any() for each in found.values()):
            shown["accuracy"] = found
    total = width or style.TWO_COLUMN
    found_axes = {name: axis_of(dataset, "x") for name, dataset in surfaces.items()}
    labels = entries(found_axes)
    columns = 1 if total < 5 else 3 if max(map(len, labels)) < 31 else 2
    with style.context():
        figure, axes = _panels(len(shown), total, -(-len(surfaces) // columns))
        for axis, (what, profiles) in zip(axes, shown.items(), strict=True):
            for row, (name, each) in enumerate(profiles.items()):
                _curve(axis, each, chosen[name], name, row)
            _scale(axis, what, profiles.values(), log)
        _label(axes, found_axes, stacked=total < 5)
        keys = [style.key(chosen[name]) for name in surfaces]
        style.legend_below(figure, keys, labels, columns=columns)
    return figure


def entries(axes: Mapping[str, Axis]) -> list[str]:
    """Legend entries: the names, with the length of a unit where it is not the same for all."""
    if len({axis.length for axis in axes.values()}) == 1:
        return [style.short(name) for name in axes]
    return [
        f"{style.short(name)} ({axis.step})" if axis.step else style.short(name)
        for name, axis in axes.items()
    ]


def _panels(count: int, width: float, rows: int) -> tuple[Figure, list[Axes]]:
    """Panels side by side, or stacked if narrow, above a legend of so many rows."""
    stacked = width < 5
    height = (1.9 * count if stacked else 2.3) + 0.4 + 0.15 * rows
    figure = Figure(figsize=(width, height), layout="constrained")
    shape = (count, 1) if stacked else (1, count)
    return figure, list(figure.subplots(*shape, sharex=True, squeeze=False).flat)


def _curve(axis: Axes, line: Profile, look: style.Look, name: str, row: int) -> None:
    """One network: thin lines for its directions if there are several, the mean, the band, and crosses."""
    values, spread, there = line.drawn()[0], 2 * line.error[0], line.done.any(axis=0)
    if len(line.values) > 1:
        for each, done in zip(line.drawn(), line.done, strict=True):
            axis.plot(line.x[done], each[done], color=look.colour, linewidth=0.35, alpha=0.7, label="_repeat")
        values, spread = line.mean_and_spread()
        there = line.done[line.done.any(axis=1)].all(axis=0)
    every = max(int(np.sum(there)) // _MARKS, 1)
    axis.plot(
        line.x[there],
        values[there],
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        markevery=(row % every, every),  # staggered: curves that coincide are still told apart
        linewidth=1.1 if len(line.values) == 1 else 1.5,
        label=name,
        zorder=3,
    )
    if np.isfinite(spread[there]).any():
        low, high = (values + sign * spread for sign in (-1, 1))
        axis.fill_between(line.x[there], low[there], high[there], color=look.colour, alpha=0.2, linewidth=0)
    broken = line.broken.any(axis=0)
    if broken.any():
        axis.plot(
            line.x[broken],
            np.full(int(broken.sum()), 0.985 - 0.03 * row),
            "x",
            color=look.colour,
            markersize=3,
            transform=axis.get_xaxis_transform(),
            label=f"_{NOT_FINITE}: {name}",
        )


def _scale(axis: Axes, quantity: str, profiles: Iterable[Profile], log: bool | None) -> None:
    """Logarithmic or linear, over every value; a band may leave a logarithmic axis below."""
    span = limits(each.drawn() for each in profiles)
    take_log = (
        quantity != "accuracy"
        and span is not None
        and span[0] > 0
        and (is_wide(*span) if log is None else log)
    )
    axis.set_ylabel(QUANTITIES[quantity] + (" (log)" if take_log else ""))
    if span and take_log:
        axis.set_yscale("log")
        axis.set_ylim(span[0] / (span[1] / span[0]) ** 0.05, span[1] * (span[1] / span[0]) ** 0.08)
        ticks = log_ticks(*axis.get_ylim(), 6)
        axis.set_yticks(ticks, labels=[plain_number(tick) for tick in ticks])
        axis.minorticks_off()
    elif quantity == "accuracy":
        low, high = axis.get_ylim()
        axis.set_ylim(max(low, 0), min(high, 1.02))


def _label(axes: list[Axes], found: Mapping[str, Axis], *, stacked: bool) -> None:
    """The axis in words; its length here if it is that of every network, else in the legend."""
    units = dict.fromkeys((axis.name, axis.unit) for axis in found.values())
    same = len({axis.length for axis in found.values()}) == 1
    length = next(iter(found.values())).length if same else None
    label = " / ".join(Axis(name, unit, length).label() for name, unit in units)
    for axis in axes[-1:] if stacked else axes:
        axis.set_xlabel(label)
    for axis in axes:
        axis.margins(x=0.02)
        axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axis.xaxis.set_major_formatter(lambda value, _: plain_number(value))
        axis.axvline(0, color="0.75", linewidth=0.5, zorder=0)
