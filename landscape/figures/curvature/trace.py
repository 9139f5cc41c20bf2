"""Traces of the whole Hessian with their intervals, a row per network."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import joined, matrix_of, options, over
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style.reductions import estimate, option, scalar
from landscape.intervals import quantile


def _caption(results: Datasets) -> str:
    probes = options(results, "probes")
    source = "" if probes == "none" else f" from {probes} random probes"
    missing = [name for name, dataset in results.items() if scalar(dataset, "trace") is None]
    return joined(
        f"Trace, the sum of all eigenvalues, of the {matrix_of(results)}, by stochastic estimates{source}. "
        f"Bars are Student's 95 % intervals over {over(results, 'probes')}.",
        f"Not finite, not drawn: {', '.join(missing)}." if missing else "",
    )


@figure(kind="trace", title="Trace of the Hessian", caption=_caption, width=style.by_count, order=24)
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
    said = axis.secondary_yaxis("right")
    for row, (name, dataset) in enumerate(networks.items()):
        value, low, high = interval(dataset)
        mark: dict[str, Any] = {"color": looks[name].colour, "marker": looks[name].marker}
        bars: dict[str, Any] = {"xerr": [[value - low], [high - value]], "elinewidth": 0.9, "capsize": 1.8}
        axis.errorbar([value], [row], **mark, **(bars if np.isfinite(high - low) else {}), label=name)
    rows = range(len(networks))
    names = [style.short(name, 21 if width < style.NARROW else 26) for name in networks]
    axis.set_yticks(rows, labels=names)
    said.set_yticks(
        rows, labels=[estimate(dataset, "trace") or "not finite" for dataset in networks.values()]
    )
    for side in (axis, said):
        side.tick_params(axis="y", length=0)
    axis.set_ylim(len(networks) - 0.5, -0.5)
    axis.grid(axis="y", color="0.92", linewidth=0.5)
    axis.set_axisbelow(True)
    said.spines[:].set_visible(False)
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
