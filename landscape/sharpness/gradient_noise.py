"""Gradient noise: how much the gradients of single samples differ, against the length of their mean."""

from __future__ import annotations

import math

import numpy as np
import torch

from landscape.errors import LandscapeError
from landscape.intervals import quantile
from landscape.linalg.vectors import inner
from landscape.objective import Objective
from landscape.parameters import flatten
from landscape.sharpness.perturbations import Found, absent, slope
from landscape.work import Item, Runner, in_memory

_BYTES = 2**30
_ROWS = 8
"""Gradients that are held at least, whatever memory they take; fewer have no interval to speak of."""


def gradient_noise(
    objective: Objective,
    *,
    batch_size: int = 32,
    run: Runner | None = None,
    label: str = "gradient noise",
) -> Found:
    """Tr Σ/‖g‖², Σ the covariance of single samples' gradients and g their mean (McCandlish et al. 2018).

    That is the size of a mini-batch whose gradient is as much noise as signal ("simple noise scale",
    eq. 2.9). Σ is estimated from mini-batches of b samples, whose covariance is Σ/b, and from ‖ḡ‖² the share
    of noise, tr Σ/N, is taken: both parts are unbiased (appendix A.1).

    Args:
        objective: The loss.
        batch_size: b, samples per mini-batch; the last ones may be left out. More where memory would not hold
            the gradients of all.
        run: Runs the pass; in memory by default.
        label: What the runner calls it.

    Returns:
        In samples, with an interval of its logarithm by the jackknife over mini-batches. Without a number
        where the noise hides the mean gradient.

    Raises:
        LandscapeError: With fewer than four mini-batches.
    """
    samples, size = len(objective.samples), sum(value.numel() for value in objective.free.values())
    least = math.ceil(samples * size * 4 / _BYTES)  # in float32
    batch_size = max(batch_size, min(least, samples // _ROWS))
    count = samples // batch_size
    if count < 4:
        raise LandscapeError(
            f"gradient noise takes at least 4 mini-batches, and {samples} samples give {count} of "
            f"{batch_size}; take more samples or smaller mini-batches"
        )
    origin = objective.parameters

    def compute(index: int) -> Item:
        table = torch.empty(count, size)
        for row, start in zip(table, range(0, count * batch_size, batch_size), strict=True):
            part = objective.subset(start, start + batch_size)
            row.copy_(flatten(slope(part, origin)[1]))
        return {"products": inner(table, table)}

    (item,) = (run or in_memory())(1, compute, label)
    return of_products(item["products"], batch_size)


def of_products(products: np.ndarray, batch_size: int) -> Found:
    """The noise scale of gradients of which the inner products are known.

    Args:
        products: ⟨g_i, g_j⟩ of mini-batches, shape (batch, batch).
        batch_size: Samples of each.
    """
    count = len(products)
    value = _scale(products, batch_size)
    if not value > 0:
        return absent("the mean gradient is not distinguishable from noise")
    logs = np.array([math.log(part) if part > 0 else math.nan for part in _left_out(products, batch_size)])
    pseudo = count * math.log(value) - (count - 1) * logs
    error = float(pseudo.std(ddof=1)) / math.sqrt(count)
    half = quantile(count) * error
    return Found(
        value,
        value * error,
        low=value * math.exp(-half) if math.isfinite(half) else math.nan,
        high=value * math.exp(min(half, 700.0)) if math.isfinite(half) else math.nan,
        values=value * (1 + pseudo - pseudo.mean()) if math.isfinite(error) else None,
        gradients=count * batch_size,
    )


def _left_out(products: np.ndarray, batch_size: int) -> list[float]:
    """The noise scale without each mini-batch in turn."""
    return [_scale(np.delete(np.delete(products, at, 0), at, 1), batch_size) for at in range(len(products))]


def _scale(products: np.ndarray, batch_size: int) -> float:
    """Tr Σ/‖g‖² of inner products; NaN or negative where noise hides the mean."""
    count = len(products)
    mean = float(products.mean())  # ‖ḡ‖²
    trace = batch_size * (float(np.trace(products)) - count * mean) / (count - 1)
    square = mean - trace / (batch_size * count)
    return trace / square if square else math.nan
