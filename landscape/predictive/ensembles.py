"""Ensembles: the mean prediction of several passes, MC dropout or several networks, against their number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.calibration import Reliability, combined, reliability
from landscape.errors import ArgumentError, LandscapeError
from landscape.forward import Forward
from landscape.losses import class_targets
from landscape.objective import Objective
from landscape.predictive import metrics
from landscape.predictive.scoring import ATTRIBUTES, assign, settled
from landscape.predictive.spread import exponent, group_sums, prediction_variance, variance
from landscape.work import Item, Progress, Runner, in_memory, silent

_CHUNK = 2**22  # probabilities worked on at once: 32 MiB in float64
_RELIABILITY = ("count", "confidence", "hits", "squares", "unknown")


@dataclass(frozen=True)
class _Member:
    """One pass: which network, in which mode, with which dropout masks."""

    objective: Objective
    forward: Forward
    draw: int

    def log_probabilities(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Log-softmax (batch, class), float64, and targets of the samples start … stop − 1."""
        part = self.objective.subset(start, stop)
        ((_, inputs, targets),) = part.batches()
        with torch.no_grad():
            logits = self.forward.shifted(start)(part.parameters, 0, inputs, self.draw)
        return metrics.log_probabilities(logits), targets


def ensemble(
    objective: Objective | Sequence[Objective],
    *,
    passes: int = 50,
    orders: int = 1,
    seed: int = 0,
    bins: int = 10,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Quality of the mean prediction against the number of predictions averaged (Park & Kim 2022a, Fig. 3).

    The prediction of size n is the mean of n softmaxes. All sizes come from one set of passes: of one network
    with `fresh` dropout, the draws 0 … passes − 1, so that the last size is what `ensemble:passes` dropout
    predicts; of several networks, a deep ensemble, one pass each, in the order given.

    Args:
        objective: One objective with `fresh` dropout, or several over the same samples.
        passes: Passes of the one network; of several networks, each makes one.
        orders: Orders of the passes over which the curve is averaged: the natural one, then random ones.
        seed: Random seed of the orders.
        bins: Number of bins of the calibration error.
        progress: Shows how far it is.
        run: Runs the micro-batches; in memory by default.

    Returns:
        Dimension `size` (1 … passes): `nll` (nats), `accuracy`, `ece`, `brier`, each with its
        `…_standard_error` over samples; with several orders, that of the mean over orders. Up to half the
        passes also `nll_variance`, over disjoint ensembles of a size, which theory divides by the size
        (Park & Kim 2022a, eq. 18–25), and the attribute `nll_variance_exponent`, −1 in theory. Without a
        dimension `prediction_variance`: the variance of a predicted probability from one pass to the next,
        summed over classes; NaN for a single pass.

    Raises:
        LandscapeError: If every pass would be the same, the objectives differ in samples or classes, or a
            number is less than 1.
    """
    for name, number in (("passes", passes), ("orders", orders)):
        if number < 1:
            raise ArgumentError(f"an ensemble needs at least 1 of {name}, got {number}")
    several = not isinstance(objective, Objective)
    objectives = list(objective) if not isinstance(objective, Objective) else [objective]
    members = _networks(objectives) if several else _draws(objectives[0], passes)
    first = objectives[0]
    permutations = _permutations(len(members), orders, seed)

    def compute(index: int) -> Item:
        start = index * first.micro_batch
        return _curve(members, start, start + first.micro_batch, permutations, bins)

    items = (run or in_memory(progress))(
        math.ceil(len(first.samples) / first.micro_batch), compute, "ensemble"
    )
    return _dataset(items).assign_attrs(
        kind_of_ensemble="deep" if several else "mc-dropout",
        members=[one.network.name for one in objectives],
        passes=1 if several else passes,
        orders=orders,
        seed=seed,
        dropout_seed=first.seed,
        ece_bins=bins,
    )


def _draws(objective: Objective, passes: int) -> list[_Member]:
    """MC dropout: one member a draw."""
    stochastic = objective.dropout == "fresh" and objective.stochastic()
    if passes > 1 and not stochastic:
        reason = (
            "the network has no dropout that can be on in evaluation"
            if objective.dropout == "fresh"
            else f"the objective's dropout is {objective.dropout!r}; give it dropout='fresh'"
        )
        raise LandscapeError(f"{passes} passes would all be the same: {reason}, or ask for passes=1")
    return [_Member(objective, _forward(objective, draw), draw) for draw in range(passes)]


def _networks(objectives: list[Objective]) -> list[_Member]:
    """A deep ensemble: one member a network."""
    if not objectives:
        raise LandscapeError("a deep ensemble needs at least one objective, got none")
    first = objectives[0].samples
    for one in objectives[1:]:
        same = one.samples is first or one.samples.describe() == first.describe()
        if not same:
            raise LandscapeError(
                f"the networks {objectives[0].network.name!r} and {one.network.name!r} see different "
                f"samples ({first.source}, {len(first)}, and {one.samples.source}, {len(one.samples)}); "
                "build every objective over the same ones"
            )
    return [_Member(one, _forward(one, 0), 0) for one in objectives]


def _forward(objective: Objective, draw: int) -> Forward:
    """The objective's forward pass, with its BatchNorm statistics estimated over all samples if asked for."""
    forward = settled(objective).forward
    if forward.batch_norm != "recalibrate":
        return forward
    with torch.no_grad():
        return forward.recalibrated(objective.parameters, objective.batches(), draw)


def _permutations(count: int, orders: int, seed: int) -> list[Tensor]:
    """The natural order of the passes, then random ones."""
    rng = np.random.default_rng(seed)
    natural = torch.arange(count)
    return [natural, *(torch.from_numpy(rng.permutation(count)) for _ in range(orders - 1))]


def _curve(members: list[_Member], start: int, stop: int, permutations: list[Tensor], bins: int) -> Item:
    """Scores of each size for the samples start … stop − 1, and confidence bins of each order."""
    outputs = [member.log_probabilities(start, stop) for member in members]
    targets, device = outputs[0][1], outputs[0][0].device
    widths = {log_probability.shape[1] for log_probability, _ in outputs}
    if len(widths) > 1:
        raise LandscapeError(
            f"the members of the ensemble have {' and '.join(map(str, sorted(widths)))} classes; "
            "only networks with the same classes can be averaged"
        )
    targets = class_targets(targets, *widths)
    passes = torch.stack([log_probability.to(device) for log_probability, _ in outputs])
    chunk = max(1, _CHUNK // (len(passes) * passes.shape[2]))
    scores: dict[str, list[Tensor]] = {"nll": [], "accuracy": [], "brier": []}
    reliabilities, groups, spreads = [], [], []
    for part, wanted in zip(passes.split(chunk, 1), targets.split(chunk), strict=True):
        groups.append(group_sums(part, wanted))
        spreads.append(prediction_variance(part))
        orders = [_sizes(part[order.to(device)], wanted) for order in permutations]
        for name, values in scores.items():
            values.append(torch.stack([order[name] for order in orders]).mean(0))
        confidence = torch.stack([order["confidence"] for order in orders])
        hit = torch.stack([order["accuracy"] for order in orders])
        reliabilities.append(reliability(confidence, hit, bins=bins))
    binned = combined(reliabilities)
    item = {name: torch.cat(values, 1) for name, values in scores.items()}
    item |= {name: getattr(binned, name) for name in _RELIABILITY}
    item |= {"groups": torch.stack(groups).sum(0), "spread": torch.cat(spreads)}
    return {name: values.cpu().numpy() for name, values in item.items()}


def _sizes(passes: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Scores of the mean of the first 1, 2, … passes.

    Args:
        passes: Log-probabilities, shape (pass, sample, class).
        targets: Shape (sample,).

    Returns:
        `nll`, `accuracy`, `brier` and `confidence`, float64, shape (size, sample).
    """
    shape = passes.shape[:2]
    sizes = torch.arange(1, len(passes) + 1, device=passes.device, dtype=passes.dtype)
    # The logarithm of the running mean of probabilities, which does not underflow.
    means = (passes.logcumsumexp(0) - sizes.log()[:, None, None]).flatten(0, 1)
    wanted = targets.repeat(len(passes))
    scores = {
        "nll": metrics.nll(means, wanted),
        "accuracy": metrics.correct(means, wanted).double(),
        "brier": metrics.brier(means, wanted),
        "confidence": means.amax(1).exp(),
    }
    return {name: values.view(shape) for name, values in scores.items()}


def _dataset(items: list[Item]) -> xr.Dataset:
    binned = combined([Reliability(*(torch.from_numpy(item[n]) for n in _RELIABILITY)) for item in items])
    columns = {"ece": np.stack([binned.error().mean(0), binned.error_standard_error().mean(0)])}
    for name in ("nll", "accuracy", "brier"):
        values = torch.from_numpy(np.concatenate([item[name] for item in items], 1))
        means = [metrics.mean(row) for row in values]
        columns[name] = np.array([(mean.value, mean.error) for mean in means]).T
    count, samples = columns["nll"].shape[1], sum(item["nll"].shape[1] for item in items)
    groups = np.sum([item["groups"] for item in items], axis=0)
    columns["nll_variance"] = np.stack(variance(groups, samples, count))
    dataset = xr.Dataset(coords={"size": np.arange(1, columns["nll"].shape[1] + 1)})
    dataset["size"].attrs |= {"long_name": "predictions averaged", "units": "1"}
    for name, measured in columns.items():
        assign(dataset, name, measured, ("size",), ATTRIBUTES[name])
    spread = metrics.mean(torch.from_numpy(np.concatenate([item["spread"] for item in items])))
    assign(
        dataset,
        "prediction_variance",
        np.array([spread.value, spread.error]),
        (),
        ATTRIBUTES["prediction_variance"],
    )
    for end, estimates in zip(("", "_low", "_high"), binned.debiased_error(), strict=True):
        dataset[f"ece_debiased{end}"] = ("size", estimates.mean(0), {"units": "1"})
    slope, error = exponent(columns["nll_variance"][0])
    return dataset.assign_attrs(nll_variance_exponent=slope, nll_variance_exponent_standard_error=error)
