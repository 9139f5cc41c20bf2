"""How much the loss varies from one ensemble to the next of the same size (Park & Kim 2022a, eq. 18–25)."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import special
from torch import Tensor

from landscape.predictive import metrics

_ENOUGH = 5


def group_sums(passes: Tensor, targets: Tensor) -> Tensor:
    """NLL summed over samples, of the mean prediction of every disjoint group of passes of every size.

    Args:
        passes: Log-probabilities, shape (pass, sample, class).
        targets: Shape (sample,).

    Returns:
        Shape (group,): the groups of one pass, then of two, … as `group_sizes` lists them.
    """
    sums = []
    for size, groups in _layout(len(passes)):
        parts = passes[: groups * size].reshape(groups, size, *passes.shape[1:])
        means = parts.logsumexp(1) - math.log(size)
        losses = metrics.nll(means.flatten(0, 1), targets.repeat(groups))
        sums.append(losses.view(groups, -1).sum(1))
    return torch.cat(sums) if sums else passes.new_zeros(0)


def prediction_variance(passes: Tensor) -> Tensor:
    """Unbiased variance over passes of the probability of each class, summed over classes.

    Args:
        passes: Log-probabilities, shape (pass, sample, class).

    Returns:
        Shape (sample,); NaN for a single pass.
    """
    if len(passes) < 2:
        return passes.new_full(passes.shape[1:2], math.nan)
    return passes.exp().var(0).sum(-1)


def group_sizes(count: int) -> np.ndarray:
    """The size of each group of `group_sums` for so many passes, shape (group,)."""
    layout = _layout(count)
    return (
        np.repeat([size for size, _ in layout], [groups for _, groups in layout]) if layout else np.zeros(0)
    )


def variance(sums: np.ndarray, samples: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Variance over groups of the mean NLL, by size, with its standard error.

    The theory: averaging N independent predictions divides the variance of the loss by N.

    Args:
        sums: Of `group_sums`, over all samples.
        samples: How many.
        count: Passes in all.

    Returns:
        Two arrays of shape (size,), sizes 1 … count; NaN where there are fewer than two groups. The errors
        are those of a normal variance, value · √(2/(groups − 1)).
    """
    values, errors = np.full(count, math.nan), np.full(count, math.nan)
    sizes = group_sizes(count)
    for size, groups in _layout(count):
        values[size - 1] = (sums[sizes == size] / samples).var(ddof=1)
        errors[size - 1] = values[size - 1] * math.sqrt(2 / (groups - 1))
    return values, errors


def exponent(variances: np.ndarray) -> tuple[float, float]:
    """Slope of log variance against log size, −1 in theory, and its standard error.

    Least squares over the sizes 1, 2, 4, … with at least five groups, each weighted by them, and each
    logarithm freed of its bias, which for a normal variance is ψ(k/2) − log(k/2) with k = groups − 1. Sizes
    share their passes, which makes the error a rough one.
    """
    layout = [
        (size, groups)
        for size, groups in _layout(len(variances))
        if size & (size - 1) == 0 and groups >= _ENOUGH and variances[size - 1] > 0
    ]
    if len(layout) < 2:
        return math.nan, math.nan
    sizes, groups = np.array(layout, float).T
    freedom = groups - 1
    y = np.log(variances[sizes.astype(int) - 1]) - special.digamma(freedom / 2) + np.log(freedom / 2)
    x, weights = np.log(sizes), 1 / special.polygamma(1, freedom / 2)
    middle = np.average(x, weights=weights)
    spread = float((weights * (x - middle) ** 2).sum())
    return float((weights * (x - middle) * y).sum()) / spread, 1 / math.sqrt(spread)


def _layout(count: int) -> list[tuple[int, int]]:
    """Sizes of which there are at least two disjoint groups, and how many."""
    return [(size, count // size) for size in range(1, count // 2 + 1)]
