"""Which network is the baseline of which, and by what they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from landscape.comparison.naming import common_name
from landscape.results import attribute, plain

Results = Mapping[str, Mapping[str, xr.Dataset]]
"""Network name → kind of result → dataset."""

_PLAIN = {"head": "gap", "smoothing": None, "activation": "relu", "preactivation": False}
_INCIDENTAL = ("hidden", "head_dropout")
"""Fields that belong to the MLP head and follow from it."""


@dataclass(frozen=True)
class Pair:
    """A variant and its baseline, each with as many seeds as were measured.

    Attributes:
        factor: What the variant has and the baseline has not, such as `blur`.
        baseline: Names of the baseline's networks, one for each seed.
        variant: Names of the variant's.
    """

    factor: str
    baseline: tuple[str, ...]
    variant: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, str]:
        """What each side is called: seeds by their common name."""
        return common_name(self.baseline), common_name(self.variant)


def pairs(results: Results) -> list[Pair]:
    """Every variant with its baseline, as in the papers: mlp → gap, gap → whatever smooths.

    Networks of the zoo are paired by their configurations: the baseline of global average pooling is the MLP
    head, that of smoothing, pre-activation and ReLU6 the plain network with global average pooling, at the
    same dropout rate and trained alike. Networks of one configuration are seeds of one another. A network
    that smoothing was put into after training has the one it was put into as its baseline.

    Args:
        results: What was measured; networks without a configuration are left out.
    """
    records = {name: record_of(kinds) for name, kinds in results.items() if kinds}
    groups: dict[str, list[str]] = {}
    for name, record in records.items():
        if record.get("config"):
            groups.setdefault(identity(record), []).append(name)
    found = []
    for names in groups.values():
        record = records[names[0]]
        wanted, factor = _baseline(record)
        for other in groups.values():
            if wanted and identity(records[other[0]]) == wanted:
                found.append(Pair(factor, tuple(other), tuple(names)))
    return found


def record_of(kinds: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """What the results of a network say of it; there must be one."""
    return attribute(next(iter(kinds.values())), "network")


def trained(record: Mapping[str, Any]) -> dict[str, Any]:
    """How a network was trained, whatever its seed: recipe, images, epochs done; empty where unknown."""
    training = dict(record.get("training") or {})
    if training.get("recipe"):
        training["recipe"] = {k: v for k, v in training["recipe"].items() if k != "seed"}
    return training


def stable(value: Any) -> str:
    """The same text for equal values."""
    return json.dumps(value, sort_keys=True, default=plain)


def identity(record: Mapping[str, Any]) -> str:
    """The same for two seeds of one network, trained alike; takes the `network` record of a result."""
    return _named(record, record["config"], record.get("surgery"))


def _named(record: Mapping[str, Any], config: Mapping[str, Any], surgery: str | None = None) -> str:
    fields = {name: value for name, value in config.items() if name not in _INCIDENTAL}
    return f"{sorted(fields.items(), key=str)}{surgery or ''}{stable(trained(record))}"


def _baseline(record: Mapping[str, Any]) -> tuple[str, str]:
    """Key of the baseline, and the factor; both empty where there is none."""
    config = record["config"]
    if record.get("surgery"):
        return _named(record, config), f"{record['surgery']} put in"
    factors = [
        label
        for label, present in (
            (_smoothing(config.get("smoothing")), bool(config.get("smoothing"))),
            ("pre-activation", bool(config.get("preactivation"))),
            (str(config.get("activation")), config.get("activation", "relu") != "relu"),
        )
        if present
    ]
    if factors:
        return _named(record, {**config, **_PLAIN}), " + ".join(factors)
    if config.get("head") == "gap":
        return _named(record, {**config, "head": "mlp"}), "global average pooling"
    return "", ""


def _smoothing(smoothing: Mapping[str, Any] | None) -> str:
    """A smoothing layer in words."""
    if not smoothing:
        return ""
    blur = list(smoothing.get("kernel", ())) != [1]
    prob = {"relu6": "ReLU6", "scale": "scaling", "tanh": "" if blur else "Prob"}.get(smoothing["prob"], "")
    return " + ".join(filter(None, ["blur" if blur else "", prob]))
