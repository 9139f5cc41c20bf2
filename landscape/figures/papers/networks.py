"""Which measured network is which curve or row of a panel, by its stored configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from landscape.comparison.identity import Results, identity, record_of

Record = Mapping[str, Any]
"""The attribute `network` of a result: `name`, `config`, `surgery` and more."""

INSERTED = ", inserted"
"""Ending of the label of a network that smoothing was inserted into after training."""

STAGES = {"cifar-resnet": 3, "resnet": 4, "vgg": 5}
_PROBS = {"prob": "tanh", "relu6": "relu6", "scale": "scale"}
_BLURS = {"blur": 2, "blur3": 3, "blur5": 5}
_PLACE = re.compile(r"(?:layer|smooth)(\d)$")
_SHARED = ("architecture", "depth", "width", "classes", "stem")
"""What all networks of a panel have in common."""

Smoothing = tuple[str, int, tuple[int, ...] | None]
"""Prob, size of the blur kernel, and the stages that end with it, None for the paper's placement."""

NONE: Smoothing = ("none", 1, None)


@dataclass(frozen=True)
class Wanted:
    """A network that a panel has a curve or a row for.

    Attributes:
        label: What it is called there.
        fits: Whether a network of this record can be it, dropout aside.
        needs: Names of results, any one of which will do.
        dropout: `off` for a deterministic network, `on` for one with MC dropout, `any` for either.
    """

    label: str
    fits: Callable[[Record], bool]
    needs: tuple[str, ...]
    dropout: str = "on"


@dataclass(frozen=True)
class Selection:
    """Which network is which.

    Attributes:
        found: Name of the network by its label, in the order of the panel.
        absent: Labels for which there is no network.
        rate: MC-dropout rate of the networks that have it.
        more: How many further networks would have fitted, such as other seeds.
        records: By name of the network.
    """

    found: Mapping[str, str]
    absent: tuple[str, ...] = ()
    rate: float = 0.0
    more: int = 0
    records: Mapping[str, Record] = field(default_factory=dict)


def select(results: Results, wanted: Sequence[Wanted], *, deterministic: bool = False) -> Selection:
    """Networks of one architecture and one dropout rate for as many of those wanted as there are.

    Where no network has a configuration, as networks that are not of the zoo, all are taken by their names.

    Args:
        results: As `landscape.comparison.renamed` gives them.
        wanted: In the order of the panel.
        deterministic: Whether deterministic networks may stand in where no network has MC dropout.
    """
    needed = {name for each in wanted for name in each.needs}
    records = {network: record_of(kinds) for network, kinds in results.items() if needed & set(kinds)}
    known = {network: record for network, record in records.items() if record.get("config")}
    if not known:
        return Selection({network: network for network in records}, tuple(each.label for each in wanted))
    # MC dropout before none; of several rates the one nearest to the paper's 0.3.
    rates = sorted(set(map(_rate, known.values())), key=lambda rate: (rate == 0, abs(rate - 0.3)))
    if not deterministic:
        rates = [rate for rate in rates if rate] or [-1.0]
    families = list(dict.fromkeys(map(_family, known.values())))
    tried = [_selected(results, known, wanted, family, rate) for family in families for rate in rates]
    return max(tried, key=lambda selection: len(selection.found))


def _selected(
    results: Results, known: Mapping[str, Record], wanted: Sequence[Wanted], family: tuple, rate: float
) -> Selection:
    rates = {"off": 0.0, "on": rate}
    fitting = {
        each.label: [
            network
            for network, record in known.items()
            if set(each.needs) & set(results[network])
            and _family(record) == family
            and _rate(record) == rates.get(each.dropout, _rate(record))
            and each.fits(record)
        ]
        for each in wanted
    }
    found = {label: networks[0] for label, networks in fitting.items() if networks}
    return Selection(
        found,
        tuple(label for label in fitting if label not in found),
        max(rate, 0.0),
        sum(len(networks) - 1 for networks in fitting.values() if networks),
        {network: known[network] for network in found.values()},
    )


