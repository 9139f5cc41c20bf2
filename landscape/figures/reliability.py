"""Reliability diagrams: accuracy against confidence, and how many predictions there are of each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.curves import NARROW, column
from landscape.figures.inputs import Datasets, named
from landscape.figures.reductions import estimate

TOGETHER = 4
"""Up to so many networks share one diagram; more have a panel each."""
_TICKS = (0, 25, 50, 75, 100)


def reliability(
    datasets: Datasets,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Accuracy of the predictions in each bin of confidence, with a histogram of confidence and the ECE.

    Points stand at the mean confidence of their bin, bars are ± two standard errors; on the dashed diagonal
    predictions are calibrated, below it overconfident. Up to four networks share a diagram.

    Args:
        datasets: Results of kind `evaluation` with bins by network name, or a single one.
        width: Width in inches; by default one ICML column for up to four networks, two for more.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    found = named(datasets, "evaluation")
    chosen = style.looks_for(list(found), looks)
    together = len(found) <= TOGETHER
    total = width or (style.ONE_COLUMN if together else style.TWO_COLUMN)
    with style.context():
        figure, pairs = _overlaid(len(found), total) if together else _grid(len(found), total)
        for index, (name, dataset) in enumerate(found.items()):
            upper, lower = pairs[0 if together else index]
            _diagram(upper, dataset, chosen[name], name)
            _histogram(lower, dataset, chosen[name], name, fill=not together or len(found) == 1)
            if not together:
                upper.set_title("\n".join(entry(name, dataset, 22)))
        for upper, lower in pairs:
            _decorate(upper, lower)
        if together:
            style.legend_below(
                figure,
                [style.key(chosen[name]) for name in found],
                [": ".join(entry(name, dataset, 18)) for name, dataset in found.items()],
                columns=1 if total < NARROW else 2,
            )
        else:
            _outer_labels(pairs, total)
    return figure


def is_binned(dataset: xr.Dataset) -> bool:
    """Whether a result of kind `evaluation` has the bins of a reliability diagram."""
    return "bin_accuracy" in dataset


def entry(name: str, dataset: xr.Dataset, limit: int) -> tuple[str, ...]:
    """The name, and the ECE with two standard errors as far as stored."""
    ece = estimate(dataset, "ece", percent=True)
    return (style.short(name, limit), f"ECE {ece}") if ece else (style.short(name, limit),)


def _overlaid(count: int, width: float) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """Diagram and histogram, one below the other, or side by side across a page."""
    if width < NARROW:
        figure = Figure(figsize=(width, 3.5 + 0.14 * count), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        upper.tick_params(labelbottom=False)
    else:
        figure = Figure(figsize=(width, 2.6 + 0.07 * count), layout="constrained")
        upper, lower = figure.subplots(1, 2)
        upper.set_xlabel("confidence (%)")
    lower.set_xlabel("confidence (%)")
    upper.set_ylabel("accuracy (%)")
    lower.set_ylabel("share of\npredictions (%)")
    return figure, [(upper, lower)]


def _grid(count: int, width: float) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A diagram above a histogram for each network, in rows."""
    across = 3 if width >= NARROW else 2
    down = -(-count // across)
    row = 2.35 if width >= NARROW else 2.0
    figure = Figure(figsize=(width, down * row + 0.2), layout="constrained")
    ratios = {"height_ratios": [3, 1] * down}
    axes = figure.subplots(2 * down, across, sharex=True, squeeze=False, gridspec_kw=ratios)
    pairs = []
    for index in range(down * across):
        upper, lower = (axes[2 * (index // across) + i, index % across] for i in (0, 1))
        if index < count:
            pairs.append((upper, lower))
        else:
            upper.remove()
            lower.remove()
    return figure, pairs


def _outer_labels(pairs: list[tuple[Axes, Axes]], width: float) -> None:
    """Labels at the left and the bottom of a grid."""
    across = 3 if width >= NARROW else 2
    for index, (upper, lower) in enumerate(pairs):
        upper.tick_params(labelbottom=False)
        bottom = index + across >= len(pairs)
        lower.tick_params(labelbottom=bottom)
        lower.set_xlabel("confidence (%)" if bottom else "")
        if index % across == 0:
            upper.set_ylabel("accuracy (%)")
            lower.set_ylabel("share (%)")


def _diagram(axis: Axes, dataset: xr.Dataset, look: style.Look, name: str) -> None:
    confidence, accuracy, error = (
        column(dataset, key, "bin", 100)
        for key in ("bin_confidence", "bin_accuracy", "bin_accuracy_standard_error")
    )
    kept = np.isfinite(confidence) & np.isfinite(accuracy)
    axis.errorbar(
        confidence[kept],
        accuracy[kept],
        yerr=2 * error[kept] if np.isfinite(error[kept]).any() else None,
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        elinewidth=0.7,
        capsize=1.5,
        label=name,
        zorder=3,
    )


def _histogram(axis: Axes, dataset: xr.Dataset, look: style.Look, name: str, *, fill: bool) -> None:
    edges = np.append(column(dataset, "bin_lower", "bin", 100), 100 * float(dataset["bin_upper"][-1]))
    counts = column(dataset, "bin_count", "bin")
    share = 100 * counts / max(np.nansum(counts), 1)
    if fill:
        axis.stairs(share, edges, fill=True, color=look.colour, alpha=0.3, linewidth=0)
    axis.stairs(share, edges, color=look.colour, linestyle=look.dash, linewidth=1.1, label=name)


def _decorate(upper: Axes, lower: Axes) -> None:
    upper.plot([0, 100], [0, 100], color="0.5", linewidth=0.7, linestyle=(0, (2, 2)), label="_calibrated")
    upper.set(xlim=(0, 102), ylim=(0, 102), xticks=_TICKS, yticks=_TICKS)
    lower.set(xlim=(0, 102), xticks=_TICKS)
    lower.set_ylim(0, 1.05 * max(lower.get_ylim()[1], 1e-9))
