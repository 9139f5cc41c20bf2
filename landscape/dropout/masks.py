"""Modes of dropout, dropout layers, and masks as functions of seed, draw, place and sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError

_ELEMENTWISE = (nn.Dropout,)
_CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_UNSUPPORTED = (nn.AlphaDropout, nn.FeatureAlphaDropout)
_FORWARDS = {kind.forward for kind in _ELEMENTWISE + _CHANNELWISE}


class OrdinaryDropout(nn.Dropout):
    """Dropout for training only, which MC dropout leaves off (as in the MLP head of Park & Kim's code)."""

    mc_dropout = False


def is_dropout(layer: nn.Module) -> bool:
    """Whether a layer is `nn.Dropout` or one of its kind, with PyTorch's own forward."""
    return isinstance(layer, _ELEMENTWISE + _CHANNELWISE) and type(layer).forward in _FORWARDS


def dropout_layers(module: nn.Module, *, training: bool = False) -> dict[str, nn.Module]:
    """Dropout layers by name: all of them when training, else those that MC dropout keeps on.

    Every `nn.Dropout` counts as MC dropout unless it carries the attribute ``mc_dropout = False``. Dropout
    that is no such layer is found by `landscape.dropout.stochastic_parts`.

    Raises:
        LandscapeError: If the module holds a kind of dropout whose masks are not implemented.
    """
    found = {}
    for name, layer in module.named_modules():
        if isinstance(layer, _UNSUPPORTED):
            raise LandscapeError(
                f"layer '{name}' is {type(layer).__name__}, whose masks landscape cannot draw; "
                "use --dropout off, or nn.Dropout in the network"
            )
        active = is_dropout(layer) and layer.p > 0
        if active and (training or getattr(layer, "mc_dropout", True)):
            found[name] = layer
    return found


def mask_shape(layer: nn.Module, output: Tensor) -> torch.Size:
    """The shape of a layer's mask: that of its output, or its channels alone."""
    if isinstance(layer, _CHANNELWISE):
        return torch.Size([*output.shape[:2], *(1 for _ in output.shape[2:])])
    return output.shape


_WORDS_PER_BLOCK = 4  # a Philox block is four 64-bit words, each used as four 16-bit numbers
_DIGITS = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}


@dataclass(frozen=True)
class Rows:
    """Where the samples of a tensor lie.

    Attributes:
        dim: Along which dimension; None where there is one mask for all samples, as of a dropped weight.
        group: Consecutive rows that belong to each sample, such as its windows or its heads.
    """

    dim: int | None = 0
    group: int = 1


def keep_mask(shape: torch.Size, rate: float, key: tuple[int, ...], start: int) -> Tensor:
    """Boolean keep-mask; rows are the samples start, start + 1, … of the stream named by `key`.

    A sample's numbers run over its positions with the channel fastest, so that the masks of maps lie in
    memory like maps in channels_last, which halves the cost of applying them.

    Args:
        shape: (sample, channel, …).
        rate: Probability of dropping an element, resolved to 1/65536.
        key: Seed, draw and layer.
        start: Index of the first sample in the stream.
    """
    count, *rest = shape
    per_sample = int(np.prod(rest))
    words = _words(key, start, count, -(-per_sample // (4 * _WORDS_PER_BLOCK)))
    numbers = words.view(np.uint16).reshape(count, -1)[:, :per_sample]
    channels_last = [count, *rest[1:], *rest[:1]]
    return torch.from_numpy(numbers >= _threshold(rate)).reshape(channels_last).movedim(-1, 1 if rest else 0)


def factors(
    like: Tensor, shape: torch.Size, rate: float, key: tuple[int, ...], start: int, rows: Rows
) -> Tensor:
    """What dropout multiplies a tensor like `like` by: 0, or 1 over the share kept."""
    if rate >= 1:
        return like.new_zeros(shape)
    keep = _arranged(lambda size, first: keep_mask(size, rate, key, first), shape, start, rows)
    # The rate that the 16-bit threshold realises, so that the expectation is exact.
    realised = 1 - int(_threshold(rate)) / 65536
    return keep.to(like.device).to(like.dtype) / realised


def uniforms(shape: torch.Size, key: tuple[int, ...], start: int, rows: Rows) -> Tensor:
    """Float64 numbers from [0, 1) with 53 random digits."""

    def draw(size: torch.Size, first: int) -> Tensor:
        count, *rest = size
        per_sample = int(np.prod(rest))
        words = _words(key, first, count, -(-per_sample // _WORDS_PER_BLOCK))
        numbers = (words.reshape(count, -1)[:, :per_sample] >> np.uint64(11)) * 2.0**-53
        return torch.from_numpy(numbers).reshape(size)

    return _arranged(draw, shape, start, rows)


def rounded_down(numbers: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers from [0, 1) in a precision in which the largest would be rounded to 1."""
    steps = 2.0 ** _DIGITS.get(dtype, 24)
    return ((numbers * steps).floor() / steps).to(dtype)


def _arranged(draw: Callable[[torch.Size, int], Tensor], shape: torch.Size, start: int, rows: Rows) -> Tensor:
    """What `draw` gives for (sample, …), laid out as the samples lie in a tensor of this shape."""
    if rows.dim is None:
        return draw(torch.Size([1, *shape]), 0)[0]
    others = [size for dim, size in enumerate(shape) if dim != rows.dim]
    count = shape[rows.dim]
    grouped = [count] if rows.group == 1 else [count // rows.group, rows.group]
    return draw(torch.Size([*grouped, *others]), start).reshape(count, *others).movedim(0, rows.dim)


def _words(key: tuple[int, ...], start: int, count: int, blocks: int) -> np.ndarray:
    """The raw numbers of `count` samples from `start` on, so many blocks each."""
    philox_key = np.random.SeedSequence(key).generate_state(2, np.uint64)
    stream = np.random.Philox(key=philox_key, counter=start * blocks)
    return np.asarray(stream.random_raw(count * blocks * _WORDS_PER_BLOCK))


def _threshold(rate: float) -> np.uint16:
    return np.uint16(min(round(rate * 65536), 65535))  # rates that round up to 1 keep 1 element in 65536


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

    with ExitStack() as stack:
        for layer in modules:
            stack.enter_context(layer.register_forward_pre_hook(enter, prepend=True))
            stack.enter_context(layer.register_forward_hook(leave, always_call=True))
        yield inside


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
