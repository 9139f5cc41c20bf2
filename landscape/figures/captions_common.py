"""Words that captions share: values that differ between networks, and counts by network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from landscape.comparison import members
from landscape.figures.reductions import option
from landscape.results import attribute, differences, incidental

Results = Mapping[str, xr.Dataset]


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
