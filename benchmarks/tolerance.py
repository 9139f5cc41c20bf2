"""How often points of a surface with a tolerance lie within so many of their stated errors, simulated.

    python -m benchmarks.tolerance --runs 400

Each run is a tiny network of its own, a plane of its own, and one random order of the samples, which all its
points share: they tend to be off together, so that the share of points within some errors differs much more
from run to run than it would if they were independent. A statement about a surface has to hold for most
runs, not on average over them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from landscape.surface.grid import axis, coarse_to_fine
from landscape.surface.plane import ANCHORS, LEAST, SHARE

STEPS, SAMPLES, BATCH = 7, 2000, 100
NOISES = (0.0, 0.02, 0.1, 0.3)
"""Shares of labels drawn anew: from losses with a long tail to wrong answers in numbers."""


def sample_losses(seed: int) -> Tensor:
    """Losses of every sample at every point of a plane, in the order that a run visits them.

    Shape (point, sample), float64. Labels are those of the network itself but for some noise, as of trained
    networks; the plane is ±0.5 along directions of the weights' own lengths.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    inputs, weights = normal(SAMPLES, 6), [2 * normal(8, 6) / 6**0.5, 2 * normal(3, 8)]
    labels = (inputs @ weights[0].T).relu() @ weights[1].T
    noisy = torch.rand(SAMPLES, generator=generator) < NOISES[seed % len(NOISES)]
    targets = torch.where(noisy, torch.randint(0, 3, (SAMPLES,), generator=generator), labels.argmax(1))
    pairs = [[normal(*w.shape) for w in weights] for _ in range(2)]
    for pair in pairs:
        for direction, w in zip(pair, weights, strict=True):
            direction *= w.norm(dim=1, keepdim=True) / direction.norm(dim=1, keepdim=True)
    places, rows = axis(0.5, STEPS), []
    for row, column in coarse_to_fine((STEPS, STEPS)):
        x, y = float(places[column]), float(places[row])
        first, last = (w + x * a + y * b for w, a, b in zip(weights, *pairs, strict=True))
        logits = (inputs @ first.T).relu() @ last.T
        rows.append(nn.functional.cross_entropy(logits, targets, reduction="none"))
    return torch.stack(rows)


def estimates(rows: Tensor, total: int, anchors: Tensor | None) -> tuple[Tensor, Tensor]:
    """`landscape.surface.plane.estimate` of many points at once, from their first samples.

    Args:
        rows: Losses so far, shape (point, sample).
        total: Samples in all.
        anchors: Losses of all samples at points known, shape (anchor, total).
    """
    used = rows.shape[1]
    value, freedom = rows.mean(1), used - 1
    rest = rows - value[:, None]
    if anchors is not None:
        means = anchors[:, :used].mean(1)
        beside = (anchors[:, :used] - means[:, None]).T
        slopes = torch.linalg.lstsq(beside, rest.T).solution
        value = value + (anchors.mean(1) - means) @ slopes
        rest, freedom = rest - (beside @ slopes).T, freedom - len(anchors)
    return value, (rest.square().sum(1) / freedom / used * (1 - used / total)).sqrt()


def run(losses: Tensor, seed: int, *, tolerance: float, lean: bool) -> np.ndarray:
    """Errors made over errors stated, of the points that left samples out, shape (point,)."""
    generator = torch.Generator().manual_seed(seed)
    total = losses.shape[1]
    losses = losses[:, torch.randperm(total, generator=generator)]
    count = min(ANCHORS, 1 + len(losses) // SHARE) if lean else 0
    anchors, rows = losses[:count] if lean else None, losses[count:]
    exact, found = rows.mean(1), torch.full((len(rows),), torch.nan, dtype=torch.float64)
    for used in range(LEAST, total, BATCH):
        value, error = estimates(rows[:, :used], total, anchors)
        enough = found.isnan() & (error <= tolerance * value.abs())
        found = torch.where(enough, (value - exact) / error, found)
    return found[~found.isnan()].numpy()


def simulated(runs: int, *, tolerance: float, lean: bool, first: int = 0) -> list[np.ndarray]:
    """`run` of many networks, those with points enough to speak of a share of them."""
    found = (run(sample_losses(s), s, tolerance=tolerance, lean=lean) for s in range(first, first + runs))
    return [np.abs(each) for each in found if len(each) >= 20]


def share(found: Sequence[np.ndarray], errors: float) -> float:
    """Share of all points within so many stated errors."""
    return float((np.concatenate(list(found)) <= errors).mean())


def holding(found: Sequence[np.ndarray], errors: float, points: float = 0.95) -> float:
    """Share of runs of which at least this share of the points lies within so many stated errors."""
    return float(np.mean([(each <= errors).mean() >= points for each in found]))


def needed(found: Sequence[np.ndarray], points: float = 0.95, runs: float = 0.95) -> float:
    """Stated errors within which this share of the points lies in this share of the runs."""
    reach = [np.sort(each)[int(np.ceil(points * len(each))) - 1] for each in found]
    return float(np.quantile(reach, runs, method="higher"))


def main() -> None:
    """Print a line of JSON for each setting."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=400)
    chosen = parser.parse_args()
    for tolerance in (0.05, 0.1, 0.2):
        for lean in (True, False):
            found = simulated(chosen.runs, tolerance=tolerance, lean=lean)
            if not found:
                continue
            line = {"tolerance": tolerance, "anchors": lean, "runs": len(found)}
            line |= {f"points within {m}": round(share(found, m), 3) for m in (1, 1.96, 2, 3)}
            line |= {f"runs within {m}": round(holding(found, m), 3) for m in (1.96, 2, 2.5, 3, 3.5, 4)}
            print(json.dumps(line | {"needed": round(needed(found), 2)}), flush=True)


if __name__ == "__main__":
    main()
