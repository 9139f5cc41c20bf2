"""Worst-case sharpness: how much the loss can rise within a ball, by projected ascent on mini-batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from landscape.errors import ArgumentError
from landscape.objective import Objective
from landscape.parameters import Parameters, norm
from landscape.sharpness.average import check_radius
from landscape.sharpness.perturbations import Found, Noise, Scale, moved, over, scales, slope
from landscape.work import Item, Runner, in_memory

_START = 1e-2
"""Length of the random start, as a share of the radius: where the gradient is zero, ascent needs one."""


def worst(
    objective: Objective,
    *,
    radius: float,
    scale: Scale = "raw",
    batch_size: int = 128,
    steps: int = 10,
    noise: Noise | None = None,
    run: Runner | None = None,
    label: str = "worst sharpness",
) -> Found:
    """The mean over mini-batches of max L(w + δ) − L(w) over ‖δ/c‖₂ ≤ ρ, from below.

    In u = δ/c, steps along the gradient, normalised and as long as the radius, are projected onto the ball;
    the step is halved where the loss does not rise, and the highest loss met counts (Andriushchenko et
    al. 2023, section 3: worst-case m-sharpness). What an ascent finds is a lower bound of the maximum. On a
    quadratic the maximum is ½ρ²·λmax(C^½ H C^½).

    Args:
        objective: The loss.
        radius: ρ, in units of c.
        scale: Which c, see `scales`.
        batch_size: m, samples per mini-batch; the last one may be smaller, by at most half.
        steps: Gradients of each mini-batch.
        noise: Where the start of each comes from; of seed 0 by default.
        run: Runs the mini-batches; in memory by default.
        label: What the runner calls them.

    Returns:
        In the units of the loss, with Student's interval over mini-batches.

    Raises:
        LandscapeError: On a radius that is not positive, no steps, or an empty mini-batch.
    """
    check_radius(radius)
    if steps < 1 or batch_size < 1:
        raise ArgumentError(f"ascent takes at least one step and sample, got {steps} and {batch_size}")
    samples = len(objective.samples)
    starts = [
        start for start in range(0, samples, batch_size) if not start or samples - start >= batch_size / 2
    ]
    noise = noise or Noise(objective.seed)

    def compute(index: int) -> Item:
        part = objective.subset(starts[index], starts[index] + batch_size)
        units = scales(part, scale)
        return {"rise": np.array(_climbed(part, units, radius, steps, noise.normal(units, index)))}

    items = (run or in_memory())(len(starts), compute, label)
    used = sum(min(batch_size, samples - start) for start in starts)
    rises = np.array([float(item["rise"]) for item in items])
    return over(rises, passes=2 * used, gradients=steps * used)


def _climbed(objective: Objective, units: Parameters, radius: float, steps: int, start: Parameters) -> float:
    """The largest rise that so many steps find."""
    place = _scaled(start, _START * radius / float(norm(start)))
    origin = objective.value().total
    best, held, kept, step = -np.inf, place, place, 1.0
    for _ in range(steps):
        loss, gradient = slope(objective, moved(objective, units, 1.0, place))
        uphill = {name: unit * gradient[name] for name, unit in units.items()}
        if np.isnan(loss):
            return np.nan  # no maximum where the loss is no number
        if loss > best:
            best, held, kept = loss, place, uphill
        else:
            step /= 2
            place, uphill = held, kept
        length = float(norm(uphill))
        if not length > 0:
            break
        place = _within(_sum(place, uphill, step * 2 * radius / length), radius)
    last = objective.value(moved(objective, units, 1.0, place)).total
    return float(np.maximum(best, last)) - origin


def _within(vector: Parameters, radius: float) -> Parameters:
    """The nearest point of the ball."""
    length = float(norm(vector))
    return _scaled(vector, radius / length) if length > radius else vector


def _scaled(vector: Parameters, factor: float) -> Parameters:
    return {name: factor * value for name, value in vector.items()}


def _sum(first: Parameters, second: dict[str, Tensor], factor: float) -> Parameters:
    return {name: torch.add(value, second[name], alpha=factor) for name, value in first.items()}
