"""Captions: what a figure draws, under which protocol, and what to be careful about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import ResultError
from landscape.figures.inputs import Datasets, named
from landscape.figures.reductions import (
    QUANTITIES,
    cells,
    eigenvalues,
    not_converged,
    option,
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


def caption(figure: str, datasets: Datasets, **options: Any) -> str:
    """The caption of a figure: definition, protocol, warnings.

    Args:
        figure: Name of a figure: contours, surface3d, spectrum, fourier, high_frequency or variance.
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
    ks = _values([{"k": option(dataset, "k")} for dataset in results.values()], "k")
    sizes = _values([{"b": option(dataset, "batch_size")} for dataset in results.values()], "b")
    batches = _values([{"n": dataset.sizes["batch"]} for dataset in results.values()], "n")
    protocols = [attribute(dataset, "protocol") for dataset in results.values()]
    loss = f"loss {_values(protocols, 'loss')}, weight decay {_values(protocols, 'weight_decay')}"
    text = (
        f"Kernel density of the top {ks} Hessian eigenvalues of each of {batches} mini-batches of {sizes} "
        f"samples ({loss}). The area under a curve is the share of values on that side; each side has its "
        "own vertical scale. Ticks are single values. APE: mean of the positive values (± two standard "
        "errors); NEP: share of negative ones (Park & Kim 2022b)."
    )
    loose = {name: not_converged(dataset) for name, dataset in results.items()}
    if any(loose.values()):
        listed = [f"{n} of {results[name]['eigenvalue'].size} in {name}" for name, n in loose.items() if n]
        text += f" Not converged: {', '.join(listed)}."
    left_out = {name: d["eigenvalue"].size - eigenvalues(d).size for name, d in results.items()}
    if any(left_out.values()):
        text += f" Not finite, not drawn: {', '.join(f'{n} in {name}' for name, n in left_out.items() if n)}."
    return text


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
    "fourier": ("features", _fourier),
    "high_frequency": ("features", _high_frequency),
    "variance": ("features", _variance),
}
