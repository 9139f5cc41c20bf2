"""Scores of a task, each a function of sums over samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from landscape.losses import Columns


@dataclass(frozen=True)
class Score:
    """One score. A function of sums, so that its error follows from leaving out one sample at a time.

    Attributes:
        long_name: For people.
        of: Sums of a task's columns over samples, shape (…) or (…, class), to the score, shape (…).
        units: Its unit.
    """

    long_name: str
    of: Callable[[Columns], Tensor]
    units: str = "1"


def _overlap(sums: Columns) -> Tensor:
    present = sums["union"] > 0  # a class that is neither there nor predicted has no overlap
    each = torch.where(present, sums["common"] / sums["union"].clamp(min=1), 0.0)
    return each.sum(-1) / present.sum(-1)


ACCURACY = Score("share of right predictions", lambda sums: sums["right"] / sums["counted"])
EXACT = Score("share of samples with every label right", lambda sums: sums["exact"] / sums["samples"])
IOU = Score("intersection over union, mean over classes", _overlap)
RMSE = Score("root mean square error", lambda sums: (sums["squares"] / sums["counted"]).sqrt(), "target")
PERPLEXITY = Score("perplexity per token", lambda sums: (sums["surprise"] / sums["counted"]).exp())

LONG_NAMES = {
    "accuracy": "accuracy",
    "ece": "expected calibration error, 10 bins",
    "exact_match": EXACT.long_name,
    "iou": IOU.long_name,
    "rmse": RMSE.long_name,
    "perplexity": PERPLEXITY.long_name,
}
"""Of every score that a surface may hold, by name."""


def jackknifed(score: Score, columns: Columns) -> float:
    """Standard error over samples, by leaving out one at a time (Efron 1982); NaN for a single one.

    Args:
        score: The score.
        columns: Of each sample, shape (sample,) or (sample, class).
    """
    values = {name: each.double() for name, each in columns.items()}
    count = len(next(iter(values.values())))
    if count < 2:
        return math.nan
    without = score.of({name: each.sum(0) - each for name, each in values.items()})
    return float(((count - 1) / count * (without - without.mean()).square().sum()).sqrt())
