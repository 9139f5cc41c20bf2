"""Adversarial attacks in the largest norm: FGSM and projected gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
import xarray as xr
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.objective import Objective
from landscape.precision import full_precision
from landscape.predictive import metrics
from landscape.predictive.scoring import ATTRIBUTES, assign, scored, settled
from landscape.work import Item, Progress, Runner, in_memory, silent

ATTACKS = ("fgsm", "pgd")

_GRADIENT_DRAW, _EVALUATION_DRAW = 0, 1
_REACH = 2.5  # the default steps of PGD add up to this many ε

Gradient = Callable[[Tensor], Tensor]


def attack(
    objective: Objective,
    *,
    epsilons: Sequence[float] = (1 / 255, 2 / 255, 4 / 255, 8 / 255),
    steps: int = 10,
    step_size: float | None = None,
    seed: int = 0,
    random_start: bool = True,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Accuracy and likelihood on images that were moved by up to ε in each pixel to raise the loss.

    FGSM moves every pixel by ε along the sign of the gradient (Goodfellow et al. 2015); PGD repeats smaller
    moves and projects back onto the ε-ball (Madry et al. 2018). Both work on images in 0 … 1, before the
    normalisation, stay in that range, and raise the negative log-likelihood of the target, whatever the
    objective's loss. The gradient is exact, and taken through the log-odds, so that it does not vanish where
    a prediction is certain to working precision. What counts is the last image, also where the attack happens
    to turn a wrong prediction right.

    Dropout `off` and `fixed`: the attack sees the masks that are evaluated. `fresh`: it sees draw 0, and the
    prediction is draw 1. `ensemble:N`: it sees the mean of the N predictions that are evaluated, one pass in
    memory at a time.

    Args:
        objective: Network and samples.
        epsilons: Largest change of a pixel, in units of its whole range 0 … 1.
        steps: Number of steps of PGD.
        step_size: Size of a step of PGD, in the same units; by default 2.5·ε/steps, which reaches the edge
            of the ball from anywhere in it.
        seed: Random seed of PGD's starts, which depend on it and on each sample's position in its source.
        random_start: Whether PGD starts at a uniformly random point of the ball, or at the image.
        progress: Shows how far it is.
        run: Runs the micro-batches; in memory by default.

    Returns:
        Dimensions `attack` (`fgsm`, `pgd`) and `epsilon`: `accuracy` and `nll` (nats), each with its
        `…_standard_error` over samples; `clean_accuracy` and `clean_nll` likewise, without dimensions;
        `step_size(epsilon)`.

    Raises:
        LandscapeError: If the samples are not images in 0 … 1, the protocol has no gradient of single samples
            (BatchNorm other than eval, reduced precision), or a number is out of range.
    """
    _check(objective, epsilons, steps, step_size)
    sizes = [_REACH * epsilon / steps if step_size is None else step_size for epsilon in epsilons]
    micro_batch, count = objective.micro_batch, len(objective.samples)
    settled(objective)

    def compute(index: int) -> Item:
        victim = _Victim(objective.subset(index * micro_batch, (index + 1) * micro_batch))
        clean = victim.scores(victim.pixels)  # first: it refuses targets and outputs that do not fit
        starts = _starts(victim, seed) if random_start else torch.zeros_like(victim.pixels)
        signs = victim.gradient(victim.pixels).sign()
        moved = {
            "fgsm": [(victim.pixels + epsilon * signs).clamp(0, 1) for epsilon in epsilons],
            "pgd": [
                descend(victim.gradient, victim.pixels, starts, epsilon, steps, size)
                for epsilon, size in zip(epsilons, sizes, strict=True)
            ],
        }
        scores = {name: np.stack(list(map(victim.scores, images))) for name, images in moved.items()}
        return {"clean": clean[None]} | scores

    items = (run or in_memory(progress))(math.ceil(count / micro_batch), compute, "attack")
    return _dataset(items, epsilons, sizes).assign_attrs(
        steps=steps,
        step_size=f"{_REACH}·ε/steps" if step_size is None else step_size,
        random_start=int(random_start),
        seed=seed,
        dropout=objective.dropout,
    )


def descend(
    gradient: Gradient, pixels: Tensor, starts: Tensor, epsilon: float, steps: int, step_size: float
) -> Tensor:
    """The images that PGD ends at (Madry et al. 2018, eq. 3), in 0 … 1 and within ε of the originals.

    Args:
        gradient: Images → gradient of the loss with respect to them.
        pixels: Original images in 0 … 1.
        starts: Where to start, in units of ε from the originals; same shape.
        epsilon: Largest change of a pixel.
        steps: How many.
        step_size: Length of each in every pixel.
    """
    lowest, highest = (pixels - epsilon).clamp(min=0), (pixels + epsilon).clamp(max=1)
    images = (pixels + epsilon * starts).clamp(lowest, highest)
    for _ in range(steps):
        images = (images + step_size * gradient(images).sign()).clamp(lowest, highest)
    return images


