"""The function everything speaks of: the mean loss over fixed samples, as a function of the parameters."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape.batches import Batch, Batches, laid_out, usual_micro_batch
from landscape.compatibility import as_samples, expects_classes, plain_module
from landscape.derivatives import TwiceDifferentiable
from landscape.display import objective_html
from landscape.dropout import DropoutMode, Stochastic, passes
from landscape.errors import LandscapeError
from landscape.forward import BATCH_NORM_MODES, BatchNormMode, Forward
from landscape.graphs import GRAPHS, KEPT_BYTES, Curvature, CurvatureMatrix, Graph, Products, Share
from landscape.losses import (
    Loss,
    SampleLoss,
    Scores,
    cross_entropy,
    loss_name,
    sample_losses,
    sample_weights,
    scored,
)
from landscape.network import Network
from landscape.parameters import Parameters, check_fit, select
from landscape.precision import PRECISIONS, differentiable, full_precision, usable
from landscape.results import Check
from landscape.samples import Samples
from landscape.soundness import Level, Soundness
from landscape.swapping import as_real

TRAINABLE = "trainable"
"""Pattern of the parameters that are not frozen (`requires_grad`)."""


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
            loss: Loss of each sample, shape (batch,). Of an `nn.CrossEntropyLoss` or `nn.NLLLoss` with
                weights of the classes the objective is Σwℓ/Σw, as PyTorch's own mean is.
            weight_decay: λ of the term ½·λ·‖w‖² over every parameter.
            dropout: `off`, `fixed` (one mask for the whole objective), `fresh` (a new one for each `draw`) or
                `ensemble:N` (the mean prediction over N masks).
            seed: Of the dropout masks.
            params: Pattern of the parameters to differentiate, see `landscape.parameters.select`; by default
                those that are not frozen (`requires_grad`), or all if everything is. Whole numbers never are.
            micro_batch: Samples evaluated at once; 0 chooses.
            device: Where to compute.
            dtype: Working precision, float32 or float64.
            batch_norm: `eval`, `batch` or `recalibrate`, see `landscape.forward`.
            precision: Of the forward passes of values: `full`, `bfloat16` or `tf32`.

        Raises:
            LandscapeError: On an unknown mode, a negative number, a pattern that matches nothing, or a
                network or data of a kind that cannot be measured.
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
        samples = as_samples(samples)
        if expects_classes(loss) and samples.targets.dim() == 2 and samples.targets.shape[1] == 1:
            samples = replace(samples, targets=samples.targets[:, 0])
        if not isinstance(network, Network):
            network = Network(plain_module(network))
        else:
            network = replace(network, module=plain_module(network.module))
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
            self.parameters = {name: self._own(p).clone() for name, p in module.named_parameters()}
            buffers = {name: self._own(b, real=False).clone() for name, b in module.named_buffers()}
        self.params, self.free = self._chosen(params)
        self.forward = Forward(
            module, buffers, dropout=dropout, seed=seed, batch_norm=batch_norm, precision=precision
        )
        self.soundness: Soundness | None = Soundness()
        self.exact_products: bool | None = None
        self.product_error: Any = None
        self._prepared: Batches | None = None

    def checked(self, level: Level, *, report: bool = False) -> list[Check]:
        """Check, once, what numbers of this level need; see `landscape.soundness`.

        Args:
            level: `value`, `gradient` or `product`.
            report: Whether the checks will be part of a result.

        Returns:
            All checks so far.

        Raises:
            LandscapeError: If such a number would be wrong; the message names the likely cause.
        """
        if self.soundness is None:
            return []
        self.soundness.require(self, level, report=report)
        return self.soundness.found()

    def trusted(self) -> Objective:
        """The same objective without checks, for whoever makes them."""
        part = copy.copy(self)
        part.soundness = None
        return part

    def plain(self) -> Objective:
        """The same objective, run as the network is written: nothing folded, everything contiguous."""
        part = copy.copy(self)
        part.forward = self.forward.plain()
        part._prepared = None
        return part

    def in_precision(self, dtype: torch.dtype) -> Objective:
        """The same objective in another working precision."""
        part = copy.copy(self)
        part.dtype = dtype
        part.parameters = {name: part._own(value) for name, value in self.parameters.items()}
        part.free = {name: part.parameters[name] for name in self.free}
        part.forward = copy.copy(self.forward)
        buffers = self.forward.buffers.items()
        part.forward.buffers = {name: part._own(value, real=False) for name, value in buffers}
        part._prepared = None
        return part

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
        losses = sample_losses(self.loss, outputs, targets)
        weights = sample_weights(self.loss, self.samples.targets)
        return losses if weights is None else losses * (len(weights) / float(weights.sum()))

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
        self._require_derivatives()
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
        self._require_derivatives()
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
        self._require_derivatives()
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
        normalisation = self.network.normalisation
        self.checked("value")
        return {
            "data": self.samples.describe(),
            "normalisation": asdict(normalisation) if normalisation else None,
            "batch_norm": self.forward.batch_norm,
            "dropout": self.dropout,
            "loss": loss_name(self.loss),
            "weight_decay": self.weight_decay,
            "params": self.params,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            "micro_batch": self.micro_batch,
            "layout": "channels_last" if self.forward.road.channels_last else "contiguous",
            "attention": "math" if self.forward.math_attention else "usual",
            "precision": self.forward.precision,
            "seed": self.seed,
        }

    def batches(self) -> Batches:
        """Prepared micro-batches: position of the first sample, inputs, targets."""
        batches = self._prepared
        if batches is None or batches.size != self.micro_batch:
            batches = Batches(
                self.samples,
                self.network.prepare,
                self.micro_batch,
                self.device,
                self.dtype,
                channels_last=self.forward.road.channels_last,
            )
            self._prepared = batches
        return batches

    def _require_derivatives(self) -> None:
        if self.forward.precision != "full" or self.forward.batch_norm == "recalibrate":
            raise LandscapeError(
                f"derivatives need full precision and BatchNorm in eval or batch mode, not "
                f"{self.forward.precision} and {self.forward.batch_norm}"
            )

    def _at(self, parameters: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        if parameters is None:
            return self.parameters
        check_fit(parameters, self.parameters)
        return {name: self._own(value) for name, value in parameters.items()}

    def _own(self, value: Tensor, *, real: bool = True) -> Tensor:
        """A detached copy or view in the working precision, laid out as passes are; complex as real pairs."""
        with differentiable():
            value = usable(value.detach())
            if value.is_complex():
                value = as_real(value) if real else value.to(_COMPLEX[self.dtype])
            value = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
            return laid_out(value, self._last())

    def _last(self) -> bool:
        forward = getattr(self, "forward", None)  # not there yet while parameters are copied
        return forward is None or forward.road.channels_last

    def _chosen(self, params: str | None) -> tuple[str, Parameters]:
        """Name and tensors of the free parameters; of whole numbers there are no derivatives."""
        movable = {name: value for name, value in self.parameters.items() if value.is_floating_point()}
        if not movable:
            raise LandscapeError(f"{self.network.name} has no floating-point parameters to move")
        own = dict(self.network.module.named_parameters())
        trainable = {name: value for name, value in movable.items() if own[name].requires_grad}
        if params in (None, TRAINABLE):
            some_frozen = 0 < len(trainable) < len(movable)
            return (TRAINABLE, trainable) if some_frozen else ("*", movable)
        return str(params), select(movable, str(params))


_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
