"""What of a network is random by dropout, and which module a call comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from landscape.dropout.masks import Rows

_SHOWN = 4  # places named in a sentence

Place = tuple[int, int]
"""A call that draws a mask: which module makes it, by position among all, and how many it made before."""


@dataclass(frozen=True)
class Stochastic:
    """What masks act on in a network, as found in a trial.

    Attributes:
        masked: By the name of a module, what of it is masked, such as `F.dropout`.
        off: By the name of a module, why what it draws in training mode stays off.
        idle: Dropout layers that never run, by name; not those that fused attention stands in for.
        rows: Where the samples lie in the mask of each call; None for a call that stays off.
        switched: Modules that run in training mode, because they draw in no other.
        watched: Modules whose calls have to be told apart.
    """

    masked: Mapping[str, str] = field(default_factory=dict)
    off: Mapping[str, str] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    rows: Mapping[Place, Rows | None] = field(default_factory=dict)
    switched: tuple[nn.Module, ...] = ()
    watched: tuple[nn.Module, ...] = ()

    def __bool__(self) -> bool:
        """Whether any mask acts."""
        return bool(self.masked)

    @property
    def complete(self) -> bool:
        """Whether masks act on something, and on all that draws any in training mode."""
        return bool(self.masked) and set(self.off) <= set(self.idle)

    def sentence(self, mode: str) -> str:
        """What dropout in this mode acts on and what stays off, for reports."""
        off = f"stays off: {_listed(self.off)}"
        if self.masked:
            acts = f"Dropout ({mode}) masks {_listed(self.masked)}"
            return f"{acts}; {off}." if self.off else f"{acts}."
        if self.off:
            return f"Dropout is {mode}, but no mask can be drawn; {off}. Every draw is the same."
        return f"Dropout is {mode}, but the network has no dropout that can be on: every draw is the same."


def positions_of(module: nn.Module) -> dict[int, int]:
    """Positions of a network's modules, by identity."""
    return {id(layer): position for position, layer in enumerate(module.modules())}


def place_name(name: str, what: str) -> str:
    """A module in words."""
    return f"layer '{name}' ({what})" if name else f"the network itself ({what})"


def _listed(places: Mapping[str, str]) -> str:
    named = [place_name(*each) for each in list(places.items())[:_SHOWN]]
    more = len(places) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


@contextmanager
def following(
    modules: Iterable[nn.Module], note: Any = lambda layer, entered: None
) -> Iterator[list[nn.Module]]:
    """A list that holds, while open, those of the modules that are being called, the innermost last.

    Args:
        modules: Which to follow.
        note: Called with a module as it is entered and left.
    """
    inside: list[nn.Module] = []

    def enter(layer: nn.Module, args: Any) -> None:
        note(layer, True)
        inside.append(layer)

    def leave(layer: nn.Module, args: Any, output: Any) -> None:
        while inside and inside.pop() is not layer:
            pass  # its callee has raised
        note(layer, False)

    handles = []
    try:
        for layer in modules:
            handles.append(layer.register_forward_pre_hook(enter, prepend=True))
            handles.append(layer.register_forward_hook(leave, always_call=True))
        yield inside
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def switched(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Training mode for these modules while open, not for those within them."""
    before = [(layer, layer.training) for layer in modules]
    for layer, _ in before:
        layer.training = True
    try:
        yield
    finally:
        for layer, training in before:
            layer.training = training
