"""Which measured network plays which part in a panel of the papers, told by its stored configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from landscape.comparison.identity import Results, identity, record_of
from landscape.results import attribute

Record = Mapping[str, Any]
"""The attribute `network` of a result: `name`, `config`, `surgery` and more."""


@dataclass(frozen=True)
class Role:
    """One curve or row of a panel.

    Attributes:
        label: What it is called there.
        wanted: Whether a network of this record can be it, dropout aside.
        needs: Names of results, any one of which will do.
        dropout: `off` for a deterministic network, `on` for one with MC dropout, `any` for either.
    """

    label: str
    wanted: Callable[[Record], bool]
    needs: tuple[str, ...]
    dropout: str = "on"


@dataclass(frozen=True)
class Cast:
    """Which network plays which role.

    Attributes:
        found: Name of the network by label of its role, in the order of the panel.
        absent: Labels of the roles that no network plays.
        rate: MC-dropout rate of the networks that have it.
        spare: How many further networks would have fitted, such as other seeds.
    """

    found: Mapping[str, str]
    absent: tuple[str, ...] = ()
    rate: float = 0.0
    spare: int = 0
    records: Mapping[str, Record] = field(default_factory=dict)


def result_name(dataset: xr.Dataset) -> str:
    """What a result is called beside others of its network: its kind, or more where there are several.

    `sequence` is a surface under several dropout masks, `evaluation-train` one on training images,
    `noise-equal` one of equal power in every ring, `robustness-n5` the robustness of the mean of five passes.
    """
    kind = str(dataset.attrs.get("kind"))
    protocol = attribute(dataset, "protocol")
    mode = str(protocol.get("dropout"))
    if kind == "surface" and "mask" in dataset.dims:
        return "sequence"
    if kind == "evaluation" and (protocol.get("data") or {}).get("split") == "train":
        return "evaluation-train"
    if kind == "noise" and str(dataset.attrs.get("equal_power")) == "True":
        return "noise-equal"
    if kind == "robustness" and mode.startswith("ensemble:"):
        return f"robustness-n{mode.partition(':')[2]}"
    return kind


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


def cast(results: Results, roles: Sequence[Role], *, deterministic: bool = False) -> Cast:
    """Networks of one architecture and one dropout rate for as many of the roles as there are.

    Where no network has a configuration, as networks that are not of the zoo, all are taken by their names.

    Args:
        results: As `renamed` gives them.
        roles: In the order of the panel.
        deterministic: Whether deterministic networks may stand in where no network has MC dropout.
    """
    needed = {name for role in roles for name in role.needs}
    records = {network: record_of(kinds) for network, kinds in results.items() if needed & set(kinds)}
    known = {network: found for network, found in records.items() if found.get("config")}
    if not known:
        return Cast({network: network for network in records}, tuple(role.label for role in roles))
    rates = sorted({float(each["config"].get("dropout", 0)) for each in known.values()}, key=_as_in_paper)
    if not deterministic:
        rates = [rate for rate in rates if rate] or [-1.0]
    families = list(dict.fromkeys(_family(each) for each in known.values()))
    tried = [_played(results, known, roles, family, rate) for family in families for rate in rates]
    return max(tried, key=lambda found: len(found.found))


def _as_in_paper(rate: float) -> tuple[bool, float]:
    """MC dropout before none; of several rates the one nearest to the paper's 0.3."""
    return rate == 0, abs(rate - 0.3)


def _played(
    results: Results, known: Mapping[str, Record], roles: Sequence[Role], family: tuple, rate: float
) -> Cast:
    fitting = {
        role.label: [
            network
            for network, each in known.items()
            if set(role.needs) & set(results[network])
            and _family(each) == family
            and _drops(each, role.dropout, rate)
            and role.wanted(each)
        ]
        for role in roles
    }
    found = {label: networks[0] for label, networks in fitting.items() if networks}
    absent = tuple(label for label, networks in fitting.items() if not networks)
    spare = sum(len(networks) - 1 for networks in fitting.values() if networks)
    return Cast(found, absent, max(rate, 0.0), spare, {each: known[each] for each in found.values()})


def _family(each: Record) -> tuple:
    """What all networks of a panel share."""
    return tuple(each["config"].get(name) for name in ("architecture", "depth", "width", "classes", "stem"))


def _drops(each: Record, dropout: str, rate: float) -> bool:
    own = float(each["config"].get("dropout", 0))
    return dropout == "any" or own == (0.0 if dropout == "off" else rate)


def is_plain(each: Record) -> bool:
    """Whether nothing smooths the network but its head."""
    config = each["config"]
    bare = not config.get("smoothing") and config.get("activation", "relu") == "relu"
    return bare and not config.get("preactivation") and not each.get("surgery")


def is_smooth(each: Record) -> bool:
    """Whether the network was trained with the paper's smoothing layers, Prob and blur after every stage."""
    smoothing = each["config"].get("smoothing")
    if not smoothing or not is_plain({**each, "config": {**each["config"], "smoothing": None}}):
        return False
    return len(smoothing["kernel"]) > 1 and smoothing["prob"] == "tanh" and not smoothing.get("stages")


def has_head(each: Record, head: str) -> bool:
    """Whether the network has this head; `usual` is the paper's, MLP for VGG and global average pooling."""
    usual = "mlp" if each["config"]["architecture"] == "vgg" else "gap"
    return bool(each["config"].get("head") == (usual if head == "usual" else head))


def with_head(head: str, smooth: bool = False) -> Callable[[Record], bool]:
    """Condition of a role: this head, with or without smoothing layers."""
    condition = is_smooth if smooth else is_plain
    return lambda each: condition(each) and has_head(each, head)


def four(needs: tuple[str, ...], *, alone: tuple[str, ...] = ()) -> list[Role]:
    """Deterministic and MC dropout, each without and with smoothing: the roles of most panels.

    Args:
        needs: Names of results, any one of which will do.
        alone: Others that will do for deterministic networks.
    """
    return [
        Role("deterministic", with_head("usual"), (*needs, *alone), "off"),
        Role("deterministic + S", with_head("usual", True), (*needs, *alone), "off"),
        Role("MC dropout", with_head("usual"), needs),
        Role("MC dropout + S", with_head("usual", True), needs),
    ]


def three(needs: tuple[str, ...]) -> list[Role]:
    """MLP head, global average pooling, and that with smoothing: the roles of the loss landscapes."""
    return [
        Role("MLP", with_head("mlp"), needs),
        Role("GAP", with_head("gap"), needs),
        Role("GAP + S", with_head("gap", True), needs),
    ]


def heads(needs: tuple[str, ...]) -> list[Role]:
    """The four heads, without smoothing."""
    named = {"GAP": "gap", "MLP": "mlp", "max": "max", "median": "median"}
    return [Role(label, with_head(head), needs) for label, head in named.items()]


def first_of_each(results: Results, needs: tuple[str, ...]) -> Cast:
    """The first network of each configuration, by its own name: for panels that take any network."""
    found: dict[str, str] = {}
    able = [network for network, kinds in results.items() if set(needs) & set(kinds)]
    for network in able:
        each = record_of(results[network])
        found.setdefault(identity(each) if each.get("config") else network, network)
    return Cast({network: network for network in found.values()}, spare=len(able) - len(found))
