"""Which networks are one network: the same configuration, trained alike, whatever the seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from landscape.comparison.naming import without_seed
from landscape.results import attribute, plain

Results = Mapping[str, Mapping[str, xr.Dataset]]
"""Network name → kind of result → dataset."""

_INCIDENTAL = ("hidden", "head_dropout")
"""Fields that belong to the MLP head and follow from it."""


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
    digests = [digest for name in names if (digest := record_of(results[name]).get("sha256"))]
    return [tuple(names)] if len(set(digests)) == len(digests) else [(name,) for name in names]
