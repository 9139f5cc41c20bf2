"""Captions: what a figure draws, under which protocol, and what to be careful about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import ResultError
from landscape.figures.inputs import Datasets, named
from landscape.figures.layers import layer_boundaries, normalised
from landscape.figures.reductions import (
    QUANTITIES,
    cells,
    not_converged,
    option,
    scalar,
    smoothing,
    stage_boundaries,
)
from landscape.figures.scales import Scale, plain_number, scale
from landscape.results import attribute, differences

Results = Mapping[str, xr.Dataset]
SMALL_MAP = 8
"""Feature maps under this size have fewer than four frequencies."""
_IRRELEVANT = ("micro_batch",)  # follows from the memory of the machine and does not define the result
_NORMS = {
    "filter": "each filter of a direction scaled to the norm of that filter of the weights (Li et al. 2018)",
    "layer": "each layer of a direction scaled to the norm of the same layer of the weights",
    "weight": "each weight of a direction scaled to the size of the same weight",
    "none": "directions not normalised",
    "paper": "directions normalised as in the code of Park & Kim (2022)",
}
_OPERATORS = {None: "Hessian", "hessian": "Hessian", "ggn": "Gauss–Newton"}
_COORDINATES = {None: "raw", "filter": "filter-normalised", "layer": "layer-normalised"}


def caption(figure: str, datasets: Datasets, **options: Any) -> str:
    """The caption of a figure: definition, protocol, warnings.

    Args:
        figure: Name of a figure of the catalogue, such as contours.
        datasets: What was drawn.
        **options: `quantity` and `log` if the figure was drawn with them.

    Raises:
        ResultError: If the figure is unknown or a result is of another kind.
    """
    if figure not in _CAPTIONS:
        raise ResultError(f"no figure is called {figure!r}; there are {', '.join(_CAPTIONS)}")
    kind, write = _CAPTIONS[figure]
    results = named(datasets, kind)
    return " ".join(part for part in (write(results, **options), protocol_phrase(results)) if part)


def protocol_phrase(results: Results) -> str:
    """One sentence with samples, modes, seed and precision, and one with what differs between networks."""
    protocols = [attribute(dataset, "protocol") for dataset in results.values()]
    data = [protocol.get("data") or {} for protocol in protocols]
    parts = [
        f"{_values(data, 'samples')} samples ({_values(data, 'split')} split of {_values(data, 'source')})",
        f"augmentation {_values(data, 'augmentation')}",
        f"BatchNorm {_values(protocols, 'batch_norm')}",
        f"dropout {_values(protocols, 'dropout')}",
        f"seed {_values(protocols, 'seed')}",
        _values(protocols, "dtype"),
    ]
    sentence = f"Protocol: {', '.join(parts)}."
    mixed = protocol_differences(results)
    return f"{sentence} The networks differ in protocol: {', '.join(mixed)}." if mixed else sentence


def protocol_differences(results: Results) -> list[str]:
    """Entries of the protocol that are not the same for all networks, nested ones joined by dots."""
    first, *others = [attribute(dataset, "protocol") for dataset in results.values()]
    found = {entry for other in others for entry in differences(first, other)}
    return sorted(entry for entry in found if entry not in _IRRELEVANT)


def _values(entries: list[dict[str, Any]], key: str) -> str:
    """The different values of one entry, in order: `off / fresh`."""
    values = [entry.get(key) for entry in entries]
    return " / ".join(dict.fromkeys(_word(value) for value in values))


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return f"{value:,}"


def _plane(results: Results) -> str:
    norms = dict.fromkeys(option(dataset, "norm") for dataset in results.values())
    how = "; ".join(_NORMS.get(norm, f"norm {norm}") for norm in norms)
    return f"on the plane w + x·δ + y·η through the trained weights w, {how}"


def _shared(results: Results, quantity: str, log: bool | None, count: int = 11) -> Scale | None:
    return scale((cells(dataset, quantity).drawn() for dataset in results.values()), log=log, count=count)


def _contours(results: Results, *, quantity: str = "nll", log: bool | None = None) -> str:
    text = f"Contours of {QUANTITIES[quantity]} {_plane(results)}; + marks w. One colour scale for all panels"
    shared = _shared(results, quantity, log)
    text += ", with logarithmic levels." if shared and shared.log else "."
    if shared and shared.below:
        text += f" Values under {plain_number(shared.levels[0])} share the lowest colour."
    return text + _open_cells(results, quantity, "hatched, as is the area up to their finite neighbours")


def _surface3d(results: Results, *, quantity: str = "nll", log: bool | None = None) -> str:
    text = f"{QUANTITIES[quantity]} {_plane(results)}; height, colours and view are the same in all panels."
    shared = _shared(results, quantity, log, count=5)
    if shared:
        span = f"{plain_number(shared.low)} to {plain_number(shared.high)}"
        how = (
            "so the height is logarithmic; nothing is clipped"
            if shared.log
            else "all of them inside the axes"
        )
        text += f" Values span {span}, {how}."
    return text + _open_cells(results, quantity, "left open and crossed on the floor")


def _open_cells(results: Results, quantity: str, how: str) -> str:
    """Counts of the cells that could not be drawn."""
    text = ""
    for what, count in (("not finite", "not_finite"), ("not computed yet", "not_done")):
        found = [(name, cells(dataset, quantity)) for name, dataset in results.items()]
        listed = [
            f"{getattr(g, count)} of {g.values.size} in {name}" for name, g in found if getattr(g, count)
        ]
        if listed:
            text += f" Cells {what} ({', '.join(listed)}) are {how}."
    return text


def _spectrum(results: Results, *, log: bool | None = None) -> str:
    del log  # said on the axis
    ape, nep = ([scalar(d, f"{name}_low") is not None for d in results.values()] for name in ("ape", "nep"))
    errors = ["[95 % bootstrap interval over mini-batches]"] if any(ape) else []
    errors += [] if all(ape) else ["± two standard errors"]
    likewise = ", likewise" if any(nep) else ""
    return (
        f"Kernel density of the top {_options(results, 'k')} {_operator(results)} eigenvalues of each of "
        f"{_sizes(results, 'batch')} mini-batches of {_options(results, 'batch_size')} samples"
        f"{_coordinates(results)} ({_loss(results)}). The area under a curve is the share of values on that "
        "side; each side has its own vertical scale. Ticks are single values. APE: mean of the positive "
        f"values ({' or '.join(errors)}); NEP: share of negative ones{likewise} (Park & Kim 2022b)."
        f"{_not_converged(results)}{_not_finite(results, 'eigenvalue')}"
    )


def _density(results: Results, *, log: bool = True) -> str:
    widths = [float(dataset["width"]) for dataset in results.values()]
    width = " to ".join(dict.fromkeys((plain_number(min(widths)), plain_number(max(widths)))))
    cut = ", cut at the lower limit of the axis" if log else ""
    edge = " Lines at the right edge have the height of one eigenvalue." if log else ""
    single = ", ".join(name for name, dataset in results.items() if dataset.sizes["probe"] < 2)
    lone = f" No error is known from one probe ({single})." if single else ""
    return (
        f"Density of all eigenvalues of the {_operator(results)} matrix of the mean loss"
        f"{_coordinates(results)} ({_loss(results)}), by stochastic Lanczos quadrature: "
        f"{_sizes(results, 'probe')} random probes of {_sizes(results, 'step')} steps, each node broadened "
        f"by a Gaussian of width {width}. The area under a curve is one. Bands are ± two standard errors "
        f"over probes{cut}.{edge} Ticks are the nodes of all probes: where these coincide, an eigenvalue "
        "stands apart. Trace: mean eigenvalue times the number of parameters, ± two standard errors over "
        f"probes.{lone}{_not_finite(results, 'density')}"
    )


def _layers(results: Results) -> str:
    drawn = results.values()
    probes = _options(results, "probes")
    source = "" if probes == "none" else f" from {probes} random probes"
    off = any(normalised(dataset).any() for dataset in drawn)
    small = " Small markers off the line: normalisation layers." if off else ""
    shaded = " Shading: alternate stages." if layer_boundaries(drawn) else ""
    return (
        f"Curvature by layer: top eigenvalue and trace of each layer's own block of the {_operator(results)} "
        f"matrix of the mean loss{_coordinates(results)} ({_loss(results)}), all other layers held fixed. "
        f"Traces are stochastic estimates{source}, bars ± two standard errors.{small}{shaded}"
        f"{_not_converged(results, ' (open markers)')}{_not_finite(results, 'eigenvalue', 'trace')}"
    )


def _sizes(results: Results, dimension: str) -> str:
    """The different lengths of a dimension."""
    return _values([{dimension: dataset.sizes[dimension]} for dataset in results.values()], dimension)


def _options(results: Results, name: str) -> str:
    """The different values of one option of the analysis."""
    return _values([{name: option(dataset, name)} for dataset in results.values()], name)


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
    protocols = [attribute(dataset, "protocol") for dataset in results.values()]
    return f"loss {_values(protocols, 'loss')}, weight decay {_values(protocols, 'weight_decay')}"


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


def _fourier(results: Results) -> str:
    dashed = ", dashed after smoothing" if _any_smoothing(results) else ""
    return (
        "Δ log amplitude of the feature maps: log amplitude of the 2D Fourier transform along its diagonal, "
        "mean over samples and channels, minus its value at frequency zero (Park & Kim 2022b). One curve a "
        f"layer, coloured by normalised depth{dashed}.{_small_maps(results)}"
    )


def _high_frequency(results: Results) -> str:
    return (
        "Δ log amplitude at the highest frequency on the diagonal, (1 − 2/h)π for maps of even size h and "
        "(1 − 1/h)π for odd ones, so the frequency itself changes where the map size does; bars are ± two "
        "standard errors over samples."
        f"{_markers(results)}{_small_maps(results)}"
    )


def _variance(results: Results, *, log: bool | None = None) -> str:
    del log  # said on the axis
    return (
        "Spatial variance of the feature maps: unbiased variance over height and width, mean over channels "
        f"and samples; bars are ± two standard errors over samples.{_markers(results)}"
    )


def _any_smoothing(results: Results) -> bool:
    return any(smoothing(dataset).any() for dataset in results.values())


def _markers(results: Results) -> str:
    text = " Open markers: after a smoothing layer." if _any_smoothing(results) else ""
    if stage_boundaries(results.values()):
        return text + " Shading: alternate stages."
    return text + " Stages end at different depths in these networks and are not shaded."


def _small_maps(results: Results) -> str:
    """A warning that names the networks with maps too small for a curve, and how many layers they are."""
    listed = []
    for name, dataset in results.items():
        size = np.minimum(dataset["height"].values, dataset["width"].values)
        if (size < SMALL_MAP).any():
            listed.append(f"{int((size < SMALL_MAP).sum())} layers of {name}")
    if not listed:
        return ""
    return (
        f" Maps under {SMALL_MAP} × {SMALL_MAP} ({', '.join(listed)}) have fewer than four frequencies: "
        "read them with care."
    )


_CAPTIONS: dict[str, tuple[str, Callable[..., str]]] = {
    "contours": ("surface", _contours),
    "surface3d": ("surface", _surface3d),
    "spectrum": ("spectrum", _spectrum),
    "density": ("density", _density),
    "layers": ("layers", _layers),
    "fourier": ("features", _fourier),
    "high_frequency": ("features", _high_frequency),
    "variance": ("features", _variance),
}
