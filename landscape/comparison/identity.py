"""Which networks are one network, trained alike whatever the seed, and what seeds and results are called."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import xarray as xr

from landscape.results import attribute, condition, plain

_APART = ("surface", "evaluation", "noise", "robustness")
"""Kinds whose results under other conditions go by names of their own in panels of the papers."""

Results = Mapping[str, Mapping[str, xr.Dataset]]
"""Network name → kind of result → dataset."""

_INCIDENTAL = ("hidden", "head_dropout")
"""Fields that belong to the MLP head and follow from it."""
_SEPARATORS = "-_. "
_SEED = re.compile(r"(?:^|[-_. ])(?:seed|s)[-_. =]?\d+(?![A-Za-z0-9])", re.IGNORECASE)


def record_of(kinds: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """What the results of a network say of it; there must be one."""
    return attribute(next(iter(kinds.values())), "network")


def trained(record: Mapping[str, Any]) -> dict[str, Any]:
    """How a network was trained, whatever its seed: recipe, images, epochs done; empty where unknown."""
    training = dict(record.get("training") or {})
    if training.get("recipe"):
        training["recipe"] = {k: v for k, v in training["recipe"].items() if k != "seed"}
    return training


def seed_of(record: Mapping[str, Any]) -> int | None:
    """The seed that a network was trained with; None where unknown."""
    return ((record.get("training") or {}).get("recipe") or {}).get("seed")


def stable(value: Any) -> str:
    """The same text for equal values."""
    return json.dumps(value, sort_keys=True, default=plain)


def identity(record: Mapping[str, Any]) -> str:
    """The same for two seeds of one network, trained alike; takes the `network` record of a result."""
    return identity_with(record, record["config"], record.get("surgery"))


def identity_with(record: Mapping[str, Any], config: Mapping[str, Any], surgery: str | None = None) -> str:
    """The `identity` that the network would have with another configuration or surgery."""
    fields = {name: value for name, value in config.items() if name not in _INCIDENTAL}
    return f"{sorted(fields.items(), key=str)}{surgery or ''}{stable(trained(record))}"


def groups(results: Results) -> list[tuple[str, ...]]:
    """Names of the networks, those that are seeds of one another together, in the order they first appear.

    Seeds are networks of one `identity`. Where a checkpoint does not record its training, their names have to
    say so; networks without a configuration, and copies of one checkpoint, stay alone.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for name, kinds in results.items():
        record = record_of(kinds) if kinds else {}
        stem = "" if trained(record).get("recipe") else without_seed(name)
        alone = not record.get("config") or stem is None
        found.setdefault((name,) if alone else (str(stem), identity(record)), []).append(name)
    return [each for names in found.values() for each in _distinct(names, results)]


def _distinct(names: Sequence[str], results: Results) -> list[tuple[str, ...]]:
    """The group, or each alone if two are one checkpoint: a copy is no second seed."""
    if len(names) == 1:
        return [(names[0],)]
    digests = [digest for name in names if (digest := record_of(results[name]).get("sha256"))]
    return [tuple(names)] if len(set(digests)) == len(digests) else [(name,) for name in names]


def without_seed(name: str) -> str | None:
    """A name without its seed, `gap` for `gap-seed0`, `gap_s1` and `gap.seed=2`; None if it names none.

    What follows the seed stays: `gap-seed0+blur` is `gap+blur`.
    """
    found = _SEED.search(name)
    if found is None:
        return None
    return (name[: found.start()] + name[found.end() :]).strip(_SEPARATORS) or None


def common_name(names: Sequence[str]) -> str:
    """What seeds are called together: the name without the seed, or the words with which all begin.

    Args:
        names: At least one; a single one keeps its name, and so does the first of those that share no word.
    """
    if len(names) == 1:
        return names[0]
    stems = {without_seed(name) for name in names}
    if len(stems) == 1 and (stem := stems.pop()):
        return stem
    words = zip(*(re.split(f"([{_SEPARATORS}])", name) for name in names), strict=False)
    shared = takewhile(lambda found: len(set(found)) == 1, words)
    return "".join(found[0] for found in shared).strip(_SEPARATORS) or names[0]


def result_name(dataset: xr.Dataset) -> str:
    """What a result is called beside others of its network: its kind, or more where there are several.

    `sequence` is a surface under several dropout masks, `evaluation-train` one on training images,
    `noise-equal` one of equal power in every ring, `robustness-n5` the robustness of the mean of five passes.
    """
    kind = str(dataset.attrs.get("kind"))
    other = condition(dataset) if kind in _APART else ""
    return other if other == "sequence" else "-".join(filter(None, (kind, other)))


def renamed(results: Results) -> dict[str, dict[str, xr.Dataset]]:
    """The results by network and `result_name`; of several of one name that over the most samples.

    Of seeds whose ensembles have different sizes those with the largest keep theirs: curves of different
    lengths have no mean.

    Args:
        results: Network name → any name of the result → dataset.
    """
    found: dict[str, dict[str, xr.Dataset]] = {}
    for network, kinds in results.items():
        own = found.setdefault(network, {})
        for dataset in kinds.values():
            name = result_name(dataset)
            if name not in own or _samples(dataset) > _samples(own[name]):
                own[name] = dataset
    largest: dict[str, int] = {}
    for kinds in found.values():
        if "ensemble" in kinds:
            key = _configured(kinds)
            largest[key] = max(largest.get(key, 0), kinds["ensemble"].sizes["size"])
    return {
        network: {
            name: dataset
            for name, dataset in kinds.items()
            if name != "ensemble" or dataset.sizes["size"] == largest[_configured(kinds)]
        }
        for network, kinds in found.items()
    }


def _configured(kinds: Mapping[str, xr.Dataset]) -> str:
    """The same for seeds of one network; its name where it has no configuration."""
    network = record_of(kinds)
    return identity(network) if network.get("config") else str(network.get("name"))


def _samples(dataset: xr.Dataset) -> int:
    return int((attribute(dataset, "protocol").get("data") or {}).get("samples") or 0)
