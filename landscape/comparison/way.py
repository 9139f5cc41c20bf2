"""Networks along their training: when flattening appears, and whether feature maps foretell it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from scipy import stats

from landscape.comparison.changes import within
from landscape.comparison.identity import Results
from landscape.comparison.readings import BY_NAME, Kinds, largest_eigenvalue, mean_nll

ARMS = {"mlp": "MLP head", "gap": "GAP", "gap-blur": "GAP + blur"}
"""What each is called; each is the baseline of the next."""
FITTED = 0.05
"""Training NLL, dropout on, that every arm should reach (docs/protocol.md)."""


@dataclass(frozen=True)
class Point:
    """A network along its training.

    Attributes:
        arm: One of `ARMS`.
        seed: Of its training.
        epoch: Epochs that are done.
        nll: Training NLL, dropout on.
        eigenvalue: Mean largest eigenvalue of its mini-batches.
        variance: Spatial variance of the feature maps at the ends of stages.
        frequencies: Δ log amplitude there at the highest frequency.
    """

    arm: str
    seed: int
    epoch: int
    nll: float
    eigenvalue: float
    variance: float
    frequencies: float


def along(results: Results) -> list[Point]:
    """Every network along its training, in the order of arms, seeds and epochs.

    Args:
        results: Network name → name of the result → dataset, as `landscape reproduce --size fair` names them.
    """
    found = []
    for name, kinds in results.items():
        stem, _, epoch = name.partition("-epoch")
        arm, _, seed = stem.rpartition("-seed")
        if (
            epoch.isdecimal()
            and arm in ARMS
            and {"spectrum-along", "evaluation-train", "features"} <= kinds.keys()
        ):
            found.append(Point(arm, int(seed), int(epoch), *_numbers(kinds)))
    return sorted(found, key=lambda point: (list(ARMS).index(point.arm), point.seed, point.epoch))


def _numbers(kinds: Kinds) -> Iterator[float]:
    reads: dict[str, Callable[[xr.Dataset], object]] = {
        "evaluation-train": mean_nll,
        "spectrum-along": largest_eigenvalue,
    }
    for result, read in reads.items():
        yield read(kinds[result]).mean  # type: ignore[attr-defined]
    for name in ("spatial variance", "high frequencies"):
        yield BY_NAME[name].read(kinds["features"]).mean  # type: ignore[union-attr]


@dataclass(frozen=True)
class Link:
    """How well a change of the feature maps predicts the change of the largest eigenvalue.

    Attributes:
        cause: Which number of the feature maps.
        across: `arms`, at equal epochs, or `epochs`, within a training.
        by_seed: Spearman's correlation of the logarithms' changes, of each seed.
        value: Their mean, on Fisher's scale.
        low: Lower end of Student's interval over seeds; NaN for one seed.
        high: Upper end.
    """

    cause: str
    across: str
    by_seed: tuple[float, ...]
    value: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the interval lies above zero: the smoother the maps, the smaller the eigenvalue."""
        return self.low > 0


CAUSES: dict[str, Callable[[Point], float]] = {
    "spatial variance": lambda point: math.log(point.variance),
    "high frequencies": lambda point: point.frequencies,
    "training NLL": lambda point: math.log(point.nll),
}
"""What may go with the eigenvalue: two numbers of feature maps, and the fit, no part of the chain."""


def chain(results: Results) -> list[Link]:
    """Whether feature maps predict curvature, across arms and along the training.

    Args:
        results: As in `along`.
    """
    points = along(results)
    found = []
    for across, changed in (("arms", _between_arms), ("epochs", _along_training)):
        for name, cause in CAUSES.items():
            correlations = [
                rho
                for seed in dict.fromkeys(point.seed for point in points)
                if (rho := _correlation(changed([p for p in points if p.seed == seed]), cause)) is not None
            ]
            if correlations:
                found.append(_link(name, across, correlations))
    return found


def _link(cause: str, across: str, correlations: Sequence[float]) -> Link:
    scale = np.arctanh(np.clip(correlations, -0.999, 0.999))
    change = within(scale.tolist())
    ends = (float(np.tanh(each)) for each in (change.value, change.low, change.high))
    return Link(cause, across, tuple(correlations), *ends)


def _correlation(pairs: Sequence[tuple[Point, Point]], cause: Callable[[Point], float]) -> float | None:
    if len(pairs) < 4:
        return None
    moved = [cause(b) - cause(a) for a, b in pairs]
    answered = [math.log(b.eigenvalue / a.eigenvalue) for a, b in pairs]
    value = float(stats.spearmanr(moved, answered).statistic)
    return value if math.isfinite(value) else None


def _between_arms(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    known = {(point.arm, point.epoch): point for point in points}
    epochs = dict.fromkeys(point.epoch for point in points)
    return [
        (known[first, epoch], known[second, epoch])
        for epoch in epochs
        for first, second in pairwise(ARMS)
        if (first, epoch) in known and (second, epoch) in known
    ]


def _along_training(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    ordered = sorted(points, key=lambda point: (point.arm, point.epoch))
    return [(a, b) for a, b in pairwise(ordered) if a.arm == b.arm]
