"""Reliability diagrams: accuracy against confidence, and how many predictions there are of each."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import over, sizes
from landscape.figures.predictive.ensemble import CALIBRATION
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.reductions import estimate

TOGETHER = 4
"""Up to so many networks share one diagram; more have a panel each."""
_TICKS = (0, 25, 50, 75, 100)


def is_binned(dataset: xr.Dataset) -> bool:
    """Whether a result of kind `evaluation` has the bins of a reliability diagram."""
    return "bin_accuracy" in dataset


def _caption(results: Datasets) -> str:
    return (
        f"Accuracy of the predictions in each of {sizes(results, 'bin')} bins of confidence, at the mean "
        f"confidence of the bin, bars ± two standard errors over {over(results)}; bins without predictions "
        "have no point. Dashed: calibrated; points below it are overconfident. With it the share of the "
        f"predictions in each bin. {CALIBRATION} (± two standard errors)."
    )


@figure(
    kind="evaluation",
    title="Reliability",
    caption=_caption,
    width=lambda networks: style.ONE_COLUMN if len(networks) <= TOGETHER else style.TWO_COLUMN,
    suits=is_binned,
    further=True,
    order=43,
)
def reliability(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Accuracy against confidence, and a histogram of confidence.

    Accuracy of the predictions in each bin of confidence, with a histogram of confidence and the ECE.
    Points stand at the mean confidence of their bin, bars are ± two standard errors; on the dashed diagonal
    predictions are calibrated, below it overconfident. Up to four networks share a diagram.

    Args:
        networks: Results of kind `evaluation` with bins by network name, or a single one.
        width: Width in inches; by default one ICML column for up to four networks, two for more.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    together = len(networks) <= TOGETHER
    figure, pairs = _overlaid(len(networks), width) if together else _grid(len(networks), width)
    for index, (name, dataset) in enumerate(networks.items()):
        upper, lower = pairs[0 if together else index]
        _diagram(upper, dataset, looks[name], name)
        _histogram(lower, dataset, looks[name], name, fill=not together or len(networks) == 1)
        if not together:
            upper.set_title("\n".join(entry(name, dataset, 22)))
    for upper, lower in pairs:
        _decorate(upper, lower)
    if together:
        labels = [": ".join(entry(name, dataset, 18)) for name, dataset in networks.items()]
        keys = [style.key(look) for look in looks.values()]
        style.legend_below(figure, keys, labels, columns=1 if width < style.NARROW else 2)
    else:
        _outer_labels(pairs, width)
    return figure


def entry(name: str, dataset: xr.Dataset, limit: int) -> tuple[str, ...]:
    """The name, and the ECE with two standard errors as far as stored."""
    ece = estimate(dataset, "ece", percent=True)
    return (style.short(name, limit), f"ECE {ece}") if ece else (style.short(name, limit),)


def _overlaid(count: int, width: float) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """Diagram and histogram, one below the other, or side by side across a page."""
    if width < style.NARROW:
        figure = Figure(figsize=(width, 3.5 + 0.14 * count), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        upper.tick_params(labelbottom=False)
    else:
        figure = Figure(figsize=(width, 2.6 + 0.07 * count), layout="constrained")
        upper, lower = figure.subplots(1, 2)
        upper.set_xlabel("confidence (%)")
    lower.set(xlabel="confidence (%)", ylabel="share of\npredictions (%)")
    upper.set_ylabel("accuracy (%)")
    return figure, [(upper, lower)]


def _grid(count: int, width: float) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A diagram above a histogram for each network, in rows."""
    across = 3 if width >= style.NARROW else 2
    down = -(-count // across)
    row = 2.35 if width >= style.NARROW else 2.0
    figure = Figure(figsize=(width, down * row + 0.2), layout="constrained")
    ratios = {"height_ratios": [3, 1] * down}
    axes = figure.subplots(2 * down, across, sharex=True, squeeze=False, gridspec_kw=ratios)
    pairs = list(zip(axes[::2].flat, axes[1::2].flat, strict=True))
    for pair in pairs[count:]:
        for spare in pair:
            spare.remove()
    return figure, pairs[:count]


def _outer_labels(pairs: list[tuple[Axes, Axes]], width: float) -> None:
    """Labels at the left and the bottom of a grid."""
    across = 3 if width >= style.NARROW else 2
    for index, (upper, lower) in enumerate(pairs):
        upper.tick_params(labelbottom=False)
        bottom = index + across >= len(pairs)
        lower.tick_params(labelbottom=bottom)
        lower.set_xlabel("confidence (%)" if bottom else "")
        if index % across == 0:
            upper.set_ylabel("accuracy (%)")
            lower.set_ylabel("share (%)")


def _diagram(axis: Axes, dataset: xr.Dataset, look: style.Look, name: str) -> None:
    confidence = curves.column(dataset, "bin_confidence", "bin", 100)
    accuracy, error = curves.measured(dataset, "bin_accuracy", "bin", 100)
    kept = np.isfinite(confidence) & np.isfinite(accuracy)
    curves.with_bars(axis, confidence[kept], accuracy[kept], 2 * error[kept], look, label=name, zorder=3)


def _histogram(axis: Axes, dataset: xr.Dataset, look: style.Look, name: str, *, fill: bool) -> None:
    edges = np.append(curves.column(dataset, "bin_lower", "bin", 100), 100 * float(dataset["bin_upper"][-1]))
    counts = curves.column(dataset, "bin_count", "bin")
    share = 100 * counts / max(np.nansum(counts), 1)
    if fill:
        axis.stairs(share, edges, fill=True, color=look.colour, alpha=0.3, linewidth=0)
    axis.stairs(share, edges, color=look.colour, linestyle=look.dash, linewidth=1.1, label=name)


def _decorate(upper: Axes, lower: Axes) -> None:
    upper.plot([0, 100], [0, 100], color="0.5", linewidth=0.7, linestyle=(0, (2, 2)), label="_calibrated")
    upper.set(xlim=(0, 102), ylim=(0, 102), xticks=_TICKS, yticks=_TICKS)
    lower.set(xlim=(0, 102), xticks=_TICKS)
    lower.set_ylim(0, 1.05 * max(lower.get_ylim()[1], 1e-9))
