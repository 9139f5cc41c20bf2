"""Words that captions share: values that differ between networks, and counts by network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from landscape.figures.reductions import option
from landscape.results import attribute, differences

Results = Mapping[str, xr.Dataset]
_IRRELEVANT = ("micro_batch",)  # follows from the memory of the machine and does not define the result


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
    return sorted(entry for entry in mixed if entry not in _IRRELEVANT)


def sizes(results: Results, dimension: str) -> str:
    """The different lengths of a dimension."""
    return values([{dimension: dataset.sizes[dimension]} for dataset in results.values()], dimension)


def by_name(found: Mapping[str, str]) -> str:
    """What is known of each network: `0.13 (mlp), 0.10 (gap)`, once if it is the same for all."""
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{text} ({name})" for name, text in found.items())


def joined(*parts: str) -> str:
    """The sentences there are, one after the other."""
    return " ".join(part for part in parts if part)
