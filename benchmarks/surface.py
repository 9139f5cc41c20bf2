"""Loss surfaces against a plain loop and the package loss-landscapes, as ratios in one run.

    python -m benchmarks.surface --checkpoint resnet20-12fca82f.th --data cifar10:DIR

Times are seconds a point over a few points of a plane; the plain loop is what most code in the field does: a
DataLoader with batches of 128, maps in NCHW, weights copied into the module at each point.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.environment import write
from landscape import checkpoint, surface
from landscape.data import load
from landscape.network import Network
from landscape.objective import Objective
from landscape.samples import Samples
from landscape.surface.plane import WITHIN

SPAN = 0.5
MACS = 40.8e6
"""Multiplications of a ResNet-20 forward pass over one image."""


def seconds_a_point(work: Callable[[], Any], points: int) -> float:
    """Mean time, after one point that warms up."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) / points


def plain_loop(network: Network, samples: Samples, steps: int) -> tuple[float, np.ndarray]:
    """What most code does, on the same plane."""
    module = copy.deepcopy(network.module).eval().to(memory_format=torch.contiguous_format)
    objective = Objective(network, samples)
    inputs, targets = samples.batch(0, len(samples))
    inputs = objective.network.prepare(inputs)
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=128)
    first, second = surface.random_directions(objective)
    origin = {name: p.detach().clone() for name, p in module.named_parameters()}
    axis = surface.axis(SPAN, steps)
    values = np.empty((steps, steps))

    def run() -> None:
        for row, y in enumerate(axis):
            for column, x in enumerate(axis):
                for name, p in module.named_parameters():
                    p.data = origin[name] + float(x) * first[name] + float(y) * second[name]
                total = 0.0
                with torch.no_grad():
                    for batch, labels in loader:
                        total += F.cross_entropy(module(batch), labels, reduction="sum").item()
                values[row, column] = total / len(targets)

    return seconds_a_point(run, steps * steps), values


def package(network: Network, samples: Samples, steps: int) -> float:
    """The PyPI package loss-landscapes, whose metric takes all samples at once."""
    import loss_landscapes
    from loss_landscapes.metrics import Loss

    module = copy.deepcopy(network.module).eval()
    inputs, targets = samples.batch(0, len(samples))
    inputs = network.normalised_for(samples).prepare(inputs)
    metric = Loss(torch.nn.CrossEntropyLoss(), inputs, targets)
    with torch.no_grad():
        return seconds_a_point(
            lambda: loss_landscapes.random_plane(
                module, metric, distance=1.0, steps=steps, normalization="filter", deepcopy_model=True
            ),
            steps * steps,
        )


def ours(network: Network, samples: Samples, steps: int, precision: str = "full") -> tuple[float, Any]:
    """Our plane, and its time; the micro-batch is measured before, as on the command line."""
    objective = surface.tuned(Objective(network, samples, precision=precision))
    directions = surface.random(objective)
    objective.value()
    grid = (surface.axis(SPAN, steps),) * 2
    found: list[Any] = []
    spent = seconds_a_point(lambda: found.append(surface.surface(objective, directions, grid)), steps * steps)
    return spent, found[0]


def matrix_rate() -> float:
    """Best measured rate, in operations a second, of a large matrix product and of a wide convolution.

    Matrix products and convolutions go through different libraries, of which either may be the better.
    """
    a, maps = (
        torch.randn(2048, 2048),
        torch.randn(64, 64, 32, 32).contiguous(memory_format=torch.channels_last),
    )
    kernel = torch.randn(64, 64, 3, 3).contiguous(memory_format=torch.channels_last)
    work: list[tuple[float, Callable[[], Any]]] = [
        (2 * 2048**3, lambda: a @ a),
        (2 * 64 * 32 * 32 * 64 * 64 * 9, lambda: F.conv2d(maps, kernel, padding=1)),
    ]
    best = 0.0
    for operations, run in work:
        for _ in range(8):
            started = time.perf_counter()
            run()
            best = max(best, operations / (time.perf_counter() - started))
    return best


def row(case: str, peer: str, theirs: float, mine: float, target: float, **more: Any) -> dict[str, Any]:
    """One line of the result."""
    return {
        "case": case, "peer": peer, "peer_seconds_a_point": theirs, "our_seconds_a_point": mine,
        "ratio": theirs / mine, "target": target, **more,
    }  # fmt: skip


def sampled(network: Network, samples: Samples) -> dict[str, Any]:
    """A whole 21×21 plane with a tolerance, and how often the exact value lies in the 95 % interval."""
    objective = surface.tuned(Objective(network, samples))
    directions = surface.random(objective)
    grid = (surface.axis(SPAN, 21),) * 2
    objective.value()
    found: list[Any] = []
    work = partial(surface.surface, objective, directions, grid, tolerance=0.05)
    spent = seconds_a_point(lambda: found.append(work()), 441)
    mesh, inside = surface.Mesh(objective, directions, grid), []
    for index in np.random.default_rng(0).choice(np.arange(9, 441), 40, replace=False):
        cell = found[0].nll.values[mesh.order[index]], found[0].sampling_error.values[mesh.order[index]]
        exact = objective.value(mesh.weights(mesh.order[index])).nll
        inside.append(abs(cell[0] - exact) <= WITHIN * cell[1])
    return {
        "mine": spent,
        "within_interval": float(np.mean(inside)),
        "mean_samples": float(found[0].samples.mean()),
    }


def main() -> None:
    """Run the cases and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, help="a ResNet-20 for CIFAR-10")
    parser.add_argument("--data", required=True, help="data set with 10,000 test images: cifar10:DIR")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    network, whole = checkpoint.load(chosen.checkpoint), load(chosen.data, split="test")
    few = whole.take(2000)
    loop, exact = plain_loop(network, few, 3)
    mine, found = ours(network, few, 3)
    rate = 2 * MACS * 2000 / mine / matrix_rate()
    rows = [
        row(
            "exact float32, 2,000 images", "plain loop", loop, mine, 1.5,
            largest_difference=float(np.abs(found.nll.values / exact - 1).max()), share_of_matrix_rate=rate,
        ),
        row("exact float32, 2,000 images", "loss-landscapes", package(network, few, 2), mine, 5.0),
    ]  # fmt: skip
    fast, rough = ours(network, few, 3, "bfloat16")
    off = float(np.abs(rough.nll / found.nll - 1).max())
    rows.append(row("bfloat16, 2,000 images", "plain loop", loop, fast, 2.5, largest_difference=off))
    many, _ = plain_loop(network, whole, 3)
    rows.append(
        row("tolerance 0.05, 10,000 images", "plain loop", many, target=6.0, **sampled(network, whole))
    )
    for line in rows:
        print(json.dumps(line))
    print(write(chosen.out, "surface-cpu", rows))


if __name__ == "__main__":
    main()
