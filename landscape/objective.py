"""The function everything speaks of: a network's mean loss over fixed samples, checked before it is used."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from landscape.dropout import Stochastic
from landscape.forward import Forward
from landscape.forward.batches import as_working, usual_micro_batch
from landscape.losses import loss_name, loss_record
from landscape.mean_loss import MeanLoss
from landscape.network import Network
from landscape.precision import differentiable, usable_device
from landscape.protocol import Protocol
from landscape.samples import Samples
from landscape.soundness import Soundness
from landscape.soundness.compatibility import accepted
from landscape.tasks import task_of


class Objective(MeanLoss):
    """Mean loss of a network over a fixed set of samples, as a pure function of its parameters.

    The module itself is never changed: parameters and buffers are passed to it with each call, BatchNorm runs
    in eval mode on the stored statistics, and whatever a pass leaves behind is removed, even after an error.
    Before the first value, gradient and product, a few samples show whether they will be right; see
    `landscape.soundness`. Attributes are those of `landscape.mean_loss.MeanLoss`.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples, weight_decay=5e-4)
        >>> value = objective.value()
        >>> 0 < value.l2 < value.nll < 3
        True
        >>> {name: tuple(each.shape) for name, each in objective.gradient().items()}
        {'0.weight': (8, 4), '0.bias': (8,), '2.weight': (3, 8), '2.bias': (3,)}
        >>> list(objective.replace(params="2.*").free)
        ['2.weight', '2.bias']
    """

    def __init__(
        self, network: Network | nn.Module, samples: Samples | tuple[Tensor, Tensor], **fields: Any
    ) -> None:
        """Fix network, samples and protocol.

        Args:
            network: A `Network`, or any module from inputs to logits.
            samples: `Samples`, or a pair of inputs and targets, tensors or NumPy arrays.
            **fields: Those of `landscape.protocol.Protocol`: `task` (see `landscape.tasks`), `loss` (of
                (outputs, targets), one number per sample, or of (model, batch)), `weight_decay`, `dropout`
                (`off`, `fixed`, `fresh` or `ensemble:N`), `seed` of the masks, `params` (which to
                differentiate; those that are not frozen by default), `micro_batch` (0 chooses), `device` (the
                CPU by default), `dtype`, `batch_norm` (`eval`, `batch` or `recalibrate`) and `precision` of
                values (`full`, `bfloat16` or `tf32`).

        Raises:
            LandscapeError: If a mode, number, pattern, network or data set is none that can be measured.
        """
        modes = Protocol(**{"device": "cpu", **fields})
        task, device = task_of(modes.task, modes.loss), usable_device(modes.device)
        network, samples = accepted(network, samples, task)
        size = modes.micro_batch or usual_micro_batch(samples, device)
        own = partial(as_working, device=device, dtype=getattr(torch, modes.dtype), real=False)
        with differentiable():
            buffers = {name: own(b).clone() for name, b in network.module.named_buffers()}
        forward = Forward(network.module, buffers, modes).replace(micro_batch=size)
        super().__init__(network.normalised_for(samples), samples, forward, Soundness())

    @property
    def evaluated(self) -> int:
        """Samples that this process evaluates: all, unless they are shared out among ranks."""
        return len(self.samples)

    def alone(self) -> Objective:
        """The same objective without ranks that share its samples: itself, if there are none."""
        return self

    def selected(self, positions: np.ndarray) -> Self:
        """The same objective over the samples at these positions, with the masks of their new places."""
        return self.replace(samples=self.samples.select(positions))

    def stochastic(self) -> Stochastic:
        """What dropout masks act on in the network, whatever the mode; false if there is nothing."""
        return self.forward.stochastic(self.parameters, next(iter(self.batches()))[1])

    def protocol(self) -> dict[str, Any]:
        """Everything the numbers depend on besides the parameters, ready for JSON."""
        self.checked("value")
        normalisation, modes, road = self.network.normalisation, self.modes, self.forward.road
        first = ("batch_norm", "dropout", "weight_decay", "params", "dtype", "device", "micro_batch")
        return {
            "data": self._described(),
            "normalisation": asdict(normalisation) if normalisation else None,
            **{name: getattr(modes, name) for name in first},
            "layout": "channels_last" if road.channels_last else "contiguous",
            "attention": "math" if road.math_attention else "usual",
            "precision": modes.precision,
            "seed": modes.seed,
            **({"compiled": True} if modes.compiled else {}),
            **({"origins": origins} if (origins := self.network.origins) else {}),
            "loss": loss_record(self.loss),
            "device": self.device.type,
        } | ({} if self.task.describe() == {"name": "classification"} else {"task": self.task.describe()})

    def _described(self) -> dict[str, Any]:
        return self.samples.describe()

    def rows(self) -> list[tuple[str, str]]:
        """What a notebook shows: the network, the samples and every mode that a number depends on."""
        samples, free = self.samples, sum(value.numel() for value in self.free.values())
        of = f" ({samples.split} split)" if samples.split else ""
        augmentation = "augmented, frozen" if samples.augmentation else "as they are"
        masks = "" if self.dropout == "off" else f", seed {self.seed}"
        return [
            *self.network.rows(),
            ("samples", f"{len(samples):,} of {samples.source}{of}, {augmentation}"),
            ("loss", loss_name(self.loss)),
            ("weight decay", f"{self.weight_decay:g}"),
            ("dropout", f"{self.dropout}{masks}"),
            ("BatchNorm", self.modes.batch_norm),
            ("free parameters", f"{free:,} that match {self.params}"),
            ("arithmetic", f"{self.modes.dtype}, {self.device}"),
        ]

    def _repr_html_(self) -> str:
        from landscape.display import table

        return table(f"mean loss of {self.network.name}", self.rows())
