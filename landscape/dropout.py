"""Dropout masks as a function of (seed, draw, layer, sample), without any global random state.

A mask does not depend on the micro-batch in which its sample is evaluated, so results do not change with the
micro-batch size, and any single draw can be computed again on its own (a resumed run, a point of a surface).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError

DropoutMode = str
"""`off`: the layer is the identity. `fixed`: one mask for the whole result. `fresh`: one per evaluation.
`ensemble:N`: the mean prediction over N masks."""

MODES = ("off", "fixed", "fresh")


def passes(mode: DropoutMode) -> int | None:
    """How many passes an `ensemble:N` averages; None for the other modes.

    Raises:
        LandscapeError: If there is no such mode.
    """
    if mode in MODES:
        return None
    name, _, count = mode.partition(":")
    if name != "ensemble" or not count.isdecimal() or int(count) < 1:
        raise LandscapeError(
            f"dropout is {mode!r}; choose one of {', '.join(MODES)}, or ensemble:N with N passes"
        )
    return int(count)


_ELEMENTWISE = (nn.Dropout,)
_CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_UNSUPPORTED = (nn.AlphaDropout, nn.FeatureAlphaDropout)
_WORDS_PER_BLOCK = 4  # a Philox block is four 64-bit words, each used as four 16-bit numbers


class OrdinaryDropout(nn.Dropout):
    """Dropout for training only, which MC dropout leaves off (as in the MLP head of Park & Kim's code)."""

    mc_dropout = False


def dropout_layers(module: nn.Module, *, training: bool = False) -> dict[str, nn.Module]:
    """Dropout layers by name: all of them when training, else those that MC dropout keeps on.

    Every `nn.Dropout` counts as MC dropout unless it carries the attribute ``mc_dropout = False``.

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
        active = isinstance(layer, _ELEMENTWISE + _CHANNELWISE) and layer.p > 0
        if active and (training or getattr(layer, "mc_dropout", True)):
            found[name] = layer
    return found


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
    blocks = -(-per_sample // (4 * _WORDS_PER_BLOCK))
    philox_key = np.random.SeedSequence(key).generate_state(2, np.uint64)
    stream = np.random.Philox(key=philox_key, counter=start * blocks)
    words = stream.random_raw(count * blocks * _WORDS_PER_BLOCK)
    numbers = words.view(np.uint16).reshape(count, -1)[:, :per_sample]
    channels_last = [count, *rest[1:], *rest[:1]]
    return torch.from_numpy(numbers >= _threshold(rate)).reshape(channels_last).movedim(-1, 1 if rest else 0)


def _threshold(rate: float) -> np.uint16:
    return np.uint16(min(round(rate * 65536), 65535))  # rates that round up to 1 keep 1 element in 65536


@contextmanager
def dropout_masks(
    module: nn.Module, *, seed: int, draw: int = 0, start: int = 0, training: bool = False
) -> Iterator[None]:
    """Around one forward pass: dropout layers in eval mode multiply by masks of this seed and draw.

    Args:
        module: The network; its dropout layers must be in eval mode.
        seed: Names the masks together with `draw`.
        draw: Which masks: 0 for a fixed mask, the index of the evaluation for fresh ones.
        start: Index of the first sample of the batch, so that each sample has its own stream.
        training: Whether ordinary dropout is on too.

    The layers' hooks are removed on leaving, also after an error.
    """
    handles = []
    try:
        for position, layer in enumerate(dropout_layers(module, training=training).values()):
            hook = _masking_hook((seed, draw, position), start)
            # First in line, so that hooks that look at the layer's output see it masked.
            handles.append(layer.register_forward_hook(hook, prepend=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _masking_hook(key: tuple[int, ...], start: int):
    uses = itertools.count()

    def hook(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        rate = float(layer.p)  # type: ignore[arg-type]
        if rate >= 1:
            return torch.zeros_like(output)
        shape = output.shape
        if isinstance(layer, _CHANNELWISE):
            shape = torch.Size([*shape[:2], *(1 for _ in shape[2:])])
        use = next(uses)  # a layer that a forward pass runs again gets another mask each time
        keep = keep_mask(shape, rate, (*key, use) if use else key, start).to(output.device)
        # The rate that the 16-bit threshold realises, so that the expectation is exact.
        realised = 1 - int(_threshold(rate)) / 65536
        return output * (keep.to(output.dtype) / realised)

    return hook