def first_of_each(results: Results, needs: tuple[str, ...]) -> Selection:
    """The first network of each configuration, by its own name: for panels that take any network."""
    found: dict[str, str] = {}
    able = [network for network, kinds in results.items() if set(needs) & set(kinds)]
    for network in able:
        record = record_of(results[network])
        found.setdefault(identity(record) if record.get("config") else network, network)
    return Selection({network: network for network in found.values()}, more=len(able) - len(found))


def trained_first(selection: Selection) -> Selection:
    """Inserted smoothing only where no network was trained with it; what is absent is said but once."""
    found = {
        label: network
        for label, network in selection.found.items()
        if not (label.endswith(INSERTED) and label.removesuffix(INSERTED) in selection.found)
    }
    absent = [
        label
        for label in selection.absent
        if not label.endswith(INSERTED) and f"{label}{INSERTED}" not in found
    ]
    return replace(selection, found=found, absent=tuple(absent))


def has_inserted(selection: Selection) -> bool:
    """Whether smoothing was inserted into one of the networks after training."""
    return any(label.endswith(INSERTED) for label in selection.found)


def _family(record: Record) -> tuple:
    return tuple(record["config"].get(name) for name in _SHARED)


def _rate(record: Record) -> float:
    return float(record["config"].get("dropout", 0))


def is_plain(record: Record) -> bool:
    """Whether nothing smooths the network but its head."""
    return smoothing_of(record) == NONE


def is_smooth(record: Record) -> bool:
    """Whether the network was trained with the paper's smoothing layers, Prob and blur after every stage."""
    prob, kernel, stages = smoothing_of(record) or NONE
    return (prob, stages) == ("tanh", None) and kernel > 1 and not record.get("surgery")


def has_head(record: Record, head: str) -> bool:
    """Whether the network has this head; `usual` is the paper's, MLP for VGG and global average pooling."""
    usual = "mlp" if record["config"]["architecture"] == "vgg" else "gap"
    return bool(record["config"].get("head") == (usual if head == "usual" else head))


def smoothing_of(record: Record) -> Smoothing | None:
    """The smoothing of a network, `NONE` without any; None where the papers have nothing like it."""
    config, surgery = record["config"], str(record.get("surgery") or "")
    smoothing = config.get("smoothing")
    other = config.get("activation", "relu") != "relu" or config.get("preactivation")
    if other or (smoothing and surgery):
        return None
    if surgery:
        return _inserted(surgery, config["architecture"])
    if not smoothing:
        return NONE
    return smoothing["prob"], len(smoothing["kernel"]), tuple(smoothing.get("stages") or ()) or None


def _inserted(surgery: str, architecture: str) -> Smoothing | None:
    """What `KIND@PLACE,…` inserted; None for what has no counterpart in the papers."""
    kind, _, where = surgery.partition("@")
    parts = kind.split("-")
    if "+" in surgery or not set(parts) <= set(_PROBS) | set(_BLURS):
        return None
    prob = next((_PROBS[part] for part in parts if part in _PROBS), "none")
    kernel = next((_BLURS[part] for part in parts if part in _BLURS), 1)
    matched = [_PLACE.search(place) for place in where.split(",")]
    if not all(matched):
        return None
    first = 1 if architecture == "vgg" and "layer" in where else 0  # its stages are layer0 … layer4
    stages = tuple(sorted(int(each[1]) + first for each in matched if each))
    return prob, kernel, None if len(stages) == STAGES.get(architecture) else stages


def with_head(head: str, smooth: bool = False) -> Callable[[Record], bool]:
    """Networks with this head, with or without smoothing layers."""
    condition = is_smooth if smooth else is_plain
    return lambda record: condition(record) and has_head(record, head)


