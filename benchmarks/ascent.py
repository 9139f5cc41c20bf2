"""Worst-case sharpness against a plain loop: seconds, the rise that is found, gradients and forward passes.

The loop does what Andriushchenko et al. (2023) describe, in plain PyTorch: on every mini-batch, steps of
Auto-PGD (Croce & Hein 2020, algorithm 1) within the ball ‖δ/c‖₂ ≤ ρ, c = |w|. Both sides start at the trained
weights (ours a hundredth of the radius away), take as many gradients, and keep the highest loss met.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.turns import turned
from landscape.network import Network
from landscape.objective import Objective
from landscape.samples import Samples
from landscape.sharpness import Sizes, worst

MOMENTUM, RISING = 0.75, 0.75
"""α and ρ of Auto-PGD: the share of a step that is new, and that of steps that should raise the loss."""


@dataclass(frozen=True)
class Climbed:
    """What the loop found.

    Attributes:
        value: Mean rise over mini-batches.
        gradients: Of single samples.
        passes: Forward passes of single samples besides these.
    """

    value: float
    gradients: int
    passes: int


def checkpoints(steps: int) -> list[int]:
    """After which steps Auto-PGD asks whether to halve its step: ⌈p_j·steps⌉, closer and closer."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return [math.ceil(round(share * steps, 6)) for share in shares[1:] if share <= 1]


class Batch:
    """The loss of one mini-batch at w + c ⊙ u, with the weights written into the module."""

    def __init__(self, module: torch.nn.Module, inputs: Tensor, targets: Tensor) -> None:
        self.module, self.inputs, self.targets = module, inputs, targets
        self.weights = [p for p in module.parameters() if p.requires_grad]
        self.origin = [p.detach().clone() for p in self.weights]

    def loss(self, u: list[Tensor]) -> Tensor:
        """At u, with its graph where gradients are on."""
        with torch.no_grad():
            for p, w, x in zip(self.weights, self.origin, u, strict=True):
                p.copy_(w + w.abs() * x)
        return F.cross_entropy(self.module(self.inputs), self.targets)

    def slope(self, u: list[Tensor]) -> tuple[float, list[Tensor]]:
        """The loss and its gradient in u."""
        loss = self.loss(u)
        gradient = torch.autograd.grad(loss, self.weights)
        return float(loss.detach()), [w.abs() * g for w, g in zip(self.origin, gradient, strict=True)]

    def restore(self) -> None:
        """The weights as they were."""
        with torch.no_grad():
            self.loss([torch.zeros_like(w) for w in self.origin])


def _length(u: list[Tensor]) -> float:
    return math.sqrt(sum(float(x.double().square().sum()) for x in u))


def _within(u: list[Tensor], radius: float) -> list[Tensor]:
    share = min(1.0, radius / max(_length(u), 1e-30))
    return [share * x for x in u]


def ahead(here: list[Tensor], before: list[Tensor], step: list[Tensor], radius: float) -> list[Tensor]:
    """The next place: a step, projected, and mixed with the way that was taken last."""
    place = _within([x + s for x, s in zip(here, step, strict=True)], radius)
    if before is here:
        return place
    mixed = [
        x + MOMENTUM * (z - x) + (1 - MOMENTUM) * (x - y) for x, y, z in zip(here, before, place, strict=True)
    ]
    return _within(mixed, radius)


def climb(batch: Batch, radius: float, steps: int) -> float:
    """The largest rise that so many gradients of Auto-PGD find on one mini-batch."""
    here = before = [torch.zeros_like(w) for w in batch.origin]
    value, uphill = batch.slope(here)
    origin, kept = value, (value, here, uphill)
    length, halved, best_then, rises, last, asked = 2 * radius, False, value, 0, 0, checkpoints(steps)
    for count in range(1, steps + 1):
        scale = length / max(_length(uphill), 1e-30)
        place = ahead(here, before, [scale * g for g in uphill], radius)
        before, here, old = here, place, value
        if count < steps:
            value, uphill = batch.slope(here)
        else:
            with torch.no_grad():
                value = float(batch.loss(here))
        rises += value > old
        if value > kept[0]:
            kept = value, here, uphill
        if count in asked:
            stuck = not halved and kept[0] == best_then
            halved = stuck or rises < RISING * (count - last)
            best_then, rises, last = kept[0], 0, count
            if halved:
                length, (value, here, uphill) = length / 2, kept
    return kept[0] - origin


def loop(network: Network, samples: Samples, *, radius: float, batch_size: int, steps: int) -> Climbed:
    """The mean over mini-batches, one after the other, as the module is written."""
    objective = Objective(network, samples)
    inputs, targets = samples.batch(0, len(samples))
    inputs = objective.network.prepare(inputs)
    module = copy.deepcopy(network.module).eval().to(memory_format=torch.contiguous_format)
    found = []
    for part, labels in zip(inputs.split(batch_size), targets.split(batch_size), strict=True):
        batch = Batch(module, part, labels)
        found.append(climb(batch, radius, steps))
        batch.restore()
    return Climbed(float(np.mean(found)), steps * len(targets), len(targets))


def climbed(
    network: Network, samples: Samples, turns: int, *, steps: int = 20, batch_size: int = 128
) -> list[dict[str, Any]]:
    """Two rows: as many steps on both sides, and ours at its default number of steps.

    Args:
        network: The trained network.
        samples: As many as make whole mini-batches.
        turns: How often each is measured.
        steps: Of the loop.
        batch_size: m.
    """
    radius, fewer = Sizes().rho_adaptive_worst, Sizes().steps

    def ours(count: int) -> Any:
        objective = Objective(network, samples)
        return worst(objective, radius=radius, scale="weight", batch_size=batch_size, steps=count)

    done = turned(
        {
            "loop": lambda: loop(network, samples, radius=radius, batch_size=batch_size, steps=steps),
            "same": lambda: ours(steps),
            "default": lambda: ours(fewer),
        },
        turns,
    )
    peer, rows = done.results["loop"], []
    for name, count in (("same", steps), ("default", fewer)):
        own = done.results[name]
        rows.append(
            {
                "case": f"adaptive worst-case sharpness, {count} steps against {steps}, m = {batch_size}",
                "peer": "plain loop of Auto-PGD",
                "peer_seconds": done.median("loop"),
                "our_seconds": done.median(name),
                "ratio": done.ratio("loop", name),
                "peer_value": peer.value,
                "our_value": own.value,
                "our_standard_error": own.error,
                "share_of_value": own.value / peer.value,
                "peer_gradients": peer.gradients,
                "our_gradients": own.gradients,
                "peer_passes": peer.passes,
                "our_passes": own.passes,
                "radius": radius,
                "samples": len(samples),
            }
        )
    return rows
