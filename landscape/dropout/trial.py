"""One pass that changes nothing and notes every call that would draw a mask."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from landscape.dropout.calls import Calls
from landscape.dropout.masks import Place, following, is_dropout, place_name, positions_of, switched
from landscape.errors import LandscapeError

_TOLERANCE = 1e-4  # of the largest number: float32 rounding through a deep network


def seen(layers: Iterable[nn.Module], run: Callable[[], Any]) -> list[Tensor]:
    """What these layers put out in a run, call by call, and what the network does.

    A layer's effect may vanish on the way to the end, as in a network that has not been trained.
    """
    found: list[Tensor] = []

    def note(layer: nn.Module, args: Any, output: Any) -> None:
        found.extend(tensor.clone() for tensor in _tensors(output))  # which layers behind may change in place

    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(layer.register_forward_hook(note))
        outputs = run()
    return [*found, *_tensors(outputs)]


def same(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    """Whether all numbers agree but for rounding."""
    return len(first) == len(second) and all(map(_close, first, second))


def together(whole: Sequence[Tensor], parts: Sequence[Sequence[Tensor]]) -> bool:
    """Whether what is seen of several samples is what is seen of parts of them."""
    if any(len(part) != len(whole) for part in parts):
        return False
    return all(_joins(tensor, pieces) for tensor, *pieces in zip(whole, *parts, strict=True))


def _joins(whole: Tensor, pieces: Sequence[Tensor]) -> bool:
    if any(piece.dim() != whole.dim() for piece in pieces):
        return False
    growing = {d for piece in pieces for d in range(whole.dim()) if piece.shape[d] != whole.shape[d]}
    if not growing:
        return all(_close(whole, piece) for piece in pieces)  # as a dropped weight, the same for all samples
    return len(growing) == 1 and _close(whole, torch.cat(list(pieces), growing.pop()))


def _tensors(outputs: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]


def _close(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape:
        return False
    a, b = (torch.view_as_real(each) if each.is_complex() else each for each in (first, second))
    a, b = a.double(), b.double()
    finite = a[a.isfinite()].abs()
    scale = float(finite.max()) if len(finite) else math.inf
    return bool(((a - b).abs() <= _TOLERANCE * scale)[(a != b) & ~(a.isnan() & b.isnan())].all())


Run = Callable[[int, int], Any]
"""From where to where among a few samples → the network's outputs in eval mode, without a graph."""


@dataclass
class Trial:
    """What a pass showed.

    Attributes:
        outputs: Of the network, its dropout being the identity.
        shapes: Of the mask of each call.
        kinds: What kind of dropout each call is.
        callers: The module to switch to training mode for each call: the innermost that is not PyTorch's own.
        off: By position of a module, which dropout of it cannot be masked.
        strange: By position of a module, what else it does that no mask can stand for.
        ran: Positions of the modules that were called.
    """

    outputs: Any = None
    shapes: dict[Place, torch.Size] = field(default_factory=dict)
    kinds: dict[Place, str] = field(default_factory=dict)
    callers: dict[Place, nn.Module] = field(default_factory=dict)
    off: dict[int, str] = field(default_factory=dict)
    strange: dict[int, str] = field(default_factory=dict)
    ran: set[int] = field(default_factory=set)

    def calls(self) -> Counter[int]:
        """How many calls each module makes."""
        return Counter(position for position, _ in self.shapes)


def own(layer: nn.Module) -> bool:
    """Whether a module is somebody's own, which may draw masks in training mode; BatchNorm is not.

    Whoever marks a module with ``mc_dropout = False`` wants it in eval mode.
    """
    known = is_dropout(layer) or isinstance(layer, torch.nn.modules.batchnorm._NormBase)
    known = known or type(layer).__module__.startswith("torch.nn.")
    return not known and getattr(layer, "mc_dropout", True)


