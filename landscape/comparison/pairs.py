"""Which network is the baseline of which, by what they differ, and whether they were measured alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from landscape.comparison.identity import (
    Results,
    common_name,
    groups,
    identity,
    identity_with,
    record_of,
    seed_of,
)
from landscape.errors import ResultError
from landscape.results import attribute, differences, incidental

_PLAIN = {"head": "gap", "smoothing": None, "activation": "relu", "preactivation": False}


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
    that smoothing was inserted into after training has the one it was inserted into as its baseline.

    Args:
        results: What was measured; networks without a configuration are left out.
    """
    known = {name: kinds for name, kinds in results.items() if kinds and record_of(kinds).get("config")}
    each = groups(known)
    keys = [identity(record_of(known[names[0]])) for names in each]
    found = []
    for names in each:
        wanted, factor = _baseline(record_of(known[names[0]]))
        found += [Pair(factor, other, names) for key, other in zip(keys, each, strict=True) if key == wanted]
    return found


def comparable(pair: Pair, results: Results, kind: str) -> Pair | None:
    """The pair with the networks that have this result: all seeds, or one of each where one side has but one.

    Those two are of the same seed where there are such: they saw the same images in the same order.

    Args:
        pair: With at least one network a side.
        results: What was measured.
        kind: Name of the result.

    Returns:
        None if a side has no such result.
    """
    sides = [
        [name for name in names if kind in results.get(name, ())] for names in (pair.baseline, pair.variant)
    ]
    if not all(sides):
        return None
    if min(map(len, sides)) == 1:
        seeds = {name: seed_of(record_of(results[name])) for side in sides for name in side}
        couples = [(first, second) for first in sides[0] for second in sides[1]]
        alike = [each for each in couples if seeds[each[0]] == seeds[each[1]] is not None]
        sides = [[name] for name in (alike or couples)[0]]
    return Pair(pair.factor, tuple(sides[0]), tuple(sides[1]))


def apart(datasets: Sequence[xr.Dataset]) -> list[str]:
    """Entries in which the protocol of a later result differs from that of the first, incidental ones aside.

    Args:
        datasets: At least one.
    """
    first, *others = (attribute(dataset, "protocol") for dataset in datasets)
    found = dict.fromkeys(name for other in others for name in differences(first, other))
    return [name for name in found if not incidental(name)]


def require_alike(
    what: str, labels: Sequence[str], datasets: Sequence[xr.Dataset], mix: bool = False
) -> None:
    """Refuse results of different protocols.

    Args:
        what: Which results these are.
        labels: What was measured.
        datasets: At least one.
        mix: Whether they may be of different protocols after all.

    Raises:
        ResultError: If protocols differ.
    """
    different = [] if mix else apart(datasets)
    if different:
        raise ResultError(
            f"{' and '.join(labels)} were measured under different protocols ({what}: "
            f"{', '.join(different)} differ); measure them alike, or allow it with --mix"
        )


def _baseline(record: Mapping[str, Any]) -> tuple[str, str]:
    """Key of the baseline, and the factor; both empty where there is none."""
    config = record["config"]
    if record.get("surgery"):
        return identity_with(record, config), f"{record['surgery']} inserted"
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
        return identity_with(record, {**config, **_PLAIN}), " + ".join(factors)
    if config.get("head") == "gap":
        return identity_with(record, {**config, "head": "mlp"}), "global average pooling"
    return "", ""


def _smoothing(smoothing: Mapping[str, Any] | None) -> str:
    """A smoothing layer in words."""
    if not smoothing:
        return ""
    blur = list(smoothing.get("kernel", ())) != [1]
    prob = {"relu6": "ReLU6", "scale": "scaling", "tanh": "" if blur else "Prob"}.get(smoothing["prob"], "")
    return " + ".join(filter(None, ["blur" if blur else "", prob]))
