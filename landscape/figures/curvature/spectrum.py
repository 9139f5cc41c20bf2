"""Hessian max-eigenvalue spectra (Park & Kim 2022b, Fig. 1c; 2022a, Fig. 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy.stats import gaussian_kde

from landscape.comparison import members
from landscape.figures import style
from landscape.figures.captions import (
    broken_ones,
    coordinates_of,
    estimate,
    grouped,
    loose_ones,
    loss_of,
    operator_of,
    options,
    scalar,
    seeds,
    values,
)
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style.scales import is_wide, limits, log_ticks
from landscape.numbers import plain_number

POINTS = 400


def _caption(results: Datasets) -> str:
    ape, nep = ([scalar(d, f"{name}_low") is not None for d in results.values()] for name in ("ape", "nep"))
    over = {name: seeds(dataset) for name, dataset in results.items()}
    interval = grouped(
        {
            name: f"Student's interval over {found}" if found else "interval over mini-batches"
            for name, found in over.items()
        }
    )
    errors = [f"[95 % {interval}]"] if any(ape) else []
    errors += [] if all(ape) else ["± two standard errors"]
    batches = [dataset.sizes["batch"] // max(len(members(dataset)), 1) for dataset in results.values()]
    return (
        f"Kernel density of the top {options(results, 'k')} {operator_of(results)} eigenvalues of each of "
        f"{values([{'': count} for count in batches], '')} mini-batches of {options(results, 'batch_size')} "
        f"samples{coordinates_of(results)} ({loss_of(results)}). The area under a curve is the share of "
        "values on that side; each side has its own vertical scale. Ticks are single values. APE: mean of "
        f"the positive values ({' or '.join(errors)}); NEP: share of negative ones"
        f"{', likewise' if any(nep) else ''} (Park & Kim 2022b)."
        f"{loose_ones(results)}{broken_ones(results, 'eigenvalue')}"
    )


@figure(kind="spectrum", title="Hessian max-eigenvalue spectrum", caption=_caption, order=20)
def spectrum(networks: Datasets, *, width: float, log: bool | None = None, looks: Looks) -> Figure:
    """Densities of the Hessian eigenvalues of mini-batches.

    Densities of the mini-batch eigenvalues, negative | positive, with every value as a tick below.
    The area under a curve is the share of the network's values on that side, so the area of a negative curve
    is its NEP. The negative panel is there only when a negative value is. A side with fewer than three
    different values shows its ticks alone.

    Args:
        networks: Results of kind `spectrum` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        log: Force a logarithmic or linear axis; by default it follows from the range of the magnitudes. On a
            logarithmic axis the density is per decade.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    found = {name: eigenvalues(dataset) for name, dataset in networks.items()}
    signs = (-1, 1) if any((v < 0).any() for v in found.values()) else (1,)
    columns = 1 if len(networks) < 4 or width < style.NARROW else 2
    size = (width, 2.2 + 0.15 * -(-len(networks) // columns))
    figure, axes = rug_panels(len(networks), size, 1.5, sides=len(signs))
    for (upper, lower), sign in zip(axes, signs, strict=True):
        _side(upper, lower, found, sign, looks, log)
    room = 58 if width < style.NARROW else 62
    labels = [entry(name, dataset, room) for name, dataset in networks.items()]
    style.legend_below(figure, [style.key(look) for look in looks.values()], labels, columns=columns)
    return figure


def eigenvalues(spectrum: xr.Dataset) -> np.ndarray:
    """All finite eigenvalues of a mini-batch spectrum, shape (N,)."""
    values = np.ravel(spectrum["eigenvalue"].values.astype(float))
    return values[np.isfinite(values)]


def entry(name: str, dataset: xr.Dataset, room: int = 62) -> str:
    """Legend entry: the name with its APE and NEP and their intervals or errors, as far as stored.

    Args:
        name: Name of the network, shortened to what the numbers leave of the room.
        dataset: Its spectrum.
        room: About how many letters there is room for.
    """
    ape, nep = estimate(dataset, "ape"), estimate(dataset, "nep", percent=True)
    said = ", ".join([f"APE {ape}"] * bool(ape) + [f"NEP {nep}"] * bool(nep))
    return (
        f"{style.short(name, max(min(26, room - 2 - len(said)), 9))}: {said}" if said else style.short(name)
    )


def use_log(magnitudes: np.ndarray) -> bool:
    """Whether a logarithmic axis shows these magnitudes better: their central 98 % span a wide range."""
    if magnitudes.size < 3:
        return False
    low, high = np.quantile(magnitudes, [0.01, 0.99])
    return is_wide(float(low), float(high))


def density(
    magnitudes: np.ndarray, points: np.ndarray, *, log: bool, share: float = 1.0
) -> np.ndarray | None:
    """Kernel density of positive magnitudes, its area equal to `share`.

    Args:
        magnitudes: Positive values, shape (N,).
        points: Where to evaluate it, shape (P,).
        log: Estimate in log10, so that the density is per decade; otherwise mass that a kernel would put
            below zero is reflected back.
        share: Area under the curve.

    Returns:
        Shape (P,); None with fewer than three different values.
    """
    sample = np.log10(magnitudes) if log else magnitudes
    if np.unique(sample).size < 3 or np.ptp(sample) <= 1e-9 * np.abs(sample).max():
        return None
    kernel = gaussian_kde(sample)
    if log:
        return share * kernel(np.log10(points))
    return share * (kernel(points) + kernel(-points))


def grid(samples: Sequence[np.ndarray], *, log: bool) -> np.ndarray:
    """Points that cover all samples and the tails of their kernels, shape (POINTS,).

    Args:
        samples: Positive magnitudes of each network.
        log: Whether the points are spread evenly in the logarithm.
    """
    scaled = [np.log10(sample) if log else sample for sample in samples if sample.size] or [np.array([])]
    low, high = limits(scaled) or (0.0, 1.0)
    tail = max((3 * np.std(s) * len(s) ** -0.2 for s in scaled if s.size), default=0.0)
    tail = max(min(tail, 0.6 if log else np.inf), 0.05 * (abs(high) or 1.0))
    if log:
        return np.logspace(low - tail, high + tail, POINTS)
    return np.linspace(max(low - tail, 0.0), high + tail, POINTS)


def rug_panels(
    networks: int, size: tuple[float, float], curves: float, *, sides: int = 1
) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """For each side, an axis for curves above one for single values, which has a row for each network.

    Args:
        networks: How many.
        size: Width and height in inches, without the rows.
        curves: Height of the axes for curves, as a share with the inches of the rows.
        sides: How many pairs of axes; of two, the second is twice as wide.
    """
    rows = 0.09 * networks + 0.08
    layout = ConstrainedLayoutEngine(hspace=0.0, h_pad=0.02)
    figure = Figure(figsize=(size[0], size[1] + rows), layout=layout)
    ratios = {"height_ratios": [curves, rows], "width_ratios": [1, 2] if sides == 2 else [1]}
    axes = figure.subplots(2, sides, squeeze=False, sharex="col", gridspec_kw=ratios)
    for lower in axes[1]:
        lower.set_ylim(networks - 0.3, -0.7)
        lower.spines["left"].set_visible(False)
        lower.set_yticks([])
    for upper in axes[0]:
        upper.tick_params(axis="x", bottom=False, labelbottom=False)
    return figure, list(zip(*axes, strict=True))


def rug(axis: Axes, places: np.ndarray, row: int, look: style.Look) -> None:
    """A tick for each value, in the row of its network."""
    axis.plot(places, np.full(places.size, row), "|", color=look.colour, markersize=4.5, markeredgewidth=0.5)


def _side(
    upper: Axes,
    lower: Axes,
    found: Mapping[str, np.ndarray],
    sign: int,
    looks: Looks,
    log: bool | None,
) -> None:
    """One side: magnitudes of one sign, drawn at sign × magnitude."""
    magnitudes = {name: sign * v[v * sign > 0] for name, v in found.items()}
    everything = np.concatenate(list(magnitudes.values()))
    take_log = everything.size > 0 and (use_log(everything) if log is None else log)
    points = grid(list(magnitudes.values()), log=take_log)
    for row, (name, sample) in enumerate(magnitudes.items()):
        look = looks[name]
        curve = density(sample, points, log=take_log, share=sample.size / max(found[name].size, 1))
        if curve is not None:
            raised = np.flatnonzero(curve > 0.05 * curve.max())
            spots = raised[8 + 7 * row % 45 :: 45].tolist()  # staggered markers tell curves apart in grey
            upper.plot(sign * points, curve, **look.line, markevery=spots, label=name)
            if len(found) < 5:
                upper.fill_between(sign * points, curve, color=look.colour, alpha=0.08, linewidth=0)
        rug(lower, sign * sample, row, look)
    _decorate(upper, lower, sign, take_log, (points[0], points[-1]))


def _decorate(upper: Axes, lower: Axes, sign: int, log: bool, span: tuple[float, float]) -> None:
    narrow = lower.bbox.width < lower.figure.dpi  # than an inch
    if log:
        ticks = sign * _ticks_for(lower, span)
        lower.set_xscale("symlog", linthresh=span[0])  # its linear part lies outside the axis
        lower.set_xticks(ticks, labels=[plain_number(tick) for tick in ticks])
        lower.minorticks_off()
    elif narrow:
        lower.locator_params(axis="x", nbins=1, min_n_ticks=1)
    lower.set_xlim(*sorted((sign * span[0], sign * span[1])))
    upper.set_ylim(bottom=0)
    upper.locator_params(axis="y", nbins=5)
    upper.set_title("negative" if sign < 0 else "positive", loc="left")
    if upper.lines:
        upper.set_ylabel("density" + (" (per decade)" if log else ""))
    else:
        upper.set_yticks([])
        words = "too few\nvalues for\na density" if narrow else "too few values for a density"
        upper.text(0.5, 0.5, words, ha="center", transform=upper.transAxes)
    lower.set_xlabel("eigenvalue" + (" (log)" if log else ""))


def _ticks_for(axis: Axes, span: tuple[float, float]) -> np.ndarray:
    """Round magnitudes whose labels fit side by side: no more than one in a third of an inch."""
    count = max(int(3 * axis.bbox.width / axis.figure.dpi), 2)
    ticks = log_ticks(*span, count)
    return ticks[:: -(-ticks.size // count) or 1]