def tried(module: nn.Module, run: Run, modules: Iterable[nn.Module], stop: int) -> Trial:
    """A trial over the samples 0 … stop − 1 with these modules in training mode.

    Raises:
        LandscapeError: If dropout is called that is more than a mask.
    """
    found = _Notes(module)
    with following(module.modules(), found.note) as inside, switched(modules), Calls(found):
        found.inside = inside
        found.trial.outputs = run(0, stop)
    return found.trial


class _Notes:
    """Notes calls and changes nothing; see `landscape.dropout.calls.Draws`."""

    def __init__(self, module: nn.Module) -> None:
        self.trial = Trial()
        self.inside: list[nn.Module] = []
        self._positions = positions_of(module)
        self._names = [name for name, _ in module.named_modules()]
        self._uses: Counter[int] = Counter()
        self._before = _generators()
        self._versions: list[list[int]] = []

    def note(self, layer: nn.Module, entered: bool) -> None:
        """Whether something random was drawn that nobody saw, since a module was entered or left last."""
        after, position = _generators(), self._positions[id(layer)]
        if after != self._before:
            around = self._positions[id(self.inside[-1])] if entered and self.inside else position
            self.trial.strange[around] = "which draws other random numbers"
        self._before = after
        self.trial.ran.add(position)
        versions = [buffer._version for buffer in layer.buffers(recurse=False)]
        if entered:
            self._versions.append(versions)
        elif self._versions.pop() != versions:
            self.trial.strange[position] = "which changes its buffers in training mode"

    def dropout(self, kind: str, values: Tensor, shape: torch.Size, rate: float, *, inplace: bool) -> Any:
        """The values themselves, unless the layer is dropout that stays off by its owner's will."""
        return NotImplemented if self._noted(kind, shape) is None else values

    def bernoulli(self, kind: str, probability: Tensor | float, into: Tensor) -> Any:
        """Ones."""
        return NotImplemented if self._noted(kind, into.shape) is None else into.fill_(1)

    def uniform(self, kind: str, into: Tensor) -> Any:
        """Close to 1, where whatever drops with small probability does not."""
        return NotImplemented if self._noted(kind, into.shape) is None else into.fill_(1 - 2**-8)

    def unsupported(self, kind: str) -> None:
        """Note that a call stays off."""
        if self._wanted():
            self.trial.off[self._positions[id(self.inside[-1])]] = kind

    def refused(self, kind: str) -> None:
        """Refuse it by name.

        Raises:
            LandscapeError: Always.
        """
        if self._wanted():
            layer = self.inside[-1]
            name = place_name(self._names[self._positions[id(layer)]], type(layer).__name__)
            raise LandscapeError(
                f"{name} calls {kind}, whose masks landscape cannot draw; use --dropout off, "
                "or F.dropout in the network"
            )

    def _wanted(self) -> bool:
        return bool(self.inside) and getattr(self.inside[-1], "mc_dropout", True)

    def _noted(self, kind: str, shape: torch.Size) -> Place | None:
        if not self._wanted():
            return None
        layer = self.inside[-1]
        position = self._positions[id(layer)]
        place = position, self._uses[position]
        self._uses[position] += 1
        self.trial.shapes[place] = torch.Size(shape)
        self.trial.kinds[place] = f"nn.{type(layer).__name__}" if is_dropout(layer) else kind
        callers = [each for each in self.inside if own(each)]
        self.trial.callers[place] = callers[-1] if callers else layer
        return place


def _generators() -> tuple[Any, ...]:
    """The states of the generators that code in training mode may draw from."""
    _, words, *rest = np.random.get_state()  # noqa: NPY002 - what others draw from
    states = [torch.get_rng_state().numpy().tobytes()]
    if torch.cuda.is_initialized():
        states.append(torch.cuda.get_rng_state().numpy().tobytes())
    return random.getstate(), np.asarray(words).tobytes(), *rest, *states


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Generators and the modules' plain attributes are put back on leaving."""
    attributes = [(layer, dict(layer.__dict__)) for layer in module.modules()]
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        for layer, before in attributes:
            for name in layer.__dict__.keys() - before.keys():
                del layer.__dict__[name]
            layer.__dict__.update(before)