def four(needs: tuple[str, ...], *, alone: tuple[str, ...] = ()) -> list[Wanted]:
    """Deterministic and MC dropout, each without and with smoothing: the networks of most panels.

    Args:
        needs: Names of results, any one of which will do.
        alone: Others that will do for deterministic networks.
    """
    return [
        Wanted("deterministic", with_head("usual"), (*needs, *alone), "off"),
        Wanted("deterministic + S", with_head("usual", True), (*needs, *alone), "off"),
        *two(needs, "MC dropout", "MC dropout + S", "usual"),
    ]


def two(
    needs: tuple[str, ...], plain: str = "GAP", smooth: str = "GAP + S", head: str = "gap"
) -> list[Wanted]:
    """Without and with smoothing, under these labels."""
    return [Wanted(plain, with_head(head), needs), Wanted(smooth, with_head(head, True), needs)]


def three(needs: tuple[str, ...]) -> list[Wanted]:
    """MLP head, global average pooling, and that with smoothing: the networks of the loss landscapes."""
    return [Wanted("MLP", with_head("mlp"), needs), *two(needs)]


def heads(needs: tuple[str, ...]) -> list[Wanted]:
    """The four heads, without smoothing."""
    named = {"GAP": "gap", "MLP": "mlp", "max": "max", "median": "median"}
    return [Wanted(label, with_head(head), needs) for label, head in named.items()]


def preactivations(needs: tuple[str, ...]) -> list[Wanted]:
    """Without and with pre-activation, deterministic and with MC dropout."""

    def preactivated(record: Record) -> bool:
        without = {**record, "config": {**record["config"], "preactivation": False}}
        return bool(record["config"].get("preactivation")) and with_head("usual")(without)

    return [
        Wanted(f"{kind}{suffix}", fits, needs, dropout)
        for kind, dropout in (("deterministic", "off"), ("MC dropout", "on"))
        for suffix, fits in (("", with_head("usual")), (", pre-activation", preactivated))
    ]


def trained_or_inserted(
    label: str, smooths: Callable[[Smoothing], bool], needs: tuple[str, ...]
) -> list[Wanted]:
    """A network trained with a smoothing, and one that it was inserted into after training."""

    def fits(record: Record, inserted: bool) -> bool:
        found = smoothing_of(record)
        usual = has_head(record, "usual") and inserted == bool(record.get("surgery"))
        return usual and found is not None and smooths(found)

    return [
        Wanted(f"{label}{INSERTED if inserted else ''}", partial(fits, inserted=inserted), needs)
        for inserted in (False, True)
    ]


def one_stage_in_turn(architecture: str, needs: tuple[str, ...]) -> list[Wanted]:
    """No smoothing, one smoothing layer after each stage in turn, and one after every stage.

    Args:
        architecture: As in a configuration, such as `resnet`.
        needs: Names of results, any one of which will do.
    """
    places: dict[str, tuple[int, ...] | None] = {
        f"after stage {stage}": (stage,) for stage in range(1, STAGES.get(architecture, 4) + 1)
    }
    places["after every stage"] = None

    def blurred(stages: tuple[int, ...] | None, found: Smoothing) -> bool:
        return found in [(prob, 2, stages) for prob in ("tanh", "none")]

    found = [Wanted("no smoothing", with_head("usual"), needs)]
    for label, stages in places.items():
        found += trained_or_inserted(label, partial(blurred, stages), needs)
    return found


def dropout_rates(rates: set[float], needs: tuple[str, ...]) -> list[Wanted]:
    """Plain networks by their dropout rate: those of the paper, and others there are."""

    def fits(record: Record, rate: float) -> bool:
        return with_head("gap")(record) and _rate(record) == rate

    return [
        Wanted(f"dropout {100 * rate:g} %", partial(fits, rate=rate), needs, "any")
        for rate in sorted(rates | {0.0, 0.1, 0.2, 0.3})
    ]
