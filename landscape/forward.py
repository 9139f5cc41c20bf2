"""One forward pass: the network as a function of parameters and inputs, under the protocol's modes."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm

from landscape.batches import Batch
from landscape.dropout import DropoutMode, Stochastic, dropout_layers, dropout_masks, passes, stochastic_parts
from landscape.folding import Pair, foldable, folded, unseen
from landscape.network import evaluating
from landscape.precision import evaluation_precision, full_precision

BatchNormMode = Literal["eval", "batch", "recalibrate"]
"""`eval`: stored statistics. `batch`: those of each micro-batch. `recalibrate`: estimated at each point."""

BATCH_NORM_MODES: tuple[BatchNormMode, ...] = ("eval", "batch", "recalibrate")


class Forward:
    """Parameters and inputs to logits; the module itself is never changed.

    Parameters and buffers are handed to the module call by call, training flags and layers are put back, also
    after an error.

    Attributes:
        module: The network.
        buffers: Its buffers, copied.
        dropout: Dropout mode.
        seed: Of the dropout masks.
        batch_norm: BatchNorm mode.
        first: Index of the first sample, for its masks.
        math_attention: Whether attention runs on its plain kernel, which can be differentiated twice.
        precision: `full`, or `bfloat16` or `tf32` for passes without derivatives.
        pairs: Convolutions with the BatchNorm that is folded into them; None until they are looked for.
    """

    def __init__(
        self,
        module: nn.Module,
        buffers: dict[str, Tensor],
        *,
        dropout: DropoutMode,
        seed: int,
        batch_norm: BatchNormMode,
        precision: str,
    ) -> None:
        """Fix the modes."""
        self.module, self.buffers = module, buffers
        self.dropout, self.seed, self.batch_norm, self.precision = dropout, seed, batch_norm, precision
        self.first = 0
        self.math_attention = False
        self.pairs: list[Pair] | None = None if batch_norm != "batch" else []
        self._parts: list[Stochastic] = []  # found once, and shared by copies
        if dropout != "off":
            dropout_layers(module)  # refuses kinds that cannot be masked

    def stochastic(self, theta: Mapping[str, Tensor], inputs: Tensor) -> Stochastic:
        """What dropout masks act on, found once by a look at three samples.

        Args:
            theta: Every parameter of the module.
            inputs: Prepared inputs, at least one.
        """
        if not self._parts:
            few = inputs[torch.arange(3, device=inputs.device) % len(inputs)]
            buffers = {name: value.clone() for name, value in self.buffers.items()}
            # Where weights are all zero, as at the start of training, nothing before them is seen to act.
            state = ({name: _nonzero(value) for name, value in theta.items()} | buffers,)

            def run(start: int, stop: int) -> Any:
                return torch.func.functional_call(self.module, state, (few[start:stop],))

            with evaluating(self.module), full_precision(inputs.device):
                self._parts.append(stochastic_parts(self.module, run))
        return self._parts[0]

    def _acting(self, theta: Mapping[str, Tensor], inputs: Tensor) -> Stochastic:
        """The same, with a warning at first if masks act on nothing, or not on all that they should."""
        known = bool(self._parts)
        parts = self.stochastic(theta, inputs)
        if not known and not parts.complete:
            warnings.warn(parts.sentence(self.dropout), stacklevel=2)
        return parts

    def shifted(self, start: int) -> Forward:
        """The same for samples that begin `start` later."""
        other = copy.copy(self)
        other.first = self.first + start
        return other

    def __call__(self, theta: Mapping[str, Tensor], start: int, inputs: Tensor, draw: int) -> Tensor:
        """Logits (batch, class); with `ensemble:N` dropout the log of the mean probability of N passes.

        Args:
            theta: Every parameter of the module.
            start: Position of the first input among the samples.
            inputs: Prepared inputs.
            draw: Which dropout masks, with `fresh` dropout.
        """
        count = passes(self.dropout)
        if count is None or not self._acting(theta, inputs):
            return self._once(theta, start, inputs, draw if self.dropout == "fresh" else 0)
        each = [self._once(theta, start, inputs, n).log_softmax(1) for n in range(count)]
        return torch.stack(each).logsumexp(0) - math.log(count)

    def recalibrated(self, theta: Mapping[str, Tensor], batches: Iterable[Batch], draw: int) -> Forward:
        """The same with BatchNorm statistics estimated at these parameters, the mean over micro-batches.

        Networks move away from their stored statistics as their weights move (Izmailov et al. 2018); one pass
        over the samples estimates them anew.
        """
        other = copy.copy(self)
        # Without a momentum, running statistics are the mean over all batches since the reset.
        other.buffers = {name: _reset(name, value) for name, value in self.buffers.items()}
        with _collecting(self.module):
            for start, inputs, _ in batches:
                other._once(theta, start, inputs, draw if self.dropout == "fresh" else 0, training=True)
        return other

    def _once(
        self, theta: Mapping[str, Tensor], start: int, inputs: Tensor, draw: int, *, training: bool = False
    ) -> Tensor:
        masks: AbstractContextManager = nullcontext()
        if self.dropout != "off" and (parts := self._acting(theta, inputs)):
            first = self.first + start
            masks = dropout_masks(self.module, seed=self.seed, draw=draw, start=first, parts=parts)
        batch = self.batch_norm == "batch"
        buffers = {name: value.clone() for name, value in self.buffers.items()} if batch else self.buffers
        state = ({**theta, **buffers},)
        attention = sdpa_kernel(SDPBackend.MATH) if self.math_attention else nullcontext()
        precision = evaluation_precision(inputs.device, self.precision)
        with evaluating(self.module), precision, attention, _batch_statistics(self.module, batch or training):
            pairs = [] if training else self._foldable(state, inputs)
            with folded(pairs), masks:
                logits = torch.func.functional_call(self.module, state, (inputs,))
        return logits if self.precision == "full" else logits.float()

    def _foldable(self, state: Any, inputs: Tensor) -> list[Pair]:
        """Convolutions with the BatchNorm behind them, found once by a look at two samples."""
        # Somebody may look at its layers: what hooks see has to be as the network is written.
        hooked = [m for m in self.module.modules() if m._forward_hooks or m._forward_pre_hooks]
        if self.pairs is None:
            if hooked:
                return []  # a look would run them
            look = partial(torch.func.functional_call, self.module, state, (inputs[:2],))
            with torch.no_grad():
                self.pairs = foldable(self.module, look)
        return unseen(self.pairs, hooked)


def _nonzero(value: Tensor) -> Tensor:
    return value if not value.is_floating_point() or value.any() else torch.full_like(value, 0.1)


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Every BatchNorm layer."""
    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]


@contextmanager
def _batch_statistics(module: nn.Module, wanted: bool) -> Iterator[None]:
    """BatchNorm in training mode while open, within a module in eval mode."""
    layers = batch_norms(module) if wanted else []
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False


@contextmanager
def _collecting(module: nn.Module) -> Iterator[None]:
    """Running statistics are plain means while open; the layers' momenta are put back."""
    layers = batch_norms(module)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = None
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def _reset(name: str, value: Tensor) -> Tensor:
    """A copy of a buffer, statistics as BatchNorm resets them."""
    if name.endswith("running_mean") or name.endswith("num_batches_tracked"):
        return torch.zeros_like(value)
    return torch.ones_like(value) if name.endswith("running_var") else value.clone()
