"""One forward pass: the network as a function of parameters and inputs, under the protocol's modes."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from landscape import trees
from landscape.dropout import Stochastic, dropout_layers, dropout_masks, stochastic_parts
from landscape.errors import LandscapeError
from landscape.forward.batches import Batch, laid_out
from landscape.forward.compiling import AGREEMENT, Compiled, apart
from landscape.forward.contexts import (
    batch_statistics,
    collecting,
    one_attention,
    statistics,
    without_recomputation,
)
from landscape.forward.folding import Pair, Unfoldable, foldable, folded, unseen
from landscape.forward.padding import Padding
from landscape.forward.swapping import Slots
from landscape.network import evaluating
from landscape.precision import evaluation_precision, full_precision
from landscape.protocol import Protocol, mode
from landscape.tasks import Task, task_of
from landscape.trees import Tree


@dataclass
class Road:
    """How passes are run; found by a look at two samples, and shared by the copies of a `Forward`.

    Attributes:
        looked: Whether the look has been taken.
        channels_last: Whether images and convolutions are laid out with the channels last.
        pairs: Convolutions with the BatchNorm that is folded into them.
        writes: Whether the network changes its inputs in place; it is given copies in any case.
        math_attention: Whether attention runs on its plain kernel, which can be differentiated twice.
        compiled: Passes through torch.compile, where these are asked for.
        keeps_buffers: Whether a pass leaves the buffers as they are, or is given copies; None before one ran.
    """

    looked: bool = False
    channels_last: bool = True
    pairs: list[Pair] = field(default_factory=list)
    writes: bool = False
    math_attention: bool = False
    compiled: Compiled | None = None
    keeps_buffers: bool | None = None


class Forward:
    """Parameters and inputs to outputs; the module is as it was after each pass, also after an error.

    Attributes:
        module: The network.
        buffers: Its buffers, copied.
        modes: The protocol.
        first: Index of the first sample, for its masks.
        road: How passes are run.
    """

    dropout, seed, batch_norm, precision = map(mode, ("dropout", "seed", "batch_norm", "precision"))
    task: Task = mode("task")

    def __init__(self, module: nn.Module, buffers: dict[str, Tensor], modes: Protocol) -> None:
        """Fix the modes."""
        self.module, self.buffers = module, buffers
        self.modes = replace(modes, task=task_of(modes.task, modes.loss), loss=None)
        self.first = 0
        self.road = Road()
        self._slots = Slots(module)
        self._padded = Padding(module)
        self._parts: list[Stochastic] = []  # found once, and shared by copies
        if modes.dropout != "off":
            dropout_layers(module)  # refuses kinds that cannot be masked

    def replace(self, **changes: Any) -> Forward:
        """The same with other attributes, or under other modes: any field of `Protocol`."""
        other = copy.copy(self)
        for name in {"buffers", "first", "road"} & changes.keys():
            setattr(other, name, changes.pop(name))
        if "loss" in changes or "task" in changes:
            changes["task"] = task_of(changes.get("task", self.task), changes.pop("loss", None))
        other.modes = replace(self.modes, **changes)
        if other.batch_norm != self.batch_norm:
            other.road = Road()  # folding depends on the statistics
        return other

    def stochastic(self, theta: Mapping[str, Tensor], inputs: Tree) -> Stochastic:
        """What dropout masks act on, found once by a look at three samples.

        Args:
            theta: Every parameter of the module.
            inputs: Prepared inputs, at least one.
        """
        if not self.road.looked:
            self.look(theta, trees.rows(inputs, slice(2)))
        if not self._parts:
            module, last = self.module, self.road.channels_last
            first = torch.arange(3) % trees.count(inputs)
            few = laid_out(trees.mapped(lambda leaf: leaf[first.to(leaf.device)], inputs), last)
            # Where weights are all zero, as at the start of training, nothing before them is seen to act.
            weights = {name: laid_out(_nonzero(value), last) for name, value in theta.items()}

            def run(start: int, stop: int) -> Any:
                buffers = {name: value.clone() for name, value in self.buffers.items()}
                with self._slots.holding(weights | buffers):
                    return self.task.run(module, trees.copied(trees.rows(few, slice(start, stop))))

            with evaluating(module), without_recomputation(), full_precision(trees.device(inputs)):
                self._parts.append(stochastic_parts(module, run))
        return self._parts[0]

    def _acting(self, theta: Mapping[str, Tensor], inputs: Tree) -> Stochastic:
        """The same, with a warning at first if masks act on nothing, or not on all that they should."""
        known = bool(self._parts)
        parts = self.stochastic(theta, inputs)
        if not known and not parts.complete:
            warnings.warn(parts.sentence(self.dropout), stacklevel=2)
        return parts

    @property
    def math_attention(self) -> bool:
        """Whether attention runs on its plain kernel, which can be differentiated twice."""
        return self.road.math_attention

    def shifted(self, start: int) -> Forward:
        """The same for samples that begin `start` later."""
        return self.replace(first=self.first + start)

    def twin(self) -> Forward:
        """The same over a copy of the module, which another thread may run at the same time.

        Raises:
            Exception: As `copy.deepcopy`, if the module cannot be copied.
        """
        other = copy.copy(self)
        held = self.module, self.road, self._parts  # the last two refer to layers of the first
        other.module, other.road, other._parts = copy.deepcopy(held)
        other._slots = Slots(other.module)
        return other

    @contextmanager
    def settled(self, device: torch.device) -> Iterator[None]:
        """What passes change for the whole process stays so while open: several threads run passes."""
        with ExitStack() as around:
            around.enter_context(without_recomputation())
            around.enter_context(one_attention())
            around.enter_context(evaluation_precision(device, self.precision))
            if self.road.math_attention:
                around.enter_context(sdpa_kernel(SDPBackend.MATH))
            yield

    def plain(self) -> Forward:
        """The same, run as the network is written: nothing folded, everything contiguous."""
        road = Road(looked=True, channels_last=False, math_attention=self.road.math_attention)
        return self.replace(road=road, compiled=False)

    def look(self, theta: Mapping[str, Tensor], inputs: Tree) -> None:
        """Choose the layout and what to fold; a fast way that fails or differs from the plain one is left.

        Args:
            theta: Every parameter of the module.
            inputs: A few prepared inputs.

        Raises:
            LandscapeError: If the network returns anything but one tensor.
        """
        road, bare = self.road, self.replace(dropout="off", compiled=False)
        road.looked = True
        with torch.no_grad():
            given = trees.copied(inputs)
            plain = bare.plain()._pass(theta, 0, given, 0, protect=False)
            road.writes = not trees.same(given, inputs)
            images = any(each.dim() == 4 for each in (*trees.leaves(inputs), *theta.values()))
            road.channels_last = images and bare._agrees(plain, theta, inputs)
            if self.batch_norm != "batch":
                road.pairs = foldable(self.module, lambda: bare._pass(theta, 0, inputs, 0))
                if road.pairs and not bare._agrees(plain, theta, inputs):
                    road.pairs = []

    def __call__(self, theta: Mapping[str, Tensor], start: int, inputs: Tree, draw: int) -> Tensor:
        """Outputs (batch, …); with `ensemble:N` dropout the log of the mean probability of N passes.

        Args:
            theta: Every parameter of the module.
            start: Position of the first input among the samples.
            inputs: Prepared inputs.
            draw: Which dropout masks, with `fresh` dropout.

        Raises:
            LandscapeError: If the network returns anything but one tensor, or an ensemble is asked for where
                there are no classes.
        """
        if not self.road.looked:
            self.look(theta, trees.rows(inputs, slice(2)))
        count = self.dropout.passes
        if count is None or not self._acting(theta, inputs):
            return self._pass(theta, start, inputs, draw if self.dropout == "fresh" else 0)
        each = [self._log_probabilities(theta, start, inputs, n) for n in range(count)]
        return torch.stack(each).logsumexp(0) - math.log(count)

    def recalibrated(self, theta: Mapping[str, Tensor], batches: Iterable[Batch], draw: int) -> Forward:
        """The same with BatchNorm statistics estimated at these parameters, the mean over micro-batches.

        Networks move away from their stored statistics as their weights move (Izmailov et al. 2018); one pass
        over the samples estimates them anew. Other layers keep their buffers.
        """
        # Without a momentum, running statistics are the mean over all batches since the reset.
        other = self.replace(buffers=dict(self.buffers))
        layers = statistics(self.module)
        for name, value in ((name, value) for names in layers for name, value in names.items()):
            other.buffers[name] = torch.full_like(self.buffers[name], value)
        with collecting(self.module):
            for start, inputs, _ in batches:
                other._pass(theta, start, inputs, draw if self.dropout == "fresh" else 0, training=True)
        for names in layers:
            if all(bool((other.buffers[name] == value).all()) for name, value in names.items()):
                # It never ran, or is frozen in a way of its own.
                other.buffers |= {name: self.buffers[name] for name in names}
        return other

    def _log_probabilities(self, theta: Mapping[str, Tensor], start: int, inputs: Tree, draw: int) -> Tensor:
        outputs = self._pass(theta, start, inputs, draw)
        if not self.task.of_probabilities or outputs.dim() != 2 or outputs.shape[1] < 2:
            raise LandscapeError(
                f"dropout {self.dropout} averages the probabilities of classes, for the cross-entropy of "
                f"logits of shape (sample, class), and the task is {self.task.name} with outputs of shape "
                f"{tuple(outputs.shape)}; use dropout off, fixed or fresh"
            )
        return outputs.log_softmax(1)

    def _pass(
        self,
        theta: Mapping[str, Tensor],
        start: int,
        inputs: Tree,
        draw: int,
        *,
        training: bool = False,
        protect: bool = True,
    ) -> Tensor:
        """One pass; a pair that turns out not to be one in these samples is no longer folded."""
        while True:
            try:
                return self._once(theta, start, trees.copied(inputs) if protect else inputs, draw, training)
            except Unfoldable as error:
                self.road.pairs.remove(error.pair)

    def _once(
        self, theta: Mapping[str, Tensor], start: int, inputs: Tree, draw: int, training: bool
    ) -> Tensor:
        module, last = self.module, self.road.channels_last
        batch, keeps = self.batch_norm == "batch", self.road.keeps_buffers
        buffers = self.buffers
        if batch or not (keeps or training):
            buffers = {name: value.clone() for name, value in buffers.items()}
        weights = {name: laid_out(value, last) for name, value in self._padded(theta).items()}
        state = {**weights, **buffers}
        masks: AbstractContextManager = nullcontext()
        if self.dropout != "off" and (parts := self._acting(theta, inputs)):
            first = self.first + start
            masks = dropout_masks(module, seed=self.seed, draw=draw, start=first, parts=parts)
        with ExitStack() as around:
            around.enter_context(self._slots.holding(state))
            around.enter_context(evaluating(module))
            around.enter_context(self.settled(trees.device(inputs)))
            around.enter_context(batch_statistics(module, batch or training))
            compiled = None if training else self._compiled()
            around.enter_context(folded([] if training or compiled else self._pairs()))
            around.enter_context(masks)
            inputs = laid_out(inputs, last)
            outputs = compiled(inputs, state) if compiled else self.task.run(module, inputs)
        if keeps is None and not batch and not training:
            self.road.keeps_buffers = not any(value._version for value in buffers.values())
        return outputs if self.precision == "full" else outputs.float()

    def _compiled(self) -> Compiled | None:
        """Passes through torch.compile, if asked for: without masks, other statistics and derivatives."""
        plain = self.dropout != "off" or self.batch_norm == "batch" or torch.is_grad_enabled()
        if plain or not self.modes.compiled:
            return None
        if self.road.compiled is None:
            self.road.compiled = Compiled(partial(self.task.run, self.module))
        return self.road.compiled

    def _pairs(self) -> list[Pair]:
        """What is folded: where hooks look between two layers, they see the network as it is written."""
        if not self.road.pairs:
            return []
        hooked = [m for m in self.module.modules() if m._forward_hooks or m._forward_pre_hooks]
        return unseen(self.road.pairs, hooked)

    def _agrees(self, plain: Tensor, theta: Mapping[str, Tensor], inputs: Tree) -> bool:
        """Whether the way as it stands gives the outputs of the plain one."""
        try:
            outputs = self._pass(theta, 0, inputs, 0)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
            return False  # code of the user's that needs another layout, such as view after a convolution
        if self.precision != "full":
            return outputs.shape == plain.shape
        return apart(outputs, plain) <= AGREEMENT.get(plain.dtype, 1e-2)


def _nonzero(value: Tensor) -> Tensor:
    return value if not value.is_floating_point() or value.any() else torch.full_like(value, 0.1)
