"""Spectral densities of whole Hessians (Park & Kim 2022a, Figs C.3 and D.3; Yao et al. 2020, PyHessian)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from landscape.figures import style
from landscape.figures.captions import broken_ones, estimate, matrix_of, sizes, with_notes
from landscape.figures.curvature.rugs import rug, rug_panels
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style.groups import split
from landscape.figures.style.scales import limits
from landscape.intervals import quantile
from landscape.numbers import plain_number

FLOOR = 0.1
"""Lower limit of a logarithmic axis, in heights of one eigenvalue: few probes may give it less than that."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _caption(results: Datasets, *, log: bool = True) -> str:
    widths = [float(dataset["width"]) for dataset in results.values()]
    width = " to ".join(dict.fromkeys((plain_number(min(widths)), plain_number(max(widths)))))
    cut = ", cut at the lower limit of the axis" if log else ""
    edge = "Lines at the right edge have the height of one eigenvalue." if log else ""
    single = ", ".join(name for name, dataset in results.items() if dataset.sizes["probe"] < 2)
    lone = f"No error is known from one probe ({single})." if single else ""
    return with_notes(
        f"Density of all eigenvalues of the {matrix_of(results)}, by stochastic Lanczos quadrature: "
        f"{sizes(results, 'probe')} random probes of {sizes(results, 'step')} steps, each node broadened "
        f"by a Gaussian of width {width}. Bands are Student's 95 % intervals over probes{cut}; ticks are the "
        "nodes of all probes.",
        f"The area under a curve is one. {edge}".strip(),
        "Where nodes of all probes coincide, an eigenvalue stands apart. Trace: mean eigenvalue times the "
        "number of parameters, with the same interval.",
        lone,
        broken_ones(results, "density").strip(),
    )


@figure(kind="density", title="Spectral density of the Hessian", caption=_caption, order=21)
def density(networks: Datasets, *, width: float, looks: Looks, log: bool = True) -> Figure:
    """Density of all eigenvalues of the Hessian, with single outlying ones.

    Bands are Student's intervals, and each quadrature node is a tick below.
    A logarithmic axis begins just below the height of a single eigenvalue, so that outlying ones are seen and
    the tails of the broadening are not. A short line at the right edge has that height.

    Args:
        networks: Results of kind `density` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        looks: Looks by name, to keep colours the same across figures; by default by order.
        log: Whether the density has a logarithmic axis.

    Raises:
        ResultError: If a result is of another kind.
    """
    floor = FLOOR * min(single_height(dataset) for dataset in networks.values())
    columns = 1 if width < style.NARROW else 2
    groups = split(looks)
    below = 0.7 + 0.15 * -(-(len(networks) + 1) // columns)
    figure, axes = rug_panels(groups, width, below=below)
    for group, ((upper, lower),) in zip(groups, axes, strict=True):
        for row, (name, dataset) in enumerate(group.of(networks).items()):
            _curve(upper, dataset, looks[name], name, floor if log else None)
            rug(lower, nodes(dataset), row, looks[name])
        _decorate(upper, lower, log, floor, networks)
        upper.set_title(group.title, loc="left")
    axes[-1][0][1].set_xlabel("eigenvalue")
    keys = [style.key(looks[name]) for name in networks]
    labels = [entry(name, dataset) for name, dataset in networks.items()]
    if log:
        keys.append(Line2D([], [], color="0.3"))
        labels.append("one eigenvalue (right edge)")
    style.legend_below(figure, keys, labels, columns=columns)
    return figure


def entry(name: str, dataset: xr.Dataset) -> str:
    """Legend entry: the name with the trace and its interval, as far as stored."""
    trace = estimate(dataset, "trace")
    return f"{style.short(name)}: trace {trace}" if trace else style.short(name)


def single_height(dataset: xr.Dataset) -> float:
    """Peak height of one of n eigenvalues broadened by a Gaussian of width σ: 1 / (n·σ·√(2π))."""
    return 1 / (float(dataset["parameters"]) * float(dataset["width"]) * np.sqrt(2 * np.pi))


def nodes(dataset: xr.Dataset) -> np.ndarray:
    """Quadrature nodes of all probes that carry weight, shape (N,)."""
    places, weights = (np.ravel(dataset[key].values.astype(float)) for key in ("node", "weight"))
    return places[np.isfinite(places) & (weights > 0)]


def peaks(values: np.ndarray, floor: float) -> np.ndarray:
    """Indices of the local maxima above a floor, where a marker tells the networks apart, shape (M,)."""
    inner = values[1:-1]
    return 1 + np.flatnonzero((inner > values[:-2]) & (inner >= values[2:]) & (inner > floor))


def _curve(axis: Axes, dataset: xr.Dataset, look: style.Look, name: str, floor: float | None) -> None:
    """The density with its band, over a floor where the axis is logarithmic."""
    places, values, error = (
        dataset[key].values.astype(float) for key in ("eigenvalue", "density", "standard_error")
    )
    marked = peaks(values, 0.01 * values.max() if floor is None else floor).tolist()
    axis.plot(places, values, **look.line, markevery=marked, label=name)
    half = quantile(dataset.sizes["probe"]) * error
    if np.isfinite(half).any():  # a single probe tells no error
        low, high = (np.maximum(values + sign * half, floor or 0) for sign in (-1, 1))
        axis.fill_between(places, low, high, color=look.colour, alpha=0.2, linewidth=0)
    if floor is not None:
        height, across = single_height(dataset), axis.get_yaxis_transform()
        axis.plot([0.985, 1.0], [height, height], color=look.colour, transform=across, label="_single")


def _decorate(upper: Axes, lower: Axes, log: bool, floor: float, networks: Datasets) -> None:
    tops = [d["density"].values + 2 * np.nan_to_num(d["standard_error"].values) for d in networks.values()]
    top = (limits(tops) or (0.0, 10 * floor))[1]
    if log:
        upper.set_yscale("log")
        upper.set_ylim(floor, max(2 * top, 10 * floor))
        ticks, labels = powers(*upper.get_ylim())
        upper.set_yticks(ticks, labels=labels)
        upper.minorticks_off()
    else:
        upper.set_ylim(0, 1.05 * top)
    upper.set_ylabel("density" + (" (log)" if log else ""))
    low, high = limits(_shown(d, floor) for d in networks.values()) or (0.0, 1.0)
    margin = 0.03 * (high - low) or 1.0
    lower.set_xlim(low - margin, high + 1.5 * margin)


def _shown(dataset: xr.Dataset, floor: float) -> np.ndarray:
    """What the horizontal axis has to hold: the nodes, and where the density is above the floor."""
    places = dataset["eigenvalue"].values.astype(float)
    return np.concatenate([nodes(dataset), places[dataset["density"].values > floor]])


def powers(low: float, high: float, count: int = 6) -> tuple[np.ndarray, list[str]]:
    """Powers of ten within a positive range, at most about `count`, and their labels: 10⁻², 10⁰, 10².

    The superscripts are letters: the style does not parse mathematics, because names may hold a `$`.
    """
    exponents = np.arange(int(np.ceil(np.log10(low))), int(np.floor(np.log10(high))) + 1)
    exponents = exponents[:: -(-exponents.size // count) or 1]
    return 10.0**exponents, [f"10{str(exponent).translate(_SUPERSCRIPT)}" for exponent in exponents]
