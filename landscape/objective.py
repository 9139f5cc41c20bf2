"""The function everything speaks of: the mean loss over fixed samples, as a function of the parameters."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape.derivatives.graphs import (
    GRAPHS,
    KEPT_BYTES,
    Curvature,
    CurvatureMatrix,
    Graph,
    Products,
    Share,
)
from landscape.derivatives.operations import TwiceDifferentiable
from landscape.display import objective_html
from landscape.dropout import DropoutMode, Stochastic
from landscape.errors import LandscapeError
from landscape.forward import BatchNormMode, Forward
from landscape.forward.batches import Batch, Batches, as_working, usual_micro_batch
from landscape.losses import Loss, SampleLoss, Scores, cross_entropy, scaled_losses, scored
from landscape.network import Network
from landscape.parameters import Parameters, check_fit, chosen
from landscape.precision import differentiable, full_precision
from landscape.protocol import described, require_derivatives, require_modes
from landscape.results import Check
from landscape.samples import Samples
from landscape.soundness import Level, Soundness
from landscape.soundness.compatibility import accepted


class Objective:
    """Mean loss of a network over a fixed set of samples, as a pure function of its parameters.

    The module itself is never changed: parameters and buffers are handed to it call by call, BatchNorm runs
    in eval mode on the stored statistics, and all that a pass leaves behind is taken back, also after an
    error. Before the first value, gradient and product, a few samples tell whether they will be right; see
    `landscape.soundness`.

    Attributes:
        network: The network with the normalisation that applies.
        samples: The fixed samples.
        parameters: The network's own parameters, detached, in the working precision; complex ones as pairs of
            reals along a last dimension of two.
        free: Those that derivatives are taken with respect to.
        forward: The network under the protocol's modes.
        soundness: What has been checked; None for copies that the checks themselves use.
        exact_products: Whether second derivatives exist; None as long as nobody has tried.
        product_error: What is known of the error of products where they do not.
    """

    _repr_html_ = objective_html

    def __init__(
        self,
        network: Network | nn.Module,
        samples: Samples | tuple[Tensor, Tensor],
        *,
        loss: SampleLoss = cross_entropy,
        weight_decay: float = 0.0,
        dropout: DropoutMode = "off",
        seed: int = 0,
        params: str | None = None,
        micro_batch: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_norm: BatchNormMode = "eval",
        precision: str = "full",
    ) -> None:
        """Fix network, samples and protocol.

        Args:
            network: A `Network`, or any module from inputs to logits.
            samples: `Samples`, or a pair of inputs and targets, tensors or NumPy arrays.
            loss: Loss of each sample, shape (batch,), see `landscape.losses`.
            weight_decay: λ of the term ½·λ·‖w‖² over every parameter.
            dropout: `off`, `fixed` (one mask for the whole objective), `fresh` (a new one for each `draw`) or
                `ensemble:N` (the mean prediction over N masks).
            seed: Of the dropout masks.
            params: Pattern of the parameters to differentiate, see `landscape.parameters.chosen`; by default
                those that are not frozen.
            micro_batch: Samples evaluated at once; 0 chooses.
            device: Where to compute.
            dtype: Working precision, float32 or float64.
            batch_norm: `eval`, `batch` or `recalibrate`, see `landscape.forward`.
            precision: Of the forward passes of values: `full`, `bfloat16` or `tf32`.

        Raises:
            LandscapeError: If a mode, number, pattern, network or data set is none that can be measured.
        """
        require_modes(
            dropout=dropout,
            batch_norm=batch_norm,
            precision=precision,
            dtype=dtype,
            numbers={"weight decay": weight_decay, "seed": seed, "micro-batch": micro_batch},
        )
        network, samples = accepted(network, samples, loss)
        module = network.module
        self.network = network.normalised_for(samples)
        self.samples = samples
        self.loss = loss
        self.weight_decay = weight_decay
        self.dropout: DropoutMode = dropout
        self.seed = seed
        self.device = torch.device(device)
        self.dtype = dtype
        self.micro_batch = micro_batch or usual_micro_batch(samples, self.device)
        with differentiable():
            # Copies, so that training the module afterwards does not move the objective.
            own = partial(as_working, device=self.device, dtype=dtype)
            self.parameters = {name: own(p).clone() for name, p in module.named_parameters()}
            buffers = {name: own(b, real=False).clone() for name, b in module.named_buffers()}
        frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
        self.params, self.free = chosen(self.parameters, params, frozen)
        self.forward = Forward(
            module, buffers, dropout=dropout, seed=seed, batch_norm=batch_norm, precision=precision
        )
        self.soundness: Soundness | None = Soundness()
        self.exact_products: bool | None = None
        self.product_error: Any = None
        self._prepared: Batches | None = None

    def checked(self, level: Level, *, report: bool = False) -> list[Check]:
        """Check, once, what numbers of this level need; see `landscape.soundness.Soundness.require`.

        Returns:
            All checks so far.
        """
        if self.soundness is None:
            return []
        self.soundness.require(self, level, report=report)
        return self.soundness.found()

    def subset(self, start: int, stop: int) -> Objective:
        """The same objective over the samples start … stop − 1, which keep their dropout masks."""
        part = self.selected(np.arange(start, min(stop, len(self.samples))))
        part.forward = self.forward.shifted(start)
        return part

    def selected(self, positions: np.ndarray) -> Objective:
        """The same objective over the samples at these positions, with the masks of their new places."""
        part = copy.copy(self)
        part.samples = self.samples.select(positions)
        part._prepared = None
        return part

    def outputs(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
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
        """Loss of each sample, and of classes its correctness and confidence, by micro-batch."""
        for outputs, targets in self.outputs(parameters, draw=draw):
            with full_precision(self.device), torch.no_grad():
                part = scored(self.losses(outputs, targets), outputs, targets)
            yield part

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of each sample of a batch, shape (batch,), scaled so that the mean over all is the objective.

        Raises:
            LandscapeError: If the loss gives anything but one number per sample.
        """
        return scaled_losses(self.loss, outputs, targets, self.samples.targets)

    def sample_losses(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> tuple[Tensor, Tensor | None]:
        """Each sample's loss, float64, and whether its class is right (None without classes); (sample,)."""
        parts = list(self.scores(parameters, draw=draw))
        correct = [part.correct for part in parts if part.correct is not None]
        return torch.cat([part.losses for part in parts]), torch.cat(correct) if correct else None

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
        require_derivatives(self.forward)
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
        keep: int = KEPT_BYTES,
    ) -> CurvatureMatrix:
        """A second-derivative matrix of the total loss, as a function from vectors to products.

        Args:
            parameters: Where; the network's own by default.
            kind: `hessian`, or `ggn` for the generalised Gauss–Newton matrix; both with the exact L2 term.
            draw: Which dropout masks, with `fresh` dropout.
            keep: Bytes that graphs may take between products, for as long as the function lives.

        Raises:
            LandscapeError: On an unknown kind, or parameters that do not fit.
        """
        if kind not in GRAPHS:
            raise LandscapeError(f"kind is {kind!r}; choose one of {', '.join(GRAPHS)}")
        require_derivatives(self.forward)
        self.checked("product")
        theta = self._at(parameters)

        def build(batch: Batch) -> Graph:
            return GRAPHS[kind](self.share(batch, theta, draw=draw))

        return CurvatureMatrix(Products(self.batches(), build, keep), self.free, self.weight_decay)

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
        require_derivatives(self.forward)
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

    def stochastic(self) -> Stochastic:
        """What dropout masks act on in the network, whatever the mode; false if there is nothing."""
        return self.forward.stochastic(self.parameters, next(iter(self.batches()))[1])

    def protocol(self) -> dict[str, Any]:
        """Everything the numbers depend on besides the parameters, ready for JSON."""
        self.checked("value")
        return described(self)

    def batches(self) -> Batches:
        """Prepared micro-batches: position of the first sample, inputs, targets."""
        batches = self._prepared
        if batches is None or batches.size != self.micro_batch:
            prepared = (self.network.prepare, self.micro_batch, self.device, self.dtype)
            last = self.forward.road.channels_last
            self._prepared = batches = Batches(self.samples, *prepared, channels_last=last)
        return batches

    def _at(self, parameters: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        if parameters is None:
            return self.parameters
        check_fit(parameters, self.parameters)
        last = self.forward.road.channels_last
        own = partial(as_working, device=self.device, dtype=self.dtype, channels_last=last)
        return {name: own(value) for name, value in parameters.items()}
