"""The function everything speaks of: the mean loss over fixed samples, as a function of the parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape.batches import Batches, usual_micro_batch
from landscape.dropout import MODES, DropoutMode, dropout_layers, dropout_masks
from landscape.errors import LandscapeError
from landscape.losses import Loss, SampleLoss, cross_entropy
from landscape.network import Network, evaluating
from landscape.parameters import Parameters, check_fit, select
from landscape.samples import Samples

_KEPT_GRAPH_SAMPLES = 256


class Objective:
    """Mean loss of a network over a fixed set of samples, as a pure function of its parameters.

    The module itself is never changed: parameters and buffers are handed to it call by call, BatchNorm runs
    in eval mode on the stored statistics, and training flags and hooks are put back, also after an error.

    Attributes:
        network: The network with the normalisation that applies.
        samples: The fixed samples.
        parameters: The network's own parameters, detached, in the working precision.
        free: Those that derivatives are taken with respect to.
    """

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
    ) -> None:
        """Fix network, samples and protocol.

        Args:
            network: A `Network`, or any module from inputs to logits.
            samples: `Samples`, or a pair of inputs and targets.
            loss: Loss of each sample.
            weight_decay: λ of the term ½·λ·‖w‖² over every parameter.
            dropout: `off`, `fixed` (one mask for the whole objective) or `fresh` (a new one for each `draw`).
            seed: Of the dropout masks.
            params: Pattern of the parameters to differentiate, see `landscape.parameters.select`.
            micro_batch: Samples evaluated at once; 0 chooses.
            device: Where to compute.
            dtype: Working precision, float32 or float64.

        Raises:
            LandscapeError: On an unknown mode, a negative number, or a pattern that matches nothing.
        """
        if dropout not in MODES:
            raise LandscapeError(f"dropout is {dropout!r}; choose one of {', '.join(MODES)}")
        for name, number in (("weight decay", weight_decay), ("seed", seed), ("micro-batch", micro_batch)):
            if not 0 <= number < np.inf:
                raise LandscapeError(f"the {name} must be finite and not negative, got {number}")
        if dtype not in (torch.float32, torch.float64):
            raise LandscapeError(f"the objective works in float32 or float64, not {dtype}")
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
        self._first = 0
        # Copies, so that training the module afterwards does not move the objective.
        self.parameters = {name: self._own(p).clone() for name, p in network.module.named_parameters()}
        self.free = select(self.parameters, params)
        self._buffers = {name: self._own(b).clone() for name, b in network.module.named_buffers()}
        self._stochastic = dropout != "off" and bool(dropout_layers(network.module))
        self._prepared: Batches | None = None

    def subset(self, start: int, stop: int) -> Objective:
        """The same objective over the samples start … stop − 1, which keep their dropout masks."""
        part = copy.copy(self)
        part.samples = self.samples.select(np.arange(start, min(stop, len(self.samples))))
        part._first = self._first + start
        part._prepared = None
        return part

    def outputs(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits (batch, class) and targets (batch,) of one micro-batch after the other, without a graph.

        Args:
            parameters: Where to evaluate; the network's own by default.
            draw: Which dropout masks, with `fresh` dropout.
        """
        theta = self._at(parameters)
        for start, inputs, targets in self._batches():
            with torch.no_grad():
                logits = self._forward(theta, start, inputs, draw)
            yield logits, targets  # outside, or whoever iterates would find gradients switched off

    def sample_losses(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Each sample's loss, float64, and whether its prediction is right; both of shape (sample,)."""
        losses, correct = [], []
        for logits, targets in self.outputs(parameters, draw=draw):
            losses.append(self.loss(logits, targets).double().cpu())
            correct.append((logits.argmax(1) == targets).cpu())
        return torch.cat(losses), torch.cat(correct)

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
        free = self._leaves(theta)
        total = {name: self.weight_decay * theta[name] for name in free}
        for start, inputs, targets in self._batches():
            loss = self._mean_loss(theta | free, start, inputs, targets, draw)
            gradients = torch.autograd.grad(loss, list(free.values()), materialize_grads=True)
            for name, gradient in zip(free, gradients, strict=True):
                total[name] = total[name] + gradient
        return total

    def hvp(
        self, vector: Mapping[str, Tensor], parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> Parameters:
        """Product of the Hessian of the total loss with a vector over the free parameters, keyed like it.

        For many products at the same parameters, `hessian` keeps what can be reused.
        """
        return self._product(vector, self._gradient_graphs(self._at(parameters), draw))

    def hessian(
        self, parameters: Mapping[str, Tensor] | None = None, *, draw: int = 0
    ) -> Callable[[Mapping[str, Tensor]], Parameters]:
        """The Hessian of the total loss as a function from vectors to products.

        Over a mini-batch of up to 256 samples the gradient's graph is built once and kept for every product,
        for as long as the function lives; over more, micro-batches stream and memory does not grow.

        Args:
            parameters: Where; the network's own by default.
            draw: Which dropout masks, with `fresh` dropout.
        """
        theta = self._at(parameters)
        if len(self.samples) > _KEPT_GRAPH_SAMPLES:
            return lambda vector: self._product(vector, self._gradient_graphs(theta, draw))
        kept = list(self._gradient_graphs(theta, draw))
        return lambda vector: self._product(vector, iter(kept), retain=True)

    def deterministic(self) -> bool:
        """Whether two evaluations of the same draw agree to the last bit."""
        first, second = (self.sample_losses()[0] for _ in range(2))
        return bool(torch.isclose(first, second, rtol=0.0, atol=0.0, equal_nan=True).all())

    def check(self) -> None:
        """Evaluate one sample, so that a network and samples that do not fit are met before any work is done.

        Raises:
            LandscapeError: If the network fails or returns no logits, or a target is none of its classes.
        """
        shape = tuple(self.samples.inputs.shape[1:])
        try:
            logits, _ = next(self.subset(0, 1).outputs())
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise LandscapeError(
                f"{self.network.name} fails on inputs of shape {shape} from {self.samples.source}: {reason}"
            ) from error
        if self.loss is not cross_entropy:
            return
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise LandscapeError(
                f"{self.network.name} returns {found}, expected logits of shape (sample, class)"
            )
        classes, largest = logits.shape[1], int(self.samples.targets.max())
        if largest >= classes:
            raise LandscapeError(
                f"target {largest} of {self.samples.source} is none of the {classes} classes "
                f"(0 to {classes - 1}) of {self.network.name}; "
                "the network and the data set do not belong together"
            )

    def protocol(self) -> dict[str, Any]:
        """Everything the numbers depend on besides the parameters, ready for JSON."""
        normalisation = self.network.normalisation
        return {
            "data": self.samples.describe(),
            "normalisation": {"mean": normalisation.mean, "std": normalisation.std}
            if normalisation
            else None,
            "batch_norm": "eval",
            "dropout": self.dropout,
            "loss": getattr(self.loss, "__name__", str(self.loss)),
            "weight_decay": self.weight_decay,
            "params": self.params,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            "micro_batch": self.micro_batch,
            "seed": self.seed,
        }

    def _gradient_graphs(
        self, theta: Mapping[str, Tensor], draw: int
    ) -> Iterator[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
        """Differentiable gradient and the leaves it depends on, one micro-batch after the other."""
        for start, inputs, targets in self._batches():
            free = self._leaves(theta)
            loss = self._mean_loss({**theta, **free}, start, inputs, targets, draw)
            leaves = tuple(free.values())
            yield torch.autograd.grad(loss, leaves, create_graph=True, materialize_grads=True), leaves

    def _product(
        self,
        vector: Mapping[str, Tensor],
        graphs: Iterator[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]],
        *,
        retain: bool = False,
    ) -> Parameters:
        check_fit(vector, self.free)
        total = {name: self.weight_decay * vector[name] for name in self.free}
        along = tuple(vector[name] for name in self.free)
        for gradient, leaves in graphs:
            # A gradient that does not depend on the parameters (a linear layer alone) has no graph: H = 0.
            live = [i for i, g in enumerate(gradient) if g.requires_grad]
            if not live:
                continue
            product = torch.autograd.grad(
                [gradient[i] for i in live],
                leaves,
                [along[i] for i in live],
                retain_graph=retain,
                materialize_grads=True,
            )
            for name, part in zip(self.free, product, strict=True):
                total[name] = total[name] + part
        return total

    def _mean_loss(
        self, theta: Mapping[str, Tensor], start: int, inputs: Tensor, targets: Tensor, draw: int
    ) -> Tensor:
        """This micro-batch's share of the mean loss over all samples."""
        loss = self.loss(self._forward(theta, start, inputs, draw), targets).sum() / len(self.samples)
        if not loss.requires_grad:
            raise LandscapeError(
                f"the loss does not depend on the parameters that match {self.params!r}; choose others"
            )
        return loss

    def _forward(self, theta: Mapping[str, Tensor], start: int, inputs: Tensor, draw: int) -> Tensor:
        module = self.network.module
        masks = nullcontext()
        if self._stochastic:
            draw = draw if self.dropout == "fresh" else 0
            masks = dropout_masks(module, seed=self.seed, draw=draw, start=self._first + start)  # type: ignore[assignment]
        with evaluating(module), masks:
            return torch.func.functional_call(module, ({**theta, **self._buffers},), (inputs,))

    def _batches(self) -> Batches:
        """Prepared micro-batches; made anew when samples or micro-batch have changed."""
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

    def _leaves(self, theta: Mapping[str, Tensor]) -> Parameters:
        return {name: theta[name].detach().requires_grad_() for name in self.free}

    def _own(self, value: Tensor) -> Tensor:
        """A detached copy or view in the working precision, convolutions in channels_last."""
        value = value.detach()
        value = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        return value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
