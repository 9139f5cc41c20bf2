"""Finds what dropout masks can act on: a few passes over at most three samples.

Some dropout is called in eval mode too and only told not to act; some is not called at all unless a module is
in training mode. Modules of the latter kind are switched, each only if training mode adds masks and nothing
else, if every mask can be assigned to samples, and if no sample's output depends on the others' masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from landscape.dropout.calls import ATTENTION, NUMBERS
from landscape.dropout.masking import Means, NoMean, dropout_masks
from landscape.dropout.masks import (
    Place,
    Rows,
    Stochastic,
    dropout_layers,
    is_dropout,
    positions_of,
    switched,
)
from landscape.dropout.trial import Run, Trial, own, same, seen, together, tried, undisturbed
from landscape.errors import LandscapeError

_SAMPLES, _DRAWS = 3, 2
_NEVER = "which never runs"
_OTHER_MEAN = "whose mean in training mode is not what it computes in eval mode"
_NO_ROWS = "whose masks cannot be assigned to samples"
_MIXED = "whose masks act across samples"


def stochastic_parts(module: nn.Module, run: Run) -> Stochastic:
    """What dropout masks can act on in a network, and what stays off.

    Args:
        module: The network; nothing about it is changed in the end.
        run: Runs it in eval mode on the samples from … to of three.

    Raises:
        LandscapeError: If the network holds a kind of dropout whose masks are not implemented.
    """
    dropout_layers(module)  # refuses
    with undisturbed(module):
        search = _Search(module, run)
        search.find_switched()
        search.lay_out()
        search.separate()
        return search.parts()


class _Search:
    """One network's search, a step a method."""

    def __init__(self, module: nn.Module, run: Run) -> None:
        self._module, self._run = module, run
        self._modules = list(module.modules())
        self._names = [name for name, _ in module.named_modules()]
        self._positions = positions_of(module)
        self._plain = tried(module, run, (), 2)
        self._switched: list[nn.Module] = []
        self._off: dict[int, str] = {}
        self._trial = self._plain
        self._rows: dict[Place, Rows | None] = {}

    def find_switched(self) -> None:
        """Modules that draw masks in training mode alone."""
        wanted: dict[int, nn.Module] = {}
        for trial in self._in_training():
            known = self._plain.calls()
            for place, caller in trial.callers.items():
                if place[1] >= known[place[0]]:
                    wanted[self._positions[id(caller)]] = caller
            self._off |= {key: why for key, why in trial.strange.items() if key not in self._plain.strange}
            self._off |= trial.off
        self._off |= self._plain.off
        modules = [layer for position, layer in wanted.items() if position not in self._off]
        self._switched = self._tested(modules)

    def lay_out(self) -> None:
        """Where the samples lie in each mask: the dimension that grows with their number."""
        while True:
            two = tried(self._module, self._run, self._switched, 2) if self._switched else self._plain
            three = tried(self._module, self._run, self._switched, 3)
            self._rows, unplaced = {}, set()
            for place in two.shapes.keys() | three.shapes.keys():
                rows = _rows(two.shapes.get(place), three.shapes.get(place))
                # Numbers that are drawn in eval mode too are the network's own, and no dropout.
                own_numbers = place in two.kinds and two.kinds[place] in NUMBERS
                if own_numbers and not any(two.callers[place] is layer for layer in self._switched):
                    self._rows[place] = None
                elif rows is None:
                    unplaced.add(place[0])
                else:
                    self._rows[place] = rows
            self._trial = two
            self._off |= dict.fromkeys(unplaced, _NO_ROWS)
            self._rows = {place: rows for place, rows in self._rows.items() if place[0] not in unplaced}
            kept = [layer for layer in self._switched if self._positions[id(layer)] not in unplaced]
            if len(kept) == len(self._switched):
                return
            self._switched = kept

    def separate(self) -> None:
        """Leave off what gives a sample another output when others are evaluated with it."""
        positions = sorted({place for place, _ in self._rows})
        if all(is_dropout(self._modules[position]) for position in positions):
            return  # PyTorch's own layers treat each element alone
        if self._agree(positions) or not self._agree([]):
            return  # or the network does so without any mask
        apart = _faulty(positions, self._agree)
        if not self._agree([position for position in positions if position not in apart]):
            apart = positions
        self._off |= dict.fromkeys(apart, _MIXED)
        self._rows = {place: rows for place, rows in self._rows.items() if place[0] not in apart}
        self._switched = [layer for layer in self._switched if self._positions[id(layer)] not in apart]

    def parts(self) -> Stochastic:
        """What has been found so far."""
        masked: dict[int, dict[str, None]] = {}
        for place in sorted(place for place, rows in self._rows.items() if rows):
            masked.setdefault(place[0], {})[self._trial.kinds[place]] = None
        idle = self._idle({self._names[key] for key, kinds in masked.items() if ATTENTION in kinds})
        off = {self._names[key]: self._reason(key, why) for key, why in sorted(self._off.items())}
        never = {name: self._reason(key, _NEVER) for name, key in idle.items()}
        return Stochastic(
            masked={self._names[key]: ", ".join(kinds) for key, kinds in masked.items()},
            off=never | off,
            idle=tuple(idle),
            rows=dict(self._rows),
            switched=tuple(self._switched),
            watched=tuple(layer for key, layer in enumerate(self._modules) if self._told_apart(key, layer)),
        )

    def _idle(self, attending: set[str]) -> dict[str, int]:
        """Dropout layers that never run, unless the module around them masks its attention itself."""
        found = {name: self._positions[id(layer)] for name, layer in dropout_layers(self._module).items()}
        return {
            name: position
            for name, position in found.items()
            if position not in self._trial.ran and name.rpartition(".")[0] not in attending
        }

    def _told_apart(self, position: int, layer: nn.Module) -> bool:
        calls = any(place[0] == position for place in self._trial.shapes)
        return calls or is_dropout(layer) or not getattr(layer, "mc_dropout", True)

    def _reason(self, position: int, why: str) -> str:
        kind = type(self._modules[position]).__name__
        return f"{kind}, {why}" if why.startswith(("which", "whose")) else why

    def _only(self, positions: Sequence[int]) -> Stochastic:
        """The parts with the masks of these modules alone, others in eval mode."""
        layers = [layer for layer in self._switched if self._positions[id(layer)] in positions]
        rows = {place: rows for place, rows in self._rows.items() if place[0] in positions}
        others = {name: "" for key, name in enumerate(self._names) if key not in positions}
        return replace(self.parts(), rows=rows, switched=tuple(layers), off=others, idle=())

    def _in_training(self) -> list[Trial]:
        """Trials with modules in training mode: all that are somebody's own, else kind by kind."""
        layers = [layer for layer in self._modules if own(layer)]
        every = self._attempt(layers)
        if every is not None:
            return [every]
        kinds = list(dict.fromkeys(type(layer) for layer in layers))
        each = [self._attempt([layer for layer in layers if type(layer) is kind]) for kind in kinds]
        return [trial for trial in each if trial is not None]

    def _attempt(self, layers: list[nn.Module]) -> Trial | None:
        """A trial; None if the network cannot run so, as one that asks for targets in training mode."""
        try:
            return tried(self._module, self._run, layers, 2)
        except LandscapeError:
            raise
        except Exception:  # of whatever kind, in the code of others
            return None

    def _tested(self, layers: list[nn.Module]) -> list[nn.Module]:
        """Those that may be switched together."""
        faulty = _faulty(layers, self._means_agree)
        passed = [layer for layer in layers if not any(layer is each for each in faulty)]
        if faulty and not self._means_agree(passed):
            passed, faulty = [], layers
        for layer in faulty:
            self._off.setdefault(self._positions[id(layer)], _OTHER_MEAN)
        return passed

    def _means_agree(self, layers: Sequence[nn.Module]) -> bool:
        """Whether modules compute in training mode, every mask at its mean, what they do in eval mode."""

        def run() -> Any:
            return self._run(0, 2)

        try:
            with Means():
                plain = seen(layers, run)
            with switched(layers), Means():
                return same(plain, seen(layers, run))
        except NoMean as error:
            if len(layers) == 1:
                self._off[self._positions[id(layers[0])]] = f"which {error}"
            return False
        except Exception:  # masks are numbers here that may be between 0 and 1
            return False

    def _agree(self, positions: Sequence[int]) -> bool:
        """Whether samples evaluated together and apart see the same numbers, under these modules' masks."""
        drawing = [self._modules[position] for position in sorted({place[0] for place in self._rows})]
        parts = self._only(positions)

        def outputs(draw: int, start: int, stop: int) -> list[Tensor]:
            masks = dropout_masks(self._module, seed=0, draw=draw, start=start, parts=parts, often=True)
            with masks:
                return seen(drawing, lambda: self._run(start, stop))

        try:
            for draw in range(_DRAWS):
                whole, *pieces = (outputs(draw, *each) for each in ((0, _SAMPLES), (0, 1), (1, _SAMPLES)))
                if not together(whole, pieces):
                    return False
        except Exception:  # such as that of a network that cannot take a single sample
            return False
        return True


def _faulty(items: list[Any], agree: Callable[[list[Any]], bool]) -> list[Any]:
    """Those that do not agree, found by halving."""
    if not items or agree(items):
        return []
    half = len(items) // 2
    return _faulty(items[:half], agree) + _faulty(items[half:], agree) if half else items


def _rows(two: torch.Size | None, three: torch.Size | None) -> Rows | None:
    """The layout of a mask that has these shapes for two and for three samples; None if there is none."""
    if two is None or three is None or len(two) != len(three):
        return None
    growing = [dim for dim, (a, b) in enumerate(zip(two, three, strict=True)) if a != b]
    if not growing:
        return Rows(None)
    group = three[growing[0]] - two[growing[0]]
    return Rows(growing[0], group) if len(growing) == 1 and two[growing[0]] == 2 * group else None
