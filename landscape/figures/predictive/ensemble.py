"""Predictive performance against the size of an ensemble (Park & Kim 2022a, Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import by_name, estimate, over, sizes, with_notes
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.groups import panels
from landscape.numbers import plain_number

QUANTITIES: dict[str, tuple[str, float]] = {
    "nll": ("NLL", 1),
    "accuracy": ("accuracy (%)", 100),
    "error": ("error (%)", 100),
    "ece": ("ECE (%)", 100),
    "brier": ("Brier score", 1),
}
"""What can be drawn of predictions: its label, and the factor to the unit in it."""
USUAL = ("nll", "accuracy", "ece")
"""What is drawn of predictions where nothing else is asked for."""
CALIBRATION = (
    "ECE: mean absolute difference between accuracy and confidence over bins of confidence, weighted by how "
    "many predictions they hold"
)
_LADDER = (1, 2, 5)
_KINDS = {"mc-dropout": "passes of MC dropout", "deep": "networks trained apart"}


def _caption(results: Datasets, *, quantities: Sequence[str] = USUAL) -> str:
    kinds = {
        name: _KINDS.get(str(dataset.attrs.get("kind_of_ensemble")), "predictions")
        for name, dataset in results.items()
    }
    return with_notes(
        f"{listed(quantities)} of the mean of the predicted probabilities over so many "
        f"{by_name(kinds)} (Park & Kim 2022a, Fig. 3). Bands are ± two standard errors over {over(results)}; "
        "the sizes share samples and predictions, so neighbouring points err together.",
        f"{CALIBRATION}." if "ece" in quantities else "",
    )


@figure(kind="ensemble", title="Size of the ensemble", caption=_caption, order=40)
def ensemble(
    networks: Datasets,
    *,
    quantities: Sequence[str] = USUAL,
    width: float,
    log: bool | None = None,
    looks: Looks,
) -> Figure:
    """NLL, accuracy and calibration error against the number of predictions averaged.

    Sizes have a logarithmic axis, bands are ± two standard errors over samples.

    Args:
        networks: Results of kind `ensemble` by network name, or a single one.
        quantities: Names of `QUANTITIES`, a panel each.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        log: Force a logarithmic or linear vertical axis of the NLL; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or a quantity is unknown.
    """
    check_quantities(quantities)
    sizes = {name: dataset["size"].values.astype(float) for name, dataset in networks.items()}
    page = panels(len(quantities), looks, width=width, x="ensemble size (log)", height=1.75)
    for index, quantity in enumerate(quantities):
        label, factor = QUANTITIES[quantity]
        drawn = {
            name: (sizes[name], *curves.measured(dataset, quantity, "size", factor))
            for name, dataset in networks.items()
        }
        for group in page.groups:
            own = group.of(drawn)
            curves.of_networks(group.axes[index], own, looks, count=len(own), marked=_round)
        axis = page.groups[0].axes[index]  # the others share its scale
        taken = quantity == "nll" and curves.logarithmic(axis, [each[1] for each in drawn.values()], log)
        page.label(index, label + (" (log)" if taken else ""))
    _size_axis(page.groups[0].axes[0], max(size.max() for size in sizes.values()))
    return page.figure


def check_quantities(quantities: Sequence[str]) -> None:
    """Raise a `ResultError` where a quantity cannot be drawn of predictions."""
    unknown = [quantity for quantity in quantities if quantity not in QUANTITIES]
    if unknown or not quantities:
        raise ResultError(
            f"cannot draw {', '.join(unknown) or 'no quantity'}; there are {', '.join(QUANTITIES)}"
        )


def listed(quantities: Sequence[str]) -> str:
    """Quantities in words: `NLL, accuracy and ECE`."""
    words = [QUANTITIES[quantity][0].removesuffix(" (%)") for quantity in quantities]
    words[0] = words[0][0].upper() + words[0][1:]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def ladder(highest: float) -> list[int]:
    """The round sizes 1, 2, 5, 10, 20, 50, … up to the largest."""
    powers = range(int(np.log10(max(highest, 1))) + 1)
    return [step * 10**power for power in powers for step in _LADDER if step * 10**power <= highest]


def _round(sizes: np.ndarray) -> list[int]:
    return np.flatnonzero(np.isin(sizes, ladder(sizes.max()))).tolist()


def _size_axis(axis: Axes, highest: float) -> None:
    ticks = ladder(highest)
    axis.set_xscale("log")
    axis.set_xlim(0.93, max(highest, 1.5) * 1.07)
    axis.set_xticks(ticks, labels=[plain_number(tick) for tick in ticks])
    axis.minorticks_off()


TOGETHER = 4
"""Up to so many networks share one diagram; more have a panel each."""
_TICKS = (0, 25, 50, 75, 100)


def is_binned(dataset: xr.Dataset) -> bool:
    """Whether a result of kind `evaluation` has the bins of a reliability diagram."""
    return "bin_accuracy" in dataset


def _reliability_caption(results: Datasets) -> str:
    return with_notes(
        f"Accuracy of the predictions in each of {sizes(results, 'bin')} bins of confidence, at the mean "
        f"confidence of the bin, bars ± two standard errors over {over(results)}, and the share of the "
        "predictions in each bin. Dashed: calibrated; points below it are overconfident.",
        f"Bins without predictions have no point. {CALIBRATION} (± two standard errors).",
    )


@figure(
    kind="evaluation",
    title="Reliability",
    caption=_reliability_caption,
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
