"""Captions of the figures of curvature: spectra, densities, layers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from landscape.comparison import members
from landscape.figures.captions import Results, grouped, options, protocols, seeds, sizes, values
from landscape.figures.curvature.layers import layer_boundaries, normalised
from landscape.figures.style.reductions import not_converged, option, scalar
from landscape.figures.style.scales import plain_number

_OPERATORS = {None: "Hessian", "hessian": "Hessian", "ggn": "Gauss–Newton"}
_COORDINATES = {None: "raw", "filter": "filter-normalised", "layer": "layer-normalised"}


def spectrum(results: Results, *, log: bool | None = None) -> str:
    """Of `figures.spectrum`."""
    del log  # said on the axis
    ape, nep = ([scalar(d, f"{name}_low") is not None for d in results.values()] for name in ("ape", "nep"))
    interval = grouped(
        {
            name: f"Student's interval over {seeds(dataset)}"
            if seeds(dataset)
            else "interval over mini-batches"
            for name, dataset in results.items()
        }
    )
    errors = [f"[95 % {interval}]"] if any(ape) else []
    errors += [] if all(ape) else ["± two standard errors"]
    likewise = ", likewise" if any(nep) else ""
    return (
        f"Kernel density of the top {options(results, 'k')} {_operator(results)} eigenvalues of each of "
        f"{_batches(results)} mini-batches of {options(results, 'batch_size')} samples"
        f"{_coordinates(results)} ({_loss(results)}). The area under a curve is the share of values on that "
        "side; each side has its own vertical scale. Ticks are single values. APE: mean of the positive "
        f"values ({' or '.join(errors)}); NEP: share of negative ones{likewise} (Park & Kim 2022b)."
        f"{_not_converged(results)}{_not_finite(results, 'eigenvalue')}"
    )


def density(results: Results, *, log: bool = True) -> str:
    """Of `figures.density`."""
    widths = [float(dataset["width"]) for dataset in results.values()]
    width = " to ".join(dict.fromkeys((plain_number(min(widths)), plain_number(max(widths)))))
    cut = ", cut at the lower limit of the axis" if log else ""
    edge = " Lines at the right edge have the height of one eigenvalue." if log else ""
    single = ", ".join(name for name, dataset in results.items() if dataset.sizes["probe"] < 2)
    lone = f" No error is known from one probe ({single})." if single else ""
    return (
        f"Density of all eigenvalues of the {_operator(results)} matrix of the mean loss"
        f"{_coordinates(results)} ({_loss(results)}), by stochastic Lanczos quadrature: "
        f"{sizes(results, 'probe')} random probes of {sizes(results, 'step')} steps, each node broadened "
        f"by a Gaussian of width {width}. The area under a curve is one. Bands are Student's 95 % "
        f"intervals over probes{cut}.{edge} Ticks are the nodes of all probes: where these coincide, an "
        "eigenvalue stands apart. Trace: mean eigenvalue times the number of parameters, with the same "
        f"interval.{lone}{_not_finite(results, 'density')}"
    )


def layers(results: Results) -> str:
    """Of `figures.layers`."""
    drawn = results.values()
    probes = options(results, "probes")
    source = "" if probes == "none" else f" from {probes} random probes"
    off = any(normalised(dataset).any() for dataset in drawn)
    small = " Small markers off the line: normalisation layers." if off else ""
    shaded = " Shading: alternate stages." if layer_boundaries(drawn) else ""
    return (
        f"Curvature by layer: top eigenvalue and trace of each layer's own block of the {_operator(results)} "
        f"matrix of the mean loss{_coordinates(results)} ({_loss(results)}), all other layers held fixed. "
        f"Traces are stochastic estimates{source}, bars {_bars(drawn)}.{small}{shaded}"
        f"{_not_converged(results, ' (open markers)')}{_not_finite(results, 'eigenvalue', 'trace')}"
    )


def _bars(drawn: Iterable[xr.Dataset]) -> str:
    known = all(option(dataset, "probes") for dataset in drawn)
    return "Student's 95 % intervals" if known else "± two standard errors"


def _batches(results: Results) -> str:
    """How many mini-batches each network has."""
    found = [dataset.sizes["batch"] // max(len(members(dataset)), 1) for dataset in results.values()]
    return values([{"": count} for count in found], "")


def _operator(results: Results) -> str:
    """Whose eigenvalues: `Hessian` or `Gauss–Newton`."""
    found = [option(dataset, "operator") for dataset in results.values()]
    return " / ".join(dict.fromkeys(_OPERATORS.get(each, str(each)) for each in found))


def _coordinates(results: Results) -> str:
    """In which coordinates, unless they are the weights themselves."""
    found = [option(dataset, "coordinates") for dataset in results.values()]
    words = " / ".join(dict.fromkeys(_COORDINATES.get(each, str(each)) for each in found))
    return "" if words == "raw" else f" in {words} coordinates"


def _loss(results: Results) -> str:
    found = protocols(results)
    return f"loss {values(found, 'loss')}, weight decay {values(found, 'weight_decay')}"


def _not_converged(results: Results, how: str = "") -> str:
    listed = [
        f"{not_converged(dataset)} of {dataset['eigenvalue'].size} in {name}"
        for name, dataset in results.items()
        if not_converged(dataset)
    ]
    return f" Not converged{how}: {', '.join(listed)}." if listed else ""


def _not_finite(results: Results, *variables: str) -> str:
    counts = {name: sum(int(np.sum(~np.isfinite(d[v]))) for v in variables) for name, d in results.items()}
    listed = [f"{count} in {name}" for name, count in counts.items() if count]
    return f" Not finite, not drawn: {', '.join(listed)}." if listed else ""
