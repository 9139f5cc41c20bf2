"""The loss along a line through the weights (Goodfellow et al. 2015; Li et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import by_name, option, over, sizes, with_notes
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.groups import panels
from landscape.figures.style.scales import is_wide, limits
from landscape.figures.surface.grids import Profile, is_line, label_of, profile, repeats
from landscape.figures.surface.planes import NOT_FINITE, plain_ticks
from landscape.figures.surface.words import NORMS, Axis, axis_of, conditions, not_drawn, where
from landscape.numbers import plain_number

_MARKS = 8  # markers on a curve, to tell it from others in grey


def _caption(results: Datasets, *, quantity: str = "nll") -> str:
    several = {name: str(repeats(dataset)) for name, dataset in results.items() if repeats(dataset) > 1}
    single = len(several) < len(results)
    bands = ["± two standard errors over samples, that of the accuracy from its binomial variance"] * single
    bands += [
        f"of several directions ({by_name(several)}), each a thin line around a thick mean, ± one standard "
        "deviation over them"
    ] * bool(several)
    return with_notes(
        f"The {label_of(quantity, results.values())} {where(results)}. Bands are {'; '.join(bands)}.",
        *conditions(results, quantity),
        not_drawn(results, quantity, "gaps, with a cross at the upper edge", "left out of the curves"),
    )


@figure(kind="surface", title="Loss along a line", caption=_caption, suits=is_line, further=True, order=12)
def lines(
    networks: Datasets,
    *,
    quantity: str = "nll",
    width: float,
    log: bool | None = None,
    looks: Looks,
) -> Figure:
    """Loss and accuracy along a line through the trained weights, one curve per network.

    Or another quantity, with a panel for the accuracy where it was measured.
    Bands are ± two standard errors over samples. Of several directions, each is a thin line, the mean a thick
    one, and the band is ± one standard deviation over directions. Points that are not finite are gaps, with a
    cross at the upper edge; those not computed yet are left out.

    Args:
        networks: Results of kind `surface` with the dimension `x` alone, by network name, or a single one.
        quantity: `nll`, `l2`, `total`, `accuracy`, `ece` or `convexity`.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        log: Force a logarithmic or linear axis of the quantity; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, has no such quantity, or is not a line.
    """
    shown = {quantity: {name: profile(dataset, quantity) for name, dataset in networks.items()}}
    if quantity != "accuracy" and all("accuracy" in dataset for dataset in networks.values()):
        accuracies = {name: profile(dataset, "accuracy") for name, dataset in networks.items()}
        if any(np.isfinite(line.drawn()).any() for line in accuracies.values()):
            shown["accuracy"] = accuracies
    along = {name: axis_of(dataset, "x") for name, dataset in networks.items()}
    labels = entries(along)
    page = panels(len(shown), looks, width=width, x=_label(along), height=2.1, labels=labels)
    for index, (what, profiles) in enumerate(shown.items()):
        for group in page.groups:
            axis = group.axes[index]
            for row, (name, line) in enumerate(group.of(profiles).items()):
                _curve(axis, line, looks[name], name, row)
            axis.axvline(0, color="0.75", linewidth=0.5, zorder=0)
        taken = _scale(page.of(index)[0], what, profiles.values(), log)
        page.label(index, label_of(what, networks.values()) + (" (log)" if taken else ""))
    page.axes[0].margins(x=0.02)
    plain_ticks(page.axes[0].xaxis, 6)
    return page.figure


def entries(axes: Mapping[str, Axis]) -> list[str]:
    """Legend entries: the names, with the length of a unit where it is not the same for all."""
    if len({axis.length for axis in axes.values()}) == 1:
        return [style.short(name) for name in axes]
    return [
        f"{style.short(name)} ({axis.step})" if axis.step else style.short(name)
        for name, axis in axes.items()
    ]


def _curve(axis: Axes, line: Profile, look: style.Look, name: str, row: int) -> None:
    """One network: thin lines for its directions if there are several, the mean, the band, and crosses."""
    values, spread, there = line.drawn()[0], 2 * line.error[0], line.done.any(axis=0)
    width = 1.1
    if len(line.values) > 1:
        thin: dict[str, Any] = {"color": look.colour, "linewidth": 0.35, "alpha": 0.7, "label": "_repeat"}
        for repeat, done in zip(line.drawn(), line.done, strict=True):
            axis.plot(line.x[done], repeat[done], **thin)
        values, spread = line.mean_and_spread()
        there = line.done[line.done.any(axis=1)].all(axis=0)
        width = 1.5
    every = max(int(np.sum(there)) // _MARKS, 1)
    marks = (row % every, every)  # staggered: curves that coincide are still told apart
    shape: dict[str, Any] = {"markevery": marks, "linewidth": width, "label": name, "zorder": 3}
    axis.plot(line.x[there], values[there], **look.line, **shape)
    if np.isfinite(spread[there]).any():
        low, high = (values + sign * spread for sign in (-1, 1))
        axis.fill_between(line.x[there], low[there], high[there], color=look.colour, alpha=0.2, linewidth=0)
    broken = line.broken.any(axis=0)
    if broken.any():
        height = np.full(int(broken.sum()), 0.985 - 0.03 * row)
        cross: dict[str, Any] = {"color": look.colour, "markersize": 3}
        cross |= {"transform": axis.get_xaxis_transform(), "label": f"_{NOT_FINITE}: {name}"}
        axis.plot(line.x[broken], height, "x", **cross)


def _scale(axis: Axes, quantity: str, profiles: Iterable[Profile], log: bool | None) -> bool:
    """Logarithmic or linear, over every value; a band may leave a logarithmic axis below."""
    span = limits(line.drawn() for line in profiles)
    take_log = (
        quantity != "accuracy"
        and span is not None
        and span[0] > 0
        and (is_wide(*span) if log is None else log)
    )
    if span and take_log:
        axis.set_yscale("log")
        axis.set_ylim(span[0] / (span[1] / span[0]) ** 0.05, span[1] * (span[1] / span[0]) ** 0.08)
        curves.label_logarithm(axis)
    elif quantity == "accuracy":
        low, high = axis.get_ylim()
        axis.set_ylim(max(low, 0), min(high, 1.02))
    return take_log


def _label(axes: Mapping[str, Axis]) -> str:
    """The axis in words; its length here if it is that of every network, else in the legend."""
    units = dict.fromkeys((axis.name, axis.unit) for axis in axes.values())
    lengths = {axis.length for axis in axes.values()}
    length = lengths.pop() if len(lengths) == 1 else None
    return " / ".join(Axis(name, unit, length).label() for name, unit in units)


def _flatness_caption(results: Datasets) -> str:
    norms = dict.fromkeys(str(option(dataset, "norm")) for dataset in results.values())
    how = "; ".join(NORMS.get(norm, "their normalisation is not recorded") for norm in norms)
    broken = [
        f"{int(dataset['not_finite'][-1])} of {dataset.sizes['repeat']} in {name}"
        for name, dataset in results.items()
        if "not_finite" in dataset and dataset["not_finite"][-1]
    ]
    return with_notes(
        f"Rise of the NLL from θ to θ ± r·d, mean of both signs, along {sizes(results, 'repeat')} random "
        f"directions d: {how}. Thin lines are single directions, thick ones their mean, bars 95 % intervals "
        f"of the mean over {over(results, 'directions')}.",
        f"Not finite at the largest radius: {', '.join(broken)}; their mean is not drawn." if broken else "",
    )


@figure(kind="flatness", title="Rise of the loss", caption=_flatness_caption, width=style.by_count, order=13)
def flatness(networks: Datasets, *, width: float, log: bool | None = None, looks: Looks) -> Figure:
    """Rise of the loss along random directions against the radius, one line per network.

    Rise of the NLL by radius: a thin line per direction, their mean with its interval, side by side.

    Args:
        networks: Results of kind `flatness` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force a logarithmic or linear axis; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    units = dict.fromkeys(str(d["radius"].attrs.get("units", "filter norms")) for d in networks.values())
    label = f"radius ({' / '.join(units)})"
    page = panels(1, looks, width=width, x=label, height=2.1)
    radii = np.unique(np.concatenate([dataset["radius"].values for dataset in networks.values()]))
    thin: dict[str, Any] = {"linewidth": 0.35, "alpha": 0.5}
    for group in page.groups:
        axis = group.axes[0]
        for row, (name, dataset) in enumerate(group.of(networks).items()):
            shift = 0.5 * ((row + 0.5) / len(group.names) - 0.5)
            place = np.searchsorted(radii, dataset["radius"].values) + shift
            directions = dataset["rise"].transpose("radius", "repeat").values.astype(float)
            axis.plot(place, directions, color=looks[name].colour, **thin, label="_direction")
            mean = curves.column(dataset, "rise_mean", "radius")
            ends = dataset["rise_interval"].transpose("quantile", "radius").values.astype(float)
            curves.with_bars(axis, place, mean, np.abs(ends - mean), looks[name], label=name, zorder=3)
    axis = page.axes[0]  # the others share its scale
    taken = curves.logarithmic(axis, [dataset["rise"].values for dataset in networks.values()], log)
    page.label(0, "rise of the NLL (nats" + (", log)" if taken else ")"))
    axis.set_xlim(-0.5, len(radii) - 0.5)
    axis.set_xticks(range(len(radii)), labels=[plain_number(radius) for radius in radii])
    return page.figure
