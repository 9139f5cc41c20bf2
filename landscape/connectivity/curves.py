"""Curves of low loss between two networks, trained as in Garipov et al. 2018."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from landscape.connectivity.paths import Path, Shape, coefficients, middle
from landscape.errors import ArgumentError, LandscapeError
from landscape.forward.batches import as_working
from landscape.forward.contexts import batch_norms
from landscape.objective import Objective
from landscape.parameters import Parameters, flatten, unflatten
from landscape.precision import differentiable, full_precision
from landscape.work import Item, Progress, Runner, in_memory, silent

_PARTS = 10
"""Pieces of a training that are kept one by one, so that a kill costs at most a tenth."""


@dataclass(frozen=True)
class CurveRecipe:
    """How a bend is trained.

    Attributes:
        steps: Steps of SGD.
        batch_size: Samples per step.
        learning_rate: Peak; constant for the first half of the steps, then falling linearly to a hundredth
            over four fifths of the rest, as in the paper.
        momentum: Of SGD.
        weight_decay: ½·λ·‖γ(t)‖² is added to the loss of each step.
        seed: Of t, of the order of the samples, and of dropout masks.
    """

    steps: int = 300
    batch_size: int = 128
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 2 or not 0 < self.learning_rate < math.inf:
            raise ArgumentError(
                "a curve takes a step or more of two samples or more at a positive rate, got "
                f"{self.steps} steps of "
                f"{self.batch_size} at {self.learning_rate}"
            )

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        share = step / self.steps
        fall = min(max((share - 0.5) / 0.4, 0.0), 1.0)
        return self.learning_rate * (1 - 0.99 * fall)


def trained(
    objective: Objective,
    ends: tuple[Parameters, Parameters],
    shape: Shape,
    recipe: CurveRecipe,
    *,
    label: str = "curve",
    progress: Progress = silent,
    run: Runner | None = None,
) -> tuple[Path, np.ndarray]:
    """Train the bend θ of a curve between two networks: min over θ of E L(γ_θ(t)), t uniform in 0 … 1.

    Each step draws a t and a mini-batch; the gradient at γ(t) reaches the bend with its coefficient (Garipov
    et al. 2018, algorithm 1). BatchNorm uses the statistics of the mini-batch, as in training. The bend
    begins half-way.

    Args:
        objective: Network and training samples.
        ends: Parameters of both ends, which stay.
        shape: `bezier` or `polygon`.
        recipe: How.
        label: Of the work, for who runs it.
        progress: Shows the steps.
        run: Keeps what is finished, in parts of which each begins where the one before ended; in memory by
            default.

    Returns:
        The curve, and the loss of each step, shape (step,).

    Raises:
        LandscapeError: If the loss is no longer finite.
    """
    start = flatten(middle(ends))
    state: Item = {"bend": start.cpu().numpy(), "velocity": np.zeros_like(start.cpu().numpy())}
    losses: list[np.ndarray] = []
    edges = np.linspace(0, recipe.steps, min(_PARTS, recipe.steps) + 1).astype(int)
    run = run or in_memory()
    training = _Training(objective, ends, shape, recipe)
    for part, (first, last) in enumerate(itertools.pairwise(edges)):

        def compute(_: int, first: int = int(first), last: int = int(last), state: Item = state) -> Item:
            steps = progress(range(first, last), f"{label}, steps to {recipe.steps}", last - first)
            return training.steps(steps, state)

        (state,) = run(1, compute, f"{label} part {part + 1} of {len(edges) - 1}")
        losses.append(state["loss"])
    bend = unflatten(torch.from_numpy(state["bend"]).to(start), ends[0])
    laid = {name: as_working(bend[name], device=objective.device, dtype=objective.dtype) for name in bend}
    return Path(shape, (ends[0], laid, ends[1])), np.concatenate(losses)


class _Training:
    """The steps of SGD on a bend."""

    def __init__(
        self, objective: Objective, ends: tuple[Parameters, Parameters], shape: Shape, recipe: CurveRecipe
    ) -> None:
        mode = "batch" if batch_norms(objective.network.module) else "eval"
        self.objective = objective.replace(
            batch_norm=mode, params="*", weight_decay=0.0, micro_batch=recipe.batch_size
        )
        self.ends, self.shape, self.recipe = ends, shape, recipe
        self.flat = tuple(flatten(end) for end in ends)

    def steps(self, steps: Iterable[int], state: Mapping[str, np.ndarray]) -> Item:
        """Some steps from a state on."""
        like = self.flat[0]
        bend, velocity = (torch.from_numpy(state[name].copy()).to(like) for name in ("bend", "velocity"))
        losses = []
        for step in steps:
            t, rows = self._drawn(step)
            loss, gradient, share = self._gradient(bend, t, rows, step)
            losses.append(loss)
            if not math.isfinite(loss):
                raise LandscapeError(
                    f"the loss along the {self.shape} curve is not finite after {step} steps; lower "
                    "its learning rate "
                    f"({self.recipe.learning_rate})"
                )
            velocity = self.recipe.momentum * velocity + share * gradient
            bend = bend - self.recipe.rate(step) * velocity
        return {
            "bend": bend.cpu().numpy(),
            "velocity": velocity.cpu().numpy(),
            "loss": np.array(losses),
        }

    def _drawn(self, step: int) -> tuple[float, np.ndarray]:
        """T and the samples of a step: each epoch has an order of its own."""
        count, size = len(self.objective.samples), min(self.recipe.batch_size, len(self.objective.samples))
        whole = max(count // size, 1)
        order = np.random.default_rng((self.recipe.seed, step // whole)).permutation(count)
        start = (step % whole) * size
        t = float(np.random.default_rng((self.recipe.seed, step, 1)).random())
        return t, order[start : start + size]

    def _gradient(
        self, bend: torch.Tensor, t: float, rows: np.ndarray, step: int
    ) -> tuple[float, torch.Tensor, float]:
        """Loss at γ(t) over these samples, its gradient there, and the share of it that is the bend's."""
        c = coefficients(self.shape, t)
        theta = float(c[0]) * self.flat[0] + float(c[1]) * bend + float(c[2]) * self.flat[1]
        part = self.objective.selected(rows)
        batch = next(iter(part.batches()))
        with full_precision(part.device), differentiable():
            share = part.share(batch, unflatten(theta, self.ends[0]), draw=step)
            gradient = flatten(dict(zip(share.leaves, share.gradient(), strict=True)))
        return float(share.loss.detach()), gradient + self.recipe.weight_decay * theta, float(c[1])
