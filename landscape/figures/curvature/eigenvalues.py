"""Extreme eigenvalues of the whole Hessian by rank, with error bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.figures import style
from landscape.figures.captions import (
    broken_ones,
    estimate,
    joined,
    loose_ones,
    matrix_of,
    option,
    options,
    over,
    scalar,
    with_notes,
)
from landscape.figures.curvature.strips import name_rows
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.groups import panels
from landscape.intervals import quantile

OPEN = {"markerfacecolor": "white", "markersize": 4.5}
"""How a rank is marked that is not certain."""
_EXTREME = {"largest": "largest", "smallest": "smallest", "magnitude": "largest by magnitude"}


def uncertain(dataset: xr.Dataset) -> np.ndarray:
    """Mask of the ranks that are not certain, or whose eigenvalue did not converge, shape (rank,)."""
    sure = dataset["rank_certain"] if "rank_certain" in dataset else dataset["converged"]
    return ~(sure.values.astype(bool) & dataset["converged"].values.astype(bool))


def _caption(results: Datasets) -> str:
    which = " / ".join(_EXTREME.get(word, "extreme") for word in options(results, "which").split(" / "))
    bounded = any("error_bound" in dataset for dataset in results.values())
    risk = ", or an eigenvalue may have been passed over before it"
    known = any("rank_certain" in dataset for dataset in results.values())
    opened = any(uncertain(dataset).any() for dataset in results.values())
    bars = "Bars are error bounds, within which an eigenvalue lies; most are shorter than their marker."
    return with_notes(
        joined(
            f"Eigenvalues of the {matrix_of(results)} over all samples by rank, the {which} ones.",
            bars if bounded else "",
        ),
        f"Open markers: it did not converge{risk if known else ''}." if opened else "",
        joined(loose_ones(results).strip(), broken_ones(results, "eigenvalue").strip()),
    )


@figure(kind="eigenvalues", title="Top Hessian eigenvalues", caption=_caption, width=style.by_count, order=23)
def eigenvalues(networks: Datasets, *, width: float, log: bool | None = None, looks: Looks) -> Figure:
    """Extreme eigenvalues of the Hessian by rank, one line per network.

    Bars are error bounds; uncertain ranks have open markers.

    Args:
        networks: Results of kind `eigenvalues` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force a logarithmic or linear axis; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    opened = any(uncertain(dataset).any() for dataset in networks.values())
    shape: dict[str, Any] = {"color": "0.3", "linestyle": "none", "marker": "o", **OPEN}
    extra = {"rank not certain (open)": Line2D([], [], **shape)} if opened else {}
    page = panels(1, looks, width=width, x="rank", extra=extra)
    for group in page.groups:
        for row, (name, dataset) in enumerate(group.of(networks).items()):
            shift = 0.3 * ((row + 0.5) / len(group.names) - 0.5)
            _ranks(group.axes[0], dataset, shift, looks[name], name)
    found = [curves.column(dataset, "eigenvalue", "rank") for dataset in networks.values()]
    axis = page.axes[0]
    taken = curves.logarithmic(axis, found, log)
    page.label(0, "eigenvalue" + (" (log)" if taken else ""))
    for each in () if taken else page.axes:
        each.axhline(0, color="0.6", linewidth=0.6, zorder=0, label="_zero")
    most = max(values.size for values in found)
    axis.set(xlim=(0.5, most + 0.5), xticks=range(1, most + 1, -(-most // 12)))
    return page.figure


def _ranks(axis: Axes, dataset: xr.Dataset, shift: float, look: style.Look, name: str) -> None:
    """The eigenvalues of one network with their bounds."""
    rank = 1.0 + np.arange(dataset.sizes["rank"]) + shift
    values, bounds = (curves.column(dataset, key, "rank") for key in ("eigenvalue", "error_bound"))
    curves.with_bars(axis, rank, values, bounds, look, label=name)
    loose = uncertain(dataset)
    if loose.any():
        mark: dict[str, Any] = {"color": look.colour, "linestyle": "none", **OPEN}
        axis.plot(rank[loose], values[loose], marker=look.marker, **mark, label="_open", zorder=4)


def _trace_caption(results: Datasets) -> str:
    probes = options(results, "probes")
    source = "" if probes == "none" else f" from {probes} random probes"
    missing = [name for name, dataset in results.items() if scalar(dataset, "trace") is None]
    return with_notes(
        f"Trace, the sum of all eigenvalues, of the {matrix_of(results)}, by stochastic estimates{source}. "
        f"Bars are Student's 95 % intervals over {over(results, 'probes')}.",
        f"Not finite, not drawn: {', '.join(missing)}." if missing else "",
    )


@figure(kind="trace", title="Trace of the Hessian", caption=_trace_caption, width=style.by_count, order=24)
def trace(networks: Datasets, *, width: float, looks: Looks) -> Figure:
    """Trace of the Hessian with its interval, a row per network.

    Numbers stand at the right edge.

    Args:
        networks: Results of kind `trace` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    figure = Figure(figsize=(width, 0.6 + 0.2 * len(networks)), layout="constrained")
    axis = figure.subplots()
    axis.axvline(0, color="0.6", linewidth=0.6, zorder=0, label="_zero")
    for row, (name, dataset) in enumerate(networks.items()):
        value, low, high = interval(dataset)
        mark: dict[str, Any] = {"color": looks[name].colour, "marker": looks[name].marker}
        bars: dict[str, Any] = {"xerr": [[value - low], [high - value]], "elinewidth": 0.9, "capsize": 1.8}
        axis.errorbar([value], [row], **mark, **(bars if np.isfinite(high - low) else {}), label=name)
    said = {name: estimate(dataset, "trace") or "not finite" for name, dataset in networks.items()}
    name_rows(axis, said, width)
    axis.set_xlabel("trace")
    return figure


def interval(dataset: xr.Dataset) -> tuple[float, float, float]:
    """The trace and the ends of its interval; NaN where it has none.

    Results without ends have those of Student's interval over their probes.
    """
    value, low, high, error = (
        scalar(dataset, f"trace{end}") for end in ("", "_low", "_high", "_standard_error")
    )
    if value is None:
        return np.nan, np.nan, np.nan
    if low is None or high is None:
        half = np.nan if error is None else quantile(int(option(dataset, "probes") or 2)) * error
        return value, value - half, value + half
    return value, low, high