class _Victim:
    """One micro-batch of an objective, whose images can be moved."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        pixels, targets = objective.samples.batch(0, len(objective.samples), dtype=objective.dtype)
        self.pixels, self._targets = pixels.to(objective.device), targets.to(objective.device)
        self.indices = objective.samples.indices
        count = objective.dropout.passes
        stochastic = bool(objective.stochastic()) if objective.dropout != "off" else False
        # Of an ensemble, one pass at a time; the draws are those of the ensemble.
        self._single = objective.forward.replace(dropout="fresh") if count else objective.forward
        self._draws = range(count) if count and stochastic else range(_GRADIENT_DRAW, _GRADIENT_DRAW + 1)

    def scores(self, images: Tensor) -> np.ndarray:
        """Whether the prediction is right, and its negative log-likelihood, shape (2, sample)."""
        with torch.no_grad():
            objective = self._objective
            logits = objective.forward(objective.parameters, 0, self._prepared(images), _EVALUATION_DRAW)
        found = scored(logits, self._targets)
        return torch.stack([found.hit.double(), found.nll]).numpy()

    def gradient(self, images: Tensor) -> Tensor:
        """Gradient of each sample's loss with respect to its image, up to a positive factor of its own.

        The loss is −log Σ p over the passes, and its gradient Σ p·(1 − p)·∇l / Σ p, where l = log((1 − p)/p)
        is the log-odds against the target. The sum is kept relative to its largest weight, so that neither a
        certain nor a hopeless prediction rounds it to zero.
        """
        total = torch.zeros_like(images)
        largest = torch.full((len(images),), -math.inf, dtype=torch.float64, device=images.device)
        for draw in self._draws:
            weight, gradient = self._pass(images, draw)
            updated = torch.maximum(largest, weight)
            total = total * _column((largest - updated).exp(), total)
            total = total + gradient * _column((weight - updated).exp(), total)
            largest = updated
        return total

    def _pass(self, images: Tensor, draw: int) -> tuple[Tensor, Tensor]:
        """The logarithm of p·(1 − p) in one pass, shape (sample,), and the gradient of the log-odds."""
        with torch.enable_grad(), full_precision(images.device):
            leaf = images.detach().requires_grad_()
            logits = self._single(self._objective.parameters, 0, self._prepared(leaf), draw).double()
            of_target = F.one_hot(self._targets, logits.shape[1]).bool()
            odds = logits.masked_fill(of_target, -math.inf).logsumexp(1) - logits[of_target]
            (gradient,) = torch.autograd.grad(odds.sum(), leaf)
        odds = odds.detach()
        return F.logsigmoid(odds) + F.logsigmoid(-odds), gradient

    def _prepared(self, images: Tensor) -> Tensor:
        return self._objective.network.prepare(images).contiguous(memory_format=torch.channels_last)


def _column(factors: Tensor, like: Tensor) -> Tensor:
    return factors.to(like.dtype)[:, None, None, None]


def _starts(victim: _Victim, seed: int) -> Tensor:
    """One uniformly random point of the unit ball for each image, a function of seed and index alone."""
    shape = tuple(victim.pixels.shape[1:])
    indices = victim.indices if victim.indices is not None else range(len(victim.pixels))
    drawn = [np.random.default_rng((seed, int(index))).uniform(-1, 1, shape) for index in indices]
    return torch.from_numpy(np.stack(drawn)).to(victim.pixels)


def _check(objective: Objective, epsilons: Sequence[float], steps: int, step_size: float | None) -> None:
    forward, inputs = objective.forward, objective.samples.images()
    if forward.batch_norm != "eval" or forward.precision != "full":
        raise LandscapeError(
            f"an attack needs BatchNorm in eval mode and full precision, not {forward.batch_norm} and "
            f"{forward.precision}"
        )
    if not len(epsilons) or not all(0 <= epsilon <= 1 for epsilon in epsilons):
        raise ArgumentError(
            f"attacks move pixels by ε from 0 to 1, in units of their range; got {list(epsilons)}; "
            "8 of 255 grey levels are 8/255"
        )
    if steps < 1 or (step_size is not None and not 0 < step_size < math.inf):
        raise ArgumentError(f"PGD needs at least 1 step of a positive size, got {steps} of size {step_size}")
    lowest, highest = (0, 1) if inputs.dtype == torch.uint8 else (float(inputs.min()), float(inputs.max()))
    if not (lowest >= 0 and highest <= 1):
        raise LandscapeError(
            "attacks need images in 0 … 1 or bytes, of shape (sample, channel, height, width), not inputs of "
            f"shape {tuple(inputs.shape)} from {lowest:.4g} to {highest:.4g}; give images before their "
            "normalisation"
        )


def _dataset(items: list[Item], epsilons: Sequence[float], sizes: Sequence[float]) -> xr.Dataset:
    dataset = xr.Dataset(coords={"attack": np.array(ATTACKS, dtype=object), "epsilon": list(epsilons)})
    dataset["epsilon"].attrs |= {"long_name": "largest change of a pixel", "units": "of its range"}
    dataset["step_size"] = ("epsilon", list(sizes), {"long_name": "step of PGD", "units": "of the range"})
    attacked = np.stack([_means(items, name) for name in ATTACKS], 2)
    clean = _means(items, "clean")
    for position, score in enumerate(("accuracy", "nll")):
        assign(dataset, score, attacked[:, position], ("attack", "epsilon"), ATTRIBUTES[score])
        assign(dataset, f"clean_{score}", clean[:, position, 0], (), ATTRIBUTES[score])
    return dataset


def _means(items: list[Item], name: str) -> np.ndarray:
    """Means over samples and their standard errors, shape (2, score, epsilon)."""
    scores = torch.from_numpy(np.concatenate([item[name] for item in items], 2))
    means = [[metrics.mean(values) for values in row] for row in scores.transpose(0, 1)]
    return np.array([[(mean.value, mean.error) for mean in row] for row in means]).transpose(2, 0, 1)
