"""Numbers and words read off results: for captions, annotations and tables.

Protocol and seeds, values that differ between networks, counts by network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape.comparison import members
from landscape.numbers import plain_number
from landscape.results import attribute, differences, incidental
from landscape.results.reading import stored

Results = Mapping[str, xr.Dataset]
_OPERATORS = {None: "Hessian", "hessian": "Hessian", "ggn": "Gauss–Newton"}
_COORDINATES = {None: "raw", "filter": "filter-normalised", "layer": "layer-normalised"}


def scalar(dataset: xr.Dataset, name: str) -> float | None:
    """A number stored in a result; None if it is absent or not finite."""
    if name not in dataset:
        return None
    value = float(dataset[name])
    return value if np.isfinite(value) else None


def estimate(dataset: xr.Dataset, name: str, *, percent: bool = False) -> str | None:
    """A stored number in words, with what is known of its error; None if there is no finite number.

    The error is the interval `[name_low, name_high]` where the result has one, else ± two `_standard_error`.

    Args:
        dataset: Any result.
        name: Name of the scalar.
        percent: Whether it is a share, to be written in per cent.
    """
    found = stored(name)(dataset)
    if found is None:
        return None
    factor, unit = (100, " %") if percent else (1, "")
    text = plain_number(factor * found.value) + unit
    if found.interval:
        return f"{text} [{plain_number(factor * found.low)}, {plain_number(factor * found.high)}]"
    return f"{text} ± {plain_number(float(f'{2 * factor * found.error:.2g}'))}" if found.known else text


def not_converged(dataset: xr.Dataset) -> int:
    """Number of eigenvalues that did not converge."""
    return int(np.sum(~dataset["converged"].values.astype(bool))) if "converged" in dataset else 0


def option(dataset: xr.Dataset, name: str) -> Any:
    """An option of the analysis that made a result; None if it is not recorded."""
    return attribute(dataset, "protocol").get("options", {}).get(name)


def values(entries: Sequence[Mapping[str, Any]], key: str) -> str:
    """The different values of one entry, in order: `off / fresh`."""
    found = [entry.get(key) for entry in entries]
    return " / ".join(dict.fromkeys(_word(value) for value in found))


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    return f"{value:,}"


def options(results: Results, name: str) -> str:
    """The different values of one option of the analysis."""
    return values([{name: option(dataset, name)} for dataset in results.values()], name)


def protocols(results: Results) -> list[dict[str, Any]]:
    """The protocols, in order."""
    return [attribute(dataset, "protocol") for dataset in results.values()]


def protocol_differences(results: Results) -> list[str]:
    """Entries of the protocol that are not the same for all networks, nested ones joined by dots."""
    first, *others = protocols(results)
    mixed = {entry for other in others for entry in differences(first, other)}
    return sorted(entry for entry in mixed if not incidental(entry))


def sizes(results: Results, dimension: str) -> str:
    """The different lengths of a dimension."""
    return values([{dimension: dataset.sizes[dimension]} for dataset in results.values()], dimension)


def by_name(found: Mapping[str, str]) -> str:
    """What is known of each network: `0.13 (mlp), 0.10 (gap)`, once if it is the same for all."""
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{text} ({name})" for name, text in found.items())


def over(results: Results, otherwise: str = "samples") -> str:
    """What errors and intervals are over: `3 seeds` where means over seeds are drawn, else something else."""
    return grouped({name: seeds(dataset) or otherwise for name, dataset in results.items()})


def seeds(dataset: xr.Dataset) -> str:
    """`3 seeds` for what was averaged over them; empty for anything else."""
    return f"{len(members(dataset))} seeds" if dataset.attrs.get("pooling") in ("mean", "values") else ""


def all_over_seeds(results: Results) -> bool:
    """Whether every result was averaged over seeds."""
    return all(seeds(dataset) for dataset in results.values())


def paired(results: Results, words: str) -> str:
    """What is said of errors of differences over samples, and has no meaning over seeds."""
    return "" if all_over_seeds(results) else f"{words} differences"


def seeds_phrase(results: Results) -> str:
    """One sentence for each way in which seeds became one: a mean, their values together, or the first."""
    how: dict[str, dict[str, xr.Dataset]] = {}
    for name, dataset in results.items():
        how.setdefault(str(dataset.attrs.get("pooling", "")), {})[name] = dataset
    counts = {
        way: grouped({name: str(len(members(dataset))) for name, dataset in found.items()})
        for way, found in how.items()
    }
    sentences = {
        "mean": "Means over {} networks trained with different seeds.",
        "values": "Values of {} networks trained with different seeds, together.",
        "first": "Of {} networks trained with different seeds one is drawn: "
        + _first(how.get("first", {}))
        + ".",
    }
    return " ".join(text.format(counts[way]) for way, text in sentences.items() if way in how)


def _first(results: Results) -> str:
    """Which seeds are drawn: `seed0 of each` where that says it, else their names."""
    drawn = {name: str(members(dataset)[0]["name"]) for name, dataset in results.items()}
    ends = {own.removeprefix(name).strip("-_. ") for name, own in drawn.items()}
    same = len(ends) == 1 and all(own.startswith(name) and own != name for name, own in drawn.items())
    return f"{ends.pop()} of each" if same else ", ".join(drawn.values())


def grouped(found: Mapping[str, str]) -> str:
    """As `by_name`, with the names of one text together: `3 seeds (mlp, gap), samples (own)`."""
    names: dict[str, list[str]] = {}
    for name, text in found.items():
        names.setdefault(text, []).append(name)
    if len(names) == 1:
        return next(iter(names))
    return ", ".join(f"{text} ({', '.join(who)})" for text, who in names.items())


def joined(*parts: str) -> str:
    """The sentences there are, one after the other."""
    return " ".join(part for part in parts if part)


def with_notes(text: str, *notes: str) -> str:
    """The caption for a paper, two sentences at most, and on a line of its own what else has to be known."""
    return "\n".join(filter(None, [text, joined(*notes)]))


def left_out(results: Results) -> str:
    """How many layers of each network were found but could not be measured; the results list them."""
    counts = {name: int(dataset.attrs.get("left_out", 0)) for name, dataset in results.items()}
    found = [f"{count} of {name}" for name, count in counts.items() if count]
    return f"Layers found but not measured, as the results say: {', '.join(found)}." if found else ""


def protocol_phrase(results: Results) -> str:
    """One sentence with samples, modes, seed and precision, and one with what differs between networks.

    The first is left out where nothing was evaluated on any data.
    """
    if not results:
        return ""
    found = protocols(results)
    data = [protocol.get("data") or {} for protocol in found]
    parts = [
        f"{values(data, 'samples')} samples ({_origin(data)})",
        f"augmentation {values(data, 'augmentation')}",
        f"BatchNorm {values(found, 'batch_norm')}",
        f"dropout {values(found, 'dropout')}",
        f"seed {values(found, 'seed')}",
        values(found, "dtype"),
    ]
    mixed = protocol_differences(results)
    sentences = [f"Protocol: {', '.join(parts)}."] if any(data) else []
    read = [name for name, dataset in results.items() if option(dataset, "inputs")]
    sentences += [f"Of {', '.join(read)}, what the layers read is shown."] if read else []
    sentences += [f"The networks differ in protocol: {', '.join(mixed)}."] if mixed else []
    return " ".join(sentences)


def _origin(data: list[dict[str, Any]]) -> str:
    """Where the samples come from; tensors that were handed over have no split."""
    source = values(data, "source")
    return f"{values(data, 'split')} split of {source}" if any(each.get("split") for each in data) else source


def operator_of(results: Results) -> str:
    """Whose eigenvalues: `Hessian` or `Gauss–Newton`."""
    found = [option(dataset, "operator") for dataset in results.values()]
    return " / ".join(dict.fromkeys(_OPERATORS.get(each, str(each)) for each in found))


def coordinates_of(results: Results) -> str:
    """In which coordinates, unless they are the weights themselves."""
    found = [option(dataset, "coordinates") for dataset in results.values()]
    words = " / ".join(dict.fromkeys(_COORDINATES.get(each, str(each)) for each in found))
    return "" if words == "raw" else f" in {words} coordinates"


def loss_of(results: Results) -> str:
    """Which loss, with its weight decay."""
    found = protocols(results)
    return f"loss {values(found, 'loss')}, weight decay {values(found, 'weight_decay')}"


def matrix_of(results: Results) -> str:
    """Which matrix, of which loss: `Hessian matrix of the mean loss (loss nll, weight decay 0)`."""
    return f"{operator_of(results)} matrix of the mean loss{coordinates_of(results)} ({loss_of(results)})"


def loose_ones(results: Results, how: str = "") -> str:
    """How many eigenvalues of each network did not converge, and how these are marked."""
    counts = {name: not_converged(dataset) for name, dataset in results.items()}
    listed = [
        f"{count} of {results[name]['eigenvalue'].size} in {name}" for name, count in counts.items() if count
    ]
    return f" Not converged{how}: {', '.join(listed)}." if listed else ""


def broken_ones(results: Results, *variables: str) -> str:
    """How many values of each network are not finite, and so not drawn."""
    counts = {name: sum(int(np.sum(~np.isfinite(d[v]))) for v in variables) for name, d in results.items()}
    listed = [f"{count} in {name}" for name, count in counts.items() if count]
    return f" Not finite, not drawn: {', '.join(listed)}." if listed else ""
