"""One point of a surface: the loss over all samples, or over as many as a stated error takes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from landscape.calibration import calibration_error
from landscape.losses import Scores
from landscape.objective import Objective
from landscape.surface.moved import apart
from landscape.work import Item

LEAST = 200
"""Samples before an error estimate from a part of them is trusted."""

WITHIN = 4.0
"""Stated errors, each one standard error, that make the 95 % interval of a point from a part of the samples.

Points of a surface share the order of their samples and are off together, and sampling stops where the error
happens to look small. In the simulation of `benchmarks/tolerance.py`, at least 95 % of the points lie within
so many errors in at least 95 % of runs; within two, in 56 to 71 % of them.
"""


def point(
    objective: Objective,
    theta: Mapping[str, Tensor],
    *,
    draw: int,
    tolerance: float = 0.0,
    anchors: Tensor | None = None,
) -> Item:
    """Loss, accuracy and calibration at some parameters.

    With a tolerance, samples are taken in their order until the standard error from leaving out the rest is
    at most that share of the loss. With anchors, points where the losses of all samples are known, the
    estimate is a regression on these: losses at different points of a surface are strongly correlated, so
    that fewer samples do (Cochran 1977, *Sampling Techniques*, chapter 7).

    Args:
        objective: The loss; its samples in random order where a tolerance is given.
        theta: Where.
        draw: Which dropout masks, with `fresh` dropout.
        tolerance: 0 takes every sample.
        anchors: Losses of every sample at other points, float64, shape (anchor, sample).

    Returns:
        Scalars `nll`, `standard_error` (of the samples as a draw from all images there could be),
        `sampling_error` (one standard error of leaving samples out, 0 where none is left out; the 95 %
        interval is ± `WITHIN` of it), `l2`, `samples`; of classes `accuracy` and `ece`; and `losses`, those
        of the samples used.
    """
    objective, theta = apart(objective, theta)
    total, parts = len(objective.samples), []
    losses = torch.empty(0, dtype=torch.float64)
    value = error = math.nan
    for part in objective.scores(theta, draw=draw):
        parts.append(part)
        if not tolerance:
            continue
        losses = torch.cat([losses, part.losses])
        value, error = estimate(losses, total, anchors)
        enough = len(losses) >= LEAST and error <= tolerance * abs(value)
        if enough or not math.isfinite(value):
            break  # one loss that is not finite makes the mean so
    return _item(parts, objective.l2(theta), total, (value, error) if tolerance else None)


def estimate(losses: Tensor, total: int, anchors: Tensor | None = None) -> tuple[float, float]:
    """Mean over all samples from the first ones, and its standard error with finite-population correction.

    Args:
        losses: Of the first n samples, shape (n,).
        total: Samples in all.
        anchors: Losses of all samples at other points, shape (anchor, total), for the regression estimator;
            an anchor with a loss that is not finite is left out.
    """
    count, value = len(losses), float(losses.mean())
    if count == total:
        return value, 0.0
    deviations = losses - value
    freedom = count - 1
    if anchors is not None and math.isfinite(value):
        usable = anchors[torch.isfinite(anchors).all(1)]
        means = usable[:, :count].mean(1)
        beside = (usable[:, :count] - means[:, None]).T
        # Anchors may be almost the same: the least squares solution of least norm, and its rank.
        fit = torch.linalg.lstsq(beside, deviations[:, None], driver="gelsd")
        slopes = fit.solution[:, 0]
        value += float((usable.mean(1) - means) @ slopes)
        deviations = deviations - beside @ slopes
        freedom -= int(fit.rank)
    if freedom < 1:
        return value, math.nan
    spread = float(deviations.square().sum()) / freedom
    return value, math.sqrt(spread / count * (1 - count / total))


def _item(parts: list[Scores], l2: float, total: int, estimated: tuple[float, float] | None) -> Item:
    losses = torch.cat([part.losses for part in parts])
    count = len(losses)
    value, error = estimated if estimated and count < total else (float(losses.mean()), 0.0)
    return {
        "nll": np.array(value),
        "standard_error": np.array(float(losses.std()) / math.sqrt(count) if count > 1 else math.nan),
        "sampling_error": np.array(error),
        "l2": np.array(l2),
        "samples": np.array(count),
        "losses": losses.numpy(),
        **_of_classes(parts),
    }


def _of_classes(parts: list[Scores]) -> Item:
    """Accuracy and calibration error, where there are classes."""
    correct = [part.correct for part in parts if part.correct is not None]
    confidence = [part.confidence for part in parts if part.confidence is not None]
    if not correct:
        return {}
    hits = torch.cat(correct)
    return {
        "accuracy": np.array(float(hits.double().mean())),
        "ece": np.array(calibration_error(torch.cat(confidence), hits)),
    }
