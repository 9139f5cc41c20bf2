"""The mean loss over fixed samples, as a function of the parameters: values and derivatives of every kind."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from landscape.derivatives import graphs
from landscape.derivatives.graphs import Curvature, CurvatureMatrix, Share
from landscape.derivatives.operations import TwiceDifferentiable
from landscape.errors import LandscapeError
from landscape.forward import Forward
from landscape.forward.batches import Batch, Batches, as_working, even
from landscape.losses import Loss, Scores, gathered
from landscape.network import Network
from landscape.parameters import Parameters, check_fit, chosen
from landscape.precision import differentiable, full_precision
from landscape.protocol import Checks, Level, Protocol, mode
from landscape.results import Check
from landscape.samples import Samples
from landscape.tasks import Mean
from landscape.trees import Tree

_CHECKED = {"task", "loss", "weight_decay", "dropout", "batch_norm"}
"""Fields that change what the objective is, so that another is checked anew."""


class MeanLoss:
    """Mean loss of a network over a fixed set of samples, as a pure function of its parameters.

    `landscape.objective.Objective` makes one of what users pass, and adds the checks.

    Attributes:
        network: The network with the normalisation that applies.
        samples: The fixed samples.
        parameters: The network's own parameters, detached, in the working precision; complex ones as pairs of
            reals along a last dimension of two.
        free: Those that derivatives are taken with respect to.
        forward: The network under the protocol, which is `forward.modes`.
        soundness: What has been checked; None for copies that the checks themselves use.
        exact_products: Whether second derivatives exist; None as long as nobody has tried.
        product_error: What is known of the error of products where they do not.
    """

    weight_decay, dropout, seed, params = map(mode, ("weight_decay", "dropout", "seed", "params"))
    micro_batch, task = mode("micro_batch"), mode("task")
    loss = property(lambda self: self.task.loss, doc="The task's loss.")

    def __init__(
        self, network: Network, samples: Samples, forward: Forward, soundness: Checks | None
    ) -> None:
        """Over the parameters of the network that the protocol of the forward pass leaves free."""
        self.network, self.samples, self.forward, self.soundness = network, samples, forward, soundness
        self.exact_products: bool | None = None
        self.product_error: Any = None
        self._prepared: Batches | None = None
        self._mean = Mean(self.task, samples)
        with differentiable():
            # Copies, so that training the module afterwards does not move the objective.
            own = self._own(dict(network.module.named_parameters()))
            self.parameters = {name: value.clone() for name, value in own.items()}
        self._choose()

    def _choose(self) -> None:
        """Free the parameters that match the pattern."""
        frozen = {name for name, p in self.network.module.named_parameters() if not p.requires_grad}
        pattern, self.free = chosen(self.parameters, self.params, frozen)
        self.forward = self.forward.replace(params=pattern)

    @property
    def modes(self) -> Protocol:
        """The protocol that numbers are measured under."""
        return self.forward.modes

    @property
    def dtype(self) -> torch.dtype:
        """Working precision."""
        return getattr(torch, self.modes.dtype)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return torch.device(self.modes.device)

    def replace(self, **changes: Any) -> Self:
        """The same with something else in its place; this one is never changed.

        Args:
            **changes: Any field of `landscape.protocol.Protocol`, such as `seed`, `precision`, `dtype` or
                `micro_batch`; or an attribute: `samples`, with the masks of their new places; `forward`;
                `parameters`, all of the network's, where derivatives are then taken; `free`, the names of
                those that stay free; `soundness`, None for whoever makes the checks.

        Raises:
            LandscapeError: If names or shapes of parameters do not fit, or nothing is left free.
        """
        other, asked = copy.copy(self), set(changes)
        for name in ("samples", "forward", "soundness", "exact_products", "product_error"):
            if name in changes:
                setattr(other, name, changes.pop(name))
        theta, names = changes.pop("parameters", None), changes.pop("free", None)
        if changes:
            other.forward = other.forward.replace(**changes)
        if asked & {"dtype", "device"}:
            other.parameters = other._own(self.parameters)
            buffers = other._own(other.forward.buffers, real=False)
            other.forward = other.forward.replace(buffers=buffers)
        if theta is not None:
            other.parameters = other._at(theta)
        other.free = {name: other.parameters[name] for name in self.free if names is None or name in names}
        if not other.free:
            which = ", ".join(list(self.free)[:4])
            raise LandscapeError(f"nothing is left to differentiate of {self.params!r} ({which}, …)")
        if "params" in asked:
            other._choose()
        if other.soundness is not None and asked & _CHECKED:
            other.soundness = type(other.soundness)()
            other.exact_products = other.product_error = None
        if asked & {"samples", "forward", "dtype", "device", "task", "loss"}:
            other._prepared, other._mean = None, Mean(other.task, other.samples)
        return other

    def checked(self, level: Level, *, report: bool = False) -> list[Check]:
        """Check, once, what numbers of this level need; see `landscape.soundness.Soundness`.

        Returns:
            All checks so far.
        """
        if self.soundness is None:
            return []
        self.soundness.require(self, level, report=report)
        return self.soundness.found()

    def subset(self, start: int, stop: int) -> Self:
        """The same objective over the samples start … stop − 1, which keep their dropout masks."""
        positions = np.arange(start, min(stop, len(self.samples)))
        return self.replace(samples=self.samples.select(positions), forward=self.forward.shifted(start))

    def outputs(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> Iterator[tuple[Tensor, Tree]]:
        """Outputs (batch, …) and targets (batch, …) of one micro-batch after the other, without a graph.

        Args:
            parameters: Where to evaluate; the network's own by default.
            draw: Which dropout masks, with `fresh` dropout.
        """
        self.checked("value")
        theta, forward = self._at(parameters), self.forward
        if forward.batch_norm == "recalibrate":
            with torch.no_grad():
                forward = forward.recalibrated(theta, self.batches(), draw)
        for start, inputs, targets in self.batches():
            with torch.no_grad():
                logits = forward(theta, start, inputs, draw)
            yield logits, targets  # outside, or whoever iterates would find gradients switched off

    def scores(self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0) -> Iterator[Scores]:
        """Loss of each sample, and what else the task tells of it, by micro-batch."""
        seen = torch.zeros((), dtype=torch.float64)
        for outputs, targets in self.outputs(parameters, draw=draw):
            with full_precision(self.device), torch.no_grad():
                losses, weights = self._mean.scaled(outputs, targets, self)
                columns = self.task.told(outputs, targets, weights)
            seen = seen if weights is None else weights.double().sum() + seen
            yield Scores(losses.double(), columns)
        self._mean.check(float(seen), whole=self.soundness is not None)

    def losses(self, outputs: Tensor, targets: Tree) -> Tensor:
        """Loss of each sample of a batch, shape (batch,), scaled so that the mean over all is the objective.

        Raises:
            LandscapeError: If the loss gives anything but one number per sample.
        """
        return self._mean.scaled(outputs, targets, self)[0]

    def sample_losses(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> tuple[Tensor, Tensor | None]:
        """Each sample's loss, float64, and whether its class is right (see `Task.right`); (sample,)."""
        losses, columns = gathered(self.scores(parameters, draw=draw), len(self.samples))
        return losses, self.task.right(columns)

    def value(self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0) -> Loss:
        """The loss at these parameters (the network's own by default), its two terms apart."""
        losses, _ = self.sample_losses(parameters, draw=draw)
        return Loss(float(losses.mean()), self.l2(parameters))

    def l2(self, parameters: Mapping[str, Tensor] | None = None) -> float:
        """½ · weight decay · ‖w‖² over every parameter, in float64."""
        if not self.weight_decay:
            return 0.0
        theta = self._at(parameters)
        return 0.5 * self.weight_decay * float(sum(value.double().square().sum() for value in theta.values()))

    def gradient(self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0) -> Parameters:
        """Gradient of the total loss with respect to the free parameters, keyed like them."""
        self.modes.require_derivatives()
        self.checked("gradient")
        theta = self._at(parameters)
        total = {name: self.weight_decay * theta[name] for name in self.free}
        for batch in self.batches():
            with full_precision(self.device), differentiable():
                gradients = self.share(batch, theta, draw=draw).gradient()
            for name, gradient in zip(self.free, gradients, strict=True):
                total[name] = total[name] + gradient
        return total

    def hvp(
        self, vector: Mapping[str, Tensor], parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> Parameters:
        """Product of the Hessian of the total loss with a vector over the free parameters, keyed like it.

        For many products at the same parameters, `curvature` keeps what can be reused.
        """
        return self.curvature(parameters, draw=draw, keep=0)(vector)

    def curvature(
        self,
        parameters: Mapping[str, Tensor] | None = None,
        *,
        kind: Curvature = "hessian",
        draw: int = 0,
        keep: int | None = None,
    ) -> CurvatureMatrix:
        """A second-derivative matrix of the total loss, as a function from vectors to products.

        Args:
            parameters: Where; the network's own by default.
            kind: `hessian`, or `ggn` for the generalised Gauss–Newton matrix; both with the exact L2 term.
            draw: Which dropout masks, with `fresh` dropout.
            keep: Bytes that graphs may take between products, by default `derivatives.graphs.keepable`.

        Raises:
            LandscapeError: On an unknown kind, or parameters that do not fit.
        """
        if kind not in graphs.GRAPHS:
            raise LandscapeError(f"kind is {kind!r}; choose one of {', '.join(graphs.GRAPHS)}")
        if kind == "ggn" and self.task.whole:
            raise LandscapeError(
                "Gauss–Newton needs to know which outputs the loss is a function of, which a loss of (model, "
                "batch) does not say; give a task and a loss of (outputs, targets), or take the Hessian"
            )
        self.modes.require_derivatives()
        self.checked("product")
        products = self._products(kind, self._at(parameters), draw, keep)
        return CurvatureMatrix(products, self.free, self.weight_decay)

    def _products(self, kind: Curvature, theta: Parameters, draw: int, keep: int | None) -> graphs.Products:
        def build(batch: Batch) -> graphs.Graph:
            return graphs.GRAPHS[kind](self.share(batch, theta, draw=draw))

        return graphs.Products(self.batches(), build, graphs.keepable(self.device) if keep is None else keep)

    def share(
        self,
        batch: Batch,
        parameters: Mapping[str, Tensor] | None = None,
        *,
        leaves: Mapping[str, Tensor] | None = None,
        draw: int = 0,
    ) -> Share:
        """One micro-batch's share of the mean loss over all samples, without the L2 term, differentiable.

        Args:
            batch: One of `batches`.
            parameters: Where to evaluate; the network's own by default.
            leaves: Tensors to differentiate by, in place of parameters; the free ones by default.
            draw: Which dropout masks, with `fresh` dropout.

        Raises:
            LandscapeError: If the loss does not depend on the leaves.
        """
        self.modes.require_derivatives()
        start, inputs, targets = batch
        theta = self._at(parameters)

        def outer(logits: Tensor) -> Tensor:
            with TwiceDifferentiable():
                return self.losses(logits, targets).sum() / len(self.samples)

        with differentiable():
            if leaves is None:
                leaves = {name: theta[name].detach().requires_grad_() for name in self.free}
            with TwiceDifferentiable():
                logits = self.forward({**theta, **leaves}, start, inputs, draw)
            loss = outer(logits)
        if not loss.requires_grad:
            raise LandscapeError(
                f"the loss does not depend on the parameters that match {self.params!r}; choose others"
            )
        return Share(loss, logits, outer, dict(leaves))

    def batches(self) -> Batches:
        """Prepared micro-batches: position of the first sample, inputs, targets."""
        fixed = self.modes.batch_norm == "batch"  # statistics are those of a micro-batch
        size = self.micro_batch if fixed else even(len(self.samples), self.micro_batch)
        if self._prepared is None or self._prepared.size != size:
            last, place = self.forward.road.channels_last, (self.device, self.dtype)
            self._prepared = Batches(
                self.samples, self.network.prepare, size, *place, channels_last=last, given=self.task.batch
            )
        return self._prepared

    def _at(self, parameters: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        if parameters is None:
            return self.parameters
        check_fit(parameters, self.parameters)
        return self._own(parameters)

    def _own(self, tensors: Mapping[str, Tensor], *, real: bool = True) -> dict[str, Tensor]:
        """Tensors as passes use them."""
        last = self.forward.road.channels_last
        given: dict[str, Any] = {"device": self.device, "dtype": self.dtype, "channels_last": last}
        return {name: as_working(value, **given, real=real) for name, value in tensors.items()}
