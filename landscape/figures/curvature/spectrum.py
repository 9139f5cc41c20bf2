"""Hessian max-eigenvalue spectra (Park & Kim 2022b, Fig. 1c; 2022a, Fig. 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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
    option,
    options,
    scalar,
    seeds,
    values,
    with_notes,
)
from landscape.figures.curvature.rugs import rug, rug_panels
from landscape.figures.curvature.strips import Mean, strips
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style.groups import Group, split
from landscape.figures.style.scales import is_wide, limits, log_ticks
from landscape.numbers import plain_number

POINTS = 400
FEW = 30
"""Networks with fewer values than this have no density: its bandwidth would say more than they do."""


def _caption(results: Datasets) -> str:
    batches = [dataset.sizes["batch"] // max(len(members(dataset)), 1) for dataset in results.values()]
    each = (
        f"{_top(results)} of each of {values([{'': count} for count in batches], '')} mini-batches of "
        f"{options(results, 'batch_size')} samples{coordinates_of(results)} ({loss_of(results)})"
    )
    mean = f"APE: mean of the positive values ({_interval(results)}){_negative(results)} (Park & Kim 2022b)."
    if few(results):
        first = f"{each[0].upper()}{each[1:]}: ticks are single values, markers their mean."
        return with_notes(f"{first} {mean}", _not_drawn(results))
    return with_notes(
        f"Kernel density of the {each}; ticks are single values. {mean}",
        "The area under a curve is the share of values on that side; each side has its own vertical scale.",
        _not_drawn(results),
    )


def _top(results: Datasets) -> str:
    """Which eigenvalues, in words: `largest Hessian eigenvalue`, `top 5 Hessian eigenvalues`."""
    count, operator = options(results, "k"), operator_of(results)
    return f"largest {operator} eigenvalue" if count == "1" else f"top {count} {operator} eigenvalues"


def _interval(results: Datasets) -> str:
    """What is known of the error of the mean."""
    bounded = [scalar(dataset, "ape_low") is not None for dataset in results.values()]
    over = {name: seeds(dataset) for name, dataset in results.items()}
    interval = grouped(
        {
            name: f"Student's interval over {found}" if found else "interval over mini-batches"
            for name, found in over.items()
        }
    )
    errors = [f"[95 % {interval}]"] if any(bounded) else []
    return " or ".join([*errors, *([] if all(bounded) else ["± two standard errors"])])


def _negative(results: Datasets) -> str:
    """What NEP is, where it says anything."""
    shown = [dataset for dataset in results.values() if tells_negative(dataset)]
    if not shown:
        return ""
    bounded = any(scalar(dataset, "nep_low") is not None for dataset in shown)
    return f"; NEP: share of negative ones{', likewise' * bounded}"


def _not_drawn(results: Datasets) -> str:
    return f"{loose_ones(results)}{broken_ones(results, 'eigenvalue')}".strip()


@figure(kind="spectrum", title="Hessian max-eigenvalue spectrum", caption=_caption, order=20)
def spectrum(networks: Datasets, *, width: float, log: bool | None = None, looks: Looks) -> Figure:
    """Densities of the Hessian eigenvalues of mini-batches.

    Densities of the mini-batch eigenvalues, negative | positive, with every value as a tick below.
    The area under a curve is the share of the network's values on that side, so the area of a negative curve
    is its NEP. The negative panel is there only when a negative value is. A side with fewer than three
    different values shows its ticks alone. Where a network has fewer than 30 values, there is no density, but
    a row for each network with its values, their mean and its interval.

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
    if few(networks):
        return _strips(networks, found, width=width, looks=looks, log=log)
    signs = (-1, 1) if any((v < 0).any() for v in found.values()) else (1,)
    columns = 1 if len(networks) < 4 or width < style.NARROW else 2
    groups = split(looks)
    below = 0.7 + 0.15 * -(-len(networks) // columns)
    figure, axes = rug_panels(groups, width, below=below, sides=len(signs))
    for side, sign in enumerate(signs):
        _side([pairs[side] for pairs in axes], found, groups, sign, looks, log)
    room = 58 if width < style.NARROW else 62
    labels = [entry(name, dataset, room) for name, dataset in networks.items()]
    style.legend_below(figure, [style.key(look) for look in looks.values()], labels, columns=columns)
    return figure


def few(networks: Datasets) -> bool:
    """Whether some network has too few values for a density."""
    return any(eigenvalues(dataset).size < FEW for dataset in networks.values())


def tells_negative(dataset: xr.Dataset) -> bool:
    """Whether the share of negative eigenvalues says anything: none is expected among the largest alone."""
    largest = option(dataset, "which") == "largest" or option(dataset, "k") == 1
    return not largest or (scalar(dataset, "nep") or 0) > 0


def _strips(
    networks: Datasets, found: Mapping[str, np.ndarray], *, width: float, looks: Looks, log: bool | None
) -> Figure:
    """A row for each network instead of a density."""
    everything = np.concatenate(list(found.values()))
    positive = everything.size > 0 and bool((everything > 0).all())
    means = {name: _mean(dataset) for name, dataset in networks.items()}
    said = {name: ", ".join(numbers(dataset)) for name, dataset in networks.items()}
    take_log = positive and (use_log(everything) if log is None else log)
    return strips(found, means, said, label="eigenvalue", looks=looks, width=width, log=take_log)


def _mean(dataset: xr.Dataset) -> Mean:
    """APE and the ends of its interval, or ± two standard errors."""
    ape, low, high, error = (scalar(dataset, f"ape{end}") for end in ("", "_low", "_high", "_standard_error"))
    if ape is None:
        return np.nan, np.nan, np.nan
    if low is None or high is None:
        half = np.nan if error is None else 2 * error
        return ape, ape - half, ape + half
    return ape, low, high


def numbers(dataset: xr.Dataset) -> list[str]:
    """APE and NEP with their intervals or errors, as far as they are stored and say anything."""
    ape, nep = estimate(dataset, "ape"), estimate(dataset, "nep", percent=True)
    return [f"APE {ape}"] * bool(ape) + [f"NEP {nep}"] * (bool(nep) and tells_negative(dataset))


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
    said = ", ".join(numbers(dataset))
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


def _side(
    pairs: Sequence[tuple[Axes, Axes]],
    found: Mapping[str, np.ndarray],
    groups: Sequence[Group],
    sign: int,
    looks: Looks,
    log: bool | None,
) -> None:
    """One side of every group: magnitudes of one sign, drawn at sign × magnitude."""
    magnitudes = {name: sign * v[v * sign > 0] for name, v in found.items()}
    everything = np.concatenate(list(magnitudes.values()))
    take_log = everything.size > 0 and (use_log(everything) if log is None else log)
    points = grid(list(magnitudes.values()), log=take_log)
    for (upper, lower), group in zip(pairs, groups, strict=True):
        for row, (name, sample) in enumerate(group.of(magnitudes).items()):
            curve = density(sample, points, log=take_log, share=sample.size / max(found[name].size, 1))
            if curve is not None:
                _curve(upper, sign * points, curve, looks[name], (row, len(group.names)), name)
            rug(lower, sign * sample, row, looks[name])
        _decorate(upper, lower, sign, take_log, (points[0], points[-1]))
        if group.title:
            upper.set_title(f"{upper.get_title(loc='left')}, {group.title}", loc="left")
    pairs[-1][1].set_xlabel("eigenvalue" + (" (log)" if take_log else ""))


def _curve(
    axis: Axes, places: np.ndarray, curve: np.ndarray, look: style.Look, row: tuple[int, int], name: str
) -> None:
    """The density of one network, which is so many-th of so many."""
    raised = np.flatnonzero(curve > 0.05 * curve.max())
    spots = raised[8 + 7 * row[0] % 45 :: 45].tolist()  # staggered markers tell curves apart in grey
    axis.plot(places, curve, **look.line, markevery=spots, label=name)
    if row[1] < 5:
        axis.fill_between(places, curve, color=look.colour, alpha=0.08, linewidth=0)


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


def _ticks_for(axis: Axes, span: tuple[float, float]) -> np.ndarray:
    """Round magnitudes whose labels fit side by side: no more than one in a third of an inch."""
    count = max(int(3 * axis.bbox.width / axis.figure.dpi), 2)
    ticks = log_ticks(*span, count)
    return ticks[:: -(-ticks.size // count) or 1]
