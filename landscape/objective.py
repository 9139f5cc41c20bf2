"""The function everything speaks of: the mean loss over fixed samples, as a function of the parameters."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape.batches import Batch, Batches, usual_micro_batch
from landscape.derivatives import TwiceDifferentiable
from landscape.display import objective_html
from landscape.dropout import DropoutMode, passes
from landscape.errors import LandscapeError
from landscape.forward import BATCH_NORM_MODES, BatchNormMode, Forward
from landscape.graphs import GRAPHS, KEPT_BYTES, Curvature, CurvatureMatrix, Graph, Products, Share
from landscape.losses import Loss, SampleLoss, Scores, cross_entropy, scored
from landscape.network import Network
from landscape.parameters import Parameters, check_fit, select
from landscape.precision import PRECISIONS, full_precision
from landscape.samples import Samples


class Objective:
    """Mean loss of a network over a fixed set of samples, as a pure function of its parameters.

    The module itself is never changed: parameters and buffers are handed to it call by call, BatchNorm runs
    in eval mode on the stored statistics, and training flags and hooks are put back, also after an error.

    Attributes:
        network: The network with the normalisation that applies.
        samples: The fixed samples.
        parameters: The network's own parameters, detached, in the working precision.
        free: Those that derivatives are taken with respect to.
        forward: The network under the protocol's modes.
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
        params: str = "*",
        micro_batch: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_norm: BatchNormMode = "eval",
        precision: str = "full",
    ) -> None:
        """Fix network, samples and protocol.

        Args:
            network: A `Network`, or any module from inputs to logits.
            samples: `Samples`, or a pair of inputs and targets.
            loss: Loss of each sample.
            weight_decay: λ of the term ½·λ·‖w‖² over every parameter.
            dropout: `off`, `fixed` (one mask for the whole objective), `fresh` (a new one for each `draw`) or
                `ensemble:N` (the mean prediction over N masks).
            seed: Of the dropout masks.
            params: Pattern of the parameters to differentiate, see `landscape.parameters.select`.
            micro_batch: Samples evaluated at once; 0 chooses.
            device: Where to compute.
            dtype: Working precision, float32 or float64.
            batch_norm: `eval`, `batch` or `recalibrate`, see `landscape.forward`.
            precision: Of the forward passes of values: `full`, `bfloat16` or `tf32`.

        Raises:
            LandscapeError: On an unknown mode, a negative number, or a pattern that matches nothing.
        """
        passes(dropout)
        for name, choice, choices in (
            ("BatchNorm mode", batch_norm, BATCH_NORM_MODES),
            ("precision", precision, PRECISIONS),
        ):
            if choice not in choices:
                raise LandscapeError(f"the {name} is {choice!r}; choose one of {', '.join(choices)}")
        for name, number in (("weight decay", weight_decay), ("seed", seed), ("micro-batch", micro_batch)):
            if not 0 <= number < np.inf:
                raise LandscapeError(f"the {name} must be finite and not negative, got {number}")
        if dtype not in (torch.float32, torch.float64):
            raise LandscapeError(
                f"the objective works in float32 or float64, not {dtype}, whose rounding drowns curvature"
            )
        if not isinstance(samples, Samples):
            samples = Samples(*samples)
        if not isinstance(network, Network):
            network = Network(network)
        self.network = network.normalised_for(samples)
        self.samples = samples
        self.loss = loss
        self.weight_decay = weight_decay
        self.dropout: DropoutMode = dropout
        self.seed = seed
        self.params = params
        self.device = torch.device(device)
        self.dtype = dtype
        self.micro_batch = micro_batch or usual_micro_batch(samples, self.device)
        # Copies, so that training the module afterwards does not move the objective.
        self.parameters = {name: self._own(p).clone() for name, p in network.module.named_parameters()}
        self.free = select(self.parameters, params)
        self.forward = Forward(
            network.module,
            {name: self._own(b).clone() for name, b in network.module.named_buffers()},
            dropout=dropout,
            seed=seed,
            batch_norm=batch_norm,
            precision=precision,
        )
        self.exact_products: bool | None = None
        self.product_error: Any = None
        self._prepared: Batches | None = None

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

    def over(self, names: Collection[str]) -> Objective:
        """The same objective with only these of its free parameters free.

        Raises:
            LandscapeError: If none of them is.
        """
        free = {name: value for name, value in self.free.items() if name in names}
        if not free:
            which = ", ".join(list(self.free)[:4])
            raise LandscapeError(f"nothing is left to differentiate of {self.params!r} ({which}, …)")
        part = copy.copy(self)
        part.free = free
        return part

    def outputs(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits (batch, class) and targets (batch,) of one micro-batch after the other, without a graph.

        Args:
            parameters: Where to evaluate; the network's own by default.
            draw: Which dropout masks, with `fresh` dropout.
        """
        theta, forward = self._at(parameters), self.forward
        if forward.batch_norm == "recalibrate":
            with torch.no_grad():
                forward = forward.recalibrated(theta, self.batches(), draw)
        for start, inputs, targets in self.batches():
            with torch.no_grad():
                logits = forward(theta, start, inputs, draw)
            yield logits, targets  # outside, or whoever iterates would find gradients switched off

    def scores(self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0) -> Iterator[Scores]:
        """Loss, correctness and confidence of each sample, one micro-batch after the other."""
        for logits, targets in self.outputs(parameters, draw=draw):
            with full_precision(self.device):
                part = scored(self.loss, logits, targets)
            yield part

    def sample_losses(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Each sample's loss, float64, and whether its prediction is right; both of shape (sample,)."""
        parts = list(self.scores(parameters, draw=draw))
        return torch.cat([part.losses for part in parts]), torch.cat([part.correct for part in parts])

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
        theta = self._at(parameters)
        total = {name: self.weight_decay * theta[name] for name in self.free}
        for batch in self.batches():
            with full_precision(self.device):
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
        if self.forward.precision != "full" or self.forward.batch_norm == "recalibrate":
            raise LandscapeError(
                f"derivatives need full precision and BatchNorm in eval or batch mode, not "
                f"{self.forward.precision} and {self.forward.batch_norm}"
            )
        start, inputs, targets = batch
        theta = self._at(parameters)
        if leaves is None:
            leaves = {name: theta[name].detach().requires_grad_() for name in self.free}

        def outer(logits: Tensor) -> Tensor:
            with TwiceDifferentiable():
                return self.loss(logits, targets).sum() / len(self.samples)

        with TwiceDifferentiable():
            logits = self.forward({**theta, **leaves}, start, inputs, draw)
        loss = outer(logits)
        if not loss.requires_grad:
            raise LandscapeError(
                f"the loss does not depend on the parameters that match {self.params!r}; choose others"
            )
        return Share(loss, logits, outer, dict(leaves))

    def protocol(self) -> dict[str, Any]:
        """Everything the numbers depend on besides the parameters, ready for JSON."""
        normalisation = self.network.normalisation
        return {
            "data": self.samples.describe(),
            "normalisation": asdict(normalisation) if normalisation else None,
            "batch_norm": self.forward.batch_norm,
            "dropout": self.dropout,
            "loss": getattr(self.loss, "__name__", str(self.loss)),
            "weight_decay": self.weight_decay,
            "params": self.params,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            "micro_batch": self.micro_batch,
            "attention": "math" if self.forward.math_attention else "usual",
            "precision": self.forward.precision,
            "seed": self.seed,
        }

    def batches(self) -> Batches:
        """Prepared micro-batches: position of the first sample, inputs, targets."""
        batches = self._prepared
        if batches is None or batches.size != self.micro_batch:
            batches = Batches(self.samples, self.network.prepare, self.micro_batch, self.device, self.dtype)
            self._prepared = batches
        return batches

    def _at(self, parameters: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        if parameters is None:
            return self.parameters
        check_fit(parameters, self.parameters)
        return {name: self._own(value) for name, value in parameters.items()}

    def _own(self, value: Tensor) -> Tensor:
        """A detached copy or view in the working precision, convolutions in channels_last."""
        value = value.detach()
        value = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        return value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
