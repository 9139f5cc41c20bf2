"""How networks look: the colour tells the factor, a dash MC dropout, in every figure the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from landscape.comparison.identity import identity_with
from landscape.errors import ResultError
from landscape.results import attribute

# Okabe & Ito's colour-blind-safe set without its yellow (too light on white), then three darker ones.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#882255",
    "#808000",
    "#7F7F7F",
)
SOLID = "-"
DASHED: Any = (0, (4, 1.5))
"""Dash of networks with MC dropout."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
_APART = 5  # a network with MC dropout has the marker so many places on: colour alone is lost in grey


@dataclass(frozen=True)
class Look:
    """How one network is drawn in every figure of a comparison; legible in grey by dash and marker."""

    colour: str
    dash: Any
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """Colour, dash and marker as matplotlib takes them."""
        return {"color": self.colour, "linestyle": self.dash, "marker": self.marker}

    @property
    def dropout(self) -> bool:
        """Whether it is that of a network with MC dropout."""
        return self.dash != SOLID


def looks(networks: Iterable[str] | Mapping[str, Any]) -> dict[str, Look]:
    """A look for each network, none like another; the same networks in the same order give the same looks.

    Networks that differ by MC dropout alone share a colour. Those of the papers always have the same one:
    the plain network the first of `PALETTE`, with smoothing layers the second, with an MLP head the third;
    others follow in order. So do all those whose configuration is not known.

    Args:
        networks: Results by network name, a result or several by kind each; or names alone.
    """
    known = networks if isinstance(networks, Mapping) else {}
    records = {name: _record(known.get(name)) for name in networks}
    taken: set[tuple[str, bool]] = set()
    factors: dict[str, tuple[str, bool]] = {}
    for name, record in records.items():
        key = (_factor(record) or name, _has_dropout(record))
        factors[name] = (name, key[1]) if key in taken else key
        taken.add(factors[name])
    roles = {factor: _role(records[name]) for name, (factor, _) in factors.items()}
    places = _places(roles)
    return {name: _look(places[factor], dropout) for name, (factor, dropout) in factors.items()}


def _places(roles: Mapping[str, int | None]) -> dict[str, int]:
    """A place in the palette for each factor: that of its role where it has one, else the next free one."""
    found: dict[str, int] = {}
    for factor, role in roles.items():
        if role is not None and role not in found.values():
            found[factor] = role
    reserved = _ROLES if found else 0
    others = (factor for factor in roles if factor not in found)
    found |= {factor: reserved + index for index, factor in enumerate(others)}
    return found


def _look(place: int, dropout: bool) -> Look:
    marker = _MARKERS[(place + place // len(PALETTE) + _APART * dropout) % len(_MARKERS)]
    return Look(PALETTE[place % len(PALETTE)], DASHED if dropout else SOLID, marker)


def looks_for(
    networks: Sequence[str] | Mapping[str, Any], chosen: Mapping[str, Look] | None
) -> dict[str, Look]:
    """The looks chosen for a whole comparison, or new ones.

    Raises:
        ResultError: If looks were chosen, but not for every name.
    """
    if chosen is None:
        return looks(networks)
    absent = [name for name in networks if name not in chosen]
    if absent:
        raise ResultError(f"no look for {', '.join(absent)}; build them with figures.looks(all names)")
    return {name: chosen[name] for name in networks}


def _record(found: Any) -> Mapping[str, Any]:
    """The record of a network, of its result or of several by kind; empty where nothing is known."""
    if isinstance(found, Mapping) and not isinstance(found, xr.Dataset):
        found = next(iter(found.values()), None)
    return attribute(found, "network") if isinstance(found, xr.Dataset) else {}


def _has_dropout(record: Mapping[str, Any]) -> bool:
    return float((record.get("config") or {}).get("dropout") or 0) > 0


def _factor(record: Mapping[str, Any]) -> str:
    """The same for networks that differ by MC dropout or seed alone; empty without a configuration."""
    config = record.get("config")
    return identity_with(record, {**config, "dropout": 0.0}, record.get("surgery")) if config else ""


_ROLES = 3
"""How many roles the papers have: plain, with smoothing layers, with an MLP head."""


def _role(record: Mapping[str, Any]) -> int | None:
    """Which network of the papers it is."""
    config = record.get("config") or {}
    other = record.get("surgery") or config.get("preactivation") or config.get("activation", "relu") != "relu"
    if not config or other:
        return None
    usual = config.get("head") == ("mlp" if config.get("architecture") == "vgg" else "gap")
    smoothing = config.get("smoothing")
    if smoothing:
        whole = smoothing.get("prob") == "tanh" and not smoothing.get("stages")
        return 1 if usual and whole and len(smoothing.get("kernel") or ()) > 1 else None
    return 0 if usual else 2 if config.get("head") == "mlp" else None
