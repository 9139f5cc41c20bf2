"""The local learning coefficient, by stochastic gradient Langevin dynamics around the trained weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from landscape.errors import ArgumentError
from landscape.linalg import substream
from landscape.objective import Objective
from landscape.parameters import Parameters
from landscape.sharpness.perturbations import Found, Noise, over, slope
from landscape.work import Item, Runner, in_memory

CHECK_EVERY = 5
"""Each so many steps the Metropolis–Hastings acceptance of a step is worked out."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """How the tempered posterior around the weights is sampled.

    Attributes:
        chains: Independent chains, at least two.
        steps: Of each chain.
        burn_in: Share of the steps that is not counted.
        step_size: ε of the Langevin steps; 0 takes a twentieth of what is stable at `curvature`, whose
            bias is 5 % in the stiffest direction and less in all others.
        curvature: Largest eigenvalue of the Hessian, for the step size.
        localisation: γ, the precision of the Gaussian prior around the weights.
        temperature: nβ; 0 takes n/log n of n samples (Watanabe 2013).
        batch_size: Samples of each gradient.
        sweep: Multiples of the step size that are tried besides 1.
    """

    chains: int = 4
    steps: int = 200
    burn_in: float = 0.5
    step_size: float = 0.0
    curvature: float = 0.0
    localisation: float = 100.0
    temperature: float = 0.0
    batch_size: int = 64
    sweep: tuple[float, ...] = (0.25, 4.0)

    def __post_init__(self) -> None:
        """Check them.

        Raises:
            LandscapeError: If there are fewer than two chains, too few steps, or a number is negative.
        """
        if self.chains < 2 or self.kept < 4:
            raise ArgumentError(
                f"the spread over chains takes at least 2, and each at least 4 steps after its burn-in, got "
                f"{self.chains} chains and {self.kept} steps"
            )
        if min(self.step_size, self.localisation, self.temperature, self.batch_size - 1) < 0:
            raise ArgumentError("step size, localisation, temperature and batch size must not be negative")
        if not 0 <= self.burn_in < 1 or any(not factor > 0 for factor in self.sweep):
            raise ArgumentError("the burn-in is a share from 0 to 1, and factors of the sweep are positive")
        if not self.step_size and not self.curvature > 0:
            raise ArgumentError("give a step size, or the largest curvature that it is to suit")

    @property
    def kept(self) -> int:
        """Steps of a chain that count."""
        return self.steps - int(self.burn_in * self.steps)

    def inverse_temperature(self, samples: int) -> float:
        """nβ."""
        return self.temperature or samples / math.log(max(samples, 3))

    def chosen_step(self, samples: int) -> float:
        """ε: explicit steps are stable below 4/(nβ·λmax + γ)."""
        stiffness = self.inverse_temperature(samples) * self.curvature + self.localisation
        return self.step_size or 0.2 / stiffness


@dataclass(frozen=True)
class LearningCoefficient:
    """The estimate with its health report.

    Attributes:
        found: λ̂ = nβ·(E L(w) − L(w*)), with Student's interval over chains.
        chains: λ̂ of each chain, shape (chain,).
        r_hat: Gelman and Rubin's R̂ of the losses, from halves of chains; near 1 where chains agree.
        acceptance: Mean acceptance of the steps by Metropolis and Hastings; near 1 where they are short.
        step_size: ε.
        temperature: nβ.
        baseline_error: Standard error over samples of nβ·L(w*): what other samples would do to the baseline.
        sweep: λ̂ by factor of the step size, with standard errors: (factor, value, error).
    """

    found: Found
    chains: np.ndarray
    r_hat: float
    acceptance: float
    step_size: float
    temperature: float
    baseline_error: float
    sweep: list[tuple[float, float, float]] = field(default_factory=list)


def learning_coefficient(
    objective: Objective,
    *,
    noise: Noise | None = None,
    run: Runner | None = None,
    label: str = "learning coefficient",
    **options: object,
) -> LearningCoefficient:
    """λ̂ of Lau et al. 2023 (definition 1): nβ times the rise of the mean loss under the local posterior.

    The posterior ∝ exp(−nβ L(w) − ½γ‖w − w*‖²) is sampled by w ← w − ½ε(nβ ∇L_B(w) + γ(w − w*)) + √ε ξ
    (Welling & Teh 2011). The rise at each step is that of its own mini-batch B, drawn after w, from the same
    samples' loss at w*. It is d/2 for a regular model of d weights, and less where the minimum is degenerate
    (Watanabe 2009).

    Args:
        objective: The loss; its samples are the n.
        noise: Where the numbers come from; of seed 0 by default.
        run: Runs the chains; in memory by default.
        label: What the runner calls them.
        **options: Fields of `Sampler`.

    Raises:
        LandscapeError: As `Sampler`.
    """
    sampler = Sampler(**options)  # type: ignore[arg-type]
    samples, noise = len(objective.samples), noise or Noise(objective.seed)
    heat, step = sampler.inverse_temperature(samples), sampler.chosen_step(samples)
    losses = objective.sample_losses()[0]
    factors = (1.0, *sampler.sweep)

    def compute(index: int) -> Item:
        factor, chain = divmod(index, sampler.chains)
        rises, acceptance = _chain(objective, sampler, step * factors[factor], losses, noise, chain)
        return {"rises": rises, "acceptance": np.array(acceptance)}

    items = (run or in_memory())(len(factors) * sampler.chains, compute, label)
    rises = heat * np.array([item["rises"] for item in items]).reshape(len(factors), sampler.chains, -1)
    acceptances = np.array([float(item["acceptance"]) for item in items]).reshape(len(factors), -1)
    batch = min(sampler.batch_size, samples)
    gradients = len(items) * batch * (sampler.steps + 2 * (sampler.steps // CHECK_EVERY))
    means = rises.mean(2)
    swept = [over(row) for row in means]
    spread = float(losses.std()) if samples > 1 else math.nan
    return LearningCoefficient(
        over(means[0], passes=samples, gradients=gradients),
        means[0],
        r_hat(rises[0]),
        float(acceptances[0].mean()),
        step,
        heat,
        heat * spread / math.sqrt(samples),
        [(factor, each.value, each.error) for factor, each in zip(factors, swept, strict=True)],
    )


def r_hat(chains: np.ndarray) -> float:
    """Potential scale reduction of halves of chains (Gelman et al. 2013, section 11.4).

    Args:
        chains: Shape (chain, step).

    Returns:
        Near 1 where all sample the same; NaN where nothing varies.
    """
    half = chains.shape[1] // 2
    parts = np.concatenate([chains[:, :half], chains[:, -half:]])
    within, between = float(parts.var(1, ddof=1).mean()), half * float(parts.mean(1).var(ddof=1))
    if not within > 0:
        return math.nan
    return math.sqrt((half - 1) / half + between / (half * within))


def _chain(
    objective: Objective, sampler: Sampler, step: float, losses: Tensor, noise: Noise, chain: int
) -> tuple[np.ndarray, float]:
    """Rises of the loss at the steps that count, and the mean acceptance of those that were checked."""
    samples, origin = len(objective.samples), dict(objective.free)
    heat, batch = sampler.inverse_temperature(samples), min(sampler.batch_size, samples)
    rng = np.random.default_rng(substream(noise.seed, chain))
    place = dict(origin)
    rises, accepted = [], []
    for count in range(sampler.steps):
        if batch < samples:
            chosen = np.sort(rng.choice(samples, batch, replace=False))
            part, own = objective.selected(chosen), losses[torch.from_numpy(chosen)]
        else:
            part, own = objective, losses
        posterior = _Posterior(part, origin, heat, sampler.localisation)
        loss, force = posterior.at(place)
        rises.append(loss - objective.l2() - float(own.mean()))
        # Each step of each chain has numbers of its own.
        kicks = noise.normal(origin, (chain + 1) * 2**32 + count)
        ahead = {
            name: value - 0.5 * step * force[name] + math.sqrt(step) * kicks[name]
            for name, value in place.items()
        }
        if count % CHECK_EVERY == CHECK_EVERY - 1:
            accepted.append(posterior.acceptance(place, ahead, step))
        place = ahead
    return np.array(rises[-sampler.kept :]), float(np.mean(accepted)) if accepted else math.nan


@dataclass(frozen=True)
class _Posterior:
    """−log of the tempered posterior of some samples, U(w) = nβ L(w) + ½γ‖w − w*‖²."""

    objective: Objective
    origin: Parameters
    heat: float
    localisation: float

    def at(self, place: Parameters) -> tuple[float, Parameters]:
        """The loss, and the gradient of U."""
        loss, gradient = slope(self.objective, {**self.objective.parameters, **place})
        force = {
            name: self.heat * gradient[name] + self.localisation * (value - self.origin[name])
            for name, value in place.items()
        }
        return loss, force

    def acceptance(self, place: Parameters, ahead: Parameters, step: float) -> float:
        """The chance that Metropolis and Hastings would accept a step (Roberts & Tweedie 1996)."""
        here, there = self.at(place), self.at(ahead)
        gain = self._height(here[0], place) - self._height(there[0], ahead)
        forth = _squares(ahead, place, here[1], step)
        back = _squares(place, ahead, there[1], step)
        ratio = gain + (forth - back) / (2 * step)
        return math.exp(min(ratio, 0.0)) if math.isfinite(ratio) else 0.0

    def _height(self, loss: float, place: Parameters) -> float:
        apart = sum(
            float((value - self.origin[name]).double().square().sum()) for name, value in place.items()
        )
        return self.heat * loss + 0.5 * self.localisation * apart


def _squares(to: Parameters, start: Parameters, force: Parameters, step: float) -> float:
    """‖to − (start − ½ε·force)‖²."""
    return sum(
        float((to[name] - start[name] + 0.5 * step * force[name]).double().square().sum()) for name in to
    )
