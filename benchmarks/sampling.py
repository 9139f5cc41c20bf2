"""The local learning coefficient against the package devinterp: seconds per draw, and both estimates.

Both sample the same posterior around the same weights by stochastic gradient Langevin dynamics (Lau et
al. 2023), from as many chains and steps of the same size. devinterp puts what it samples into training mode,
where BatchNorm takes the statistics of each mini-batch; here it is held in evaluation mode, so that both see
one function. Each step of both has a random mini-batch of its own: of shuffled epochs, the mini-batches left
are those on which the chain has not lowered the loss yet, and what is measured on them is too high. The loss
at the trained weights, over all samples, is given to devinterp; ours takes from each mini-batch the loss of
the same samples there, and works out with every fifth step whether Metropolis and Hastings would accept it,
which takes two more gradients.
"""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.turns import turned
from landscape import hessian
from landscape.objective import Objective
from landscape.samples import Samples
from landscape.sharpness.llc import LearningCoefficient, Sampler, learning_coefficient
from landscape.zoo import build, parse


class Held(nn.Module):
    """A network in evaluation mode that stays in it whatever it is asked."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.eval()

    def train(self, mode: bool = True) -> Held:
        """Change nothing."""
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Those of the network."""
        return self.module(inputs)


class Independent(torch.utils.data.Sampler[int]):
    """Mini-batches one after the other, each a random subset that knows nothing of those before."""

    def __init__(self, samples: int, batch: int) -> None:
        super().__init__()
        self.samples, self.batch = samples, batch

    def __len__(self) -> int:
        return self.samples // self.batch * self.batch

    def __iter__(self) -> Iterator[int]:
        for _ in range(self.samples // self.batch):
            yield from torch.randperm(self.samples)[: self.batch].tolist()


def prepared(objective: Objective) -> tuple[Tensor, Tensor]:
    """All inputs, as the module takes them, and targets."""
    inputs, targets = objective.samples.batch(0, len(objective.samples))
    return objective.network.prepare(inputs), targets


def trained(spec: str, samples: Samples, *, steps: int, batch: int = 64, seed: int = 0) -> Objective:
    """A network of the zoo after so many steps of SGD on these samples: a minimum, if a rough one."""
    module = build(parse(spec), seed=seed)
    inputs, targets = prepared(Objective(module, samples))
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    module.train()
    for _ in range(steps):
        chosen = torch.randint(0, len(targets), (batch,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(module(inputs[chosen]), targets[chosen]).backward()
        optimizer.step()
        schedule.step()
    return Objective(module.eval(), samples)


def evaluate(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean loss of a mini-batch, as devinterp asks for it."""
    return F.cross_entropy(module(batch[0]), batch[1])


def theirs(objective: Objective, sampler: Sampler) -> np.ndarray:
    """The estimate of each chain by devinterp, whose numbers come from PyTorch's global generator."""
    from devinterp.optim import SGMCMC
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary as estimate

    samples = len(objective.samples)
    data, batch = TensorDataset(*prepared(objective)), sampler.batch_size
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        found = estimate(
            Held(objective.network.module),
            DataLoader(data, batch, sampler=Independent(samples, batch)),
            evaluate=evaluate,
            sampling_method=SGMCMC.sgld,
            optimizer_kwargs={
                "lr": sampler.step_size,
                "localization": sampler.localisation,
                "nbeta": sampler.inverse_temperature(samples),
            },
            num_draws=sampler.kept,
            num_burnin_steps=sampler.steps - sampler.kept,
            num_chains=sampler.chains,
            init_loss=objective.value().nll,
            seed=0,
            verbose=False,
        )
    return np.array([found[f"llc-chain/{chain}"] for chain in range(sampler.chains)])


def sampled(case: str, objective: Objective, turns: int, **options: Any) -> dict[str, Any]:
    """One row: the learning coefficient of one network by both.

    Args:
        case: Its name.
        objective: The loss.
        turns: How often each is measured.
        **options: Fields of `Sampler`; the step size is that of the command, from the largest eigenvalue.
    """
    curvature = float(hessian.top_eigenvalues(objective, 1, tolerance=2e-2).eigenvalue.values[0])
    step = Sampler(curvature=curvature, **options).chosen_step(len(objective.samples))
    fixed = {"step_size": step, "sweep": (), **options}
    sampler = Sampler(**fixed)
    done = turned(
        {
            "theirs": lambda: theirs(objective, sampler),
            "ours": lambda: learning_coefficient(objective, **fixed),
        },
        turns,
        guests=("theirs",),
    )
    found: LearningCoefficient = done.results["ours"]
    draws, peer = sampler.chains * sampler.kept, done.median("theirs")
    row = {
        "case": case,
        "peer": "devinterp",
        "peer_seconds_per_draw": None if peer is None else peer / draws,
        "our_seconds_per_draw": statistics.median(done.seconds["ours"]) / draws,
        "ratio": done.ratio("theirs", "ours"),
        "peer_gradients_per_step": 1.0,
        "our_gradients_per_step": found.found.gradients / sampler.batch_size / sampler.chains / sampler.steps,
        "our_r_hat": found.r_hat,
        "our_acceptance": found.acceptance,
    }
    row |= protocol(objective, sampler)
    return row | compared(done.results.get("theirs"), found.chains, done.errors.get("theirs", ""))


def protocol(objective: Objective, sampler: Sampler) -> dict[str, Any]:
    """What both were asked for."""
    names = ("chains", "steps", "batch_size", "step_size", "localisation")
    return {name: getattr(sampler, name) for name in names} | {
        "draws": sampler.kept,
        "temperature": sampler.inverse_temperature(len(objective.samples)),
        "parameters": sum(value.numel() for value in objective.free.values()),
        "samples": len(objective.samples),
        "nll": objective.value().nll,
    }


def compared(peer: np.ndarray | None, own: np.ndarray, error: str = "") -> dict[str, Any]:
    """Both estimates with standard errors over chains, and whether they differ.

    Args:
        peer: Of each chain, by the package; None where it failed.
        own: Ours.
        error: Why it failed.
    """
    row: dict[str, Any] = {"our_estimate": float(own.mean()), "our_standard_error": _error(own)}
    if peer is None:
        missing = dict.fromkeys(("peer_estimate", "peer_standard_error", "difference_in_errors", "agree"))
        return row | missing | {"says": f"devinterp fails ({error})."}
    difference = float(own.mean() - peer.mean())
    agree = bool(stats.ttest_ind(own, peer, equal_var=False).pvalue > 0.05)
    verb = "agree within" if agree else "differ by more than"
    return row | {
        "peer_estimate": float(peer.mean()),
        "peer_standard_error": _error(peer),
        "difference_in_errors": difference / math.hypot(_error(own), _error(peer)),
        "agree": agree,
        "says": f"The estimates {verb} the 95 % interval of their difference (Welch's, over chains).",
    }


def _error(chains: np.ndarray) -> float:
    return float(chains.std(ddof=1) / math.sqrt(len(chains)))
