"""Loss surfaces against a plain loop and the package loss-landscapes, as ratios in one run.

    python -m benchmarks.surface --checkpoint resnet20-12fca82f.th --out benchmarks/results

Times are seconds a point over a few points of a plane; the plain loop is what most code in the field does: a
DataLoader with batches of 128, maps in NCHW, weights copied into the module at each point.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.environment import write
from benchmarks.hessian import images
from landscape import checkpoint, surface
from landscape.network import Network
from landscape.objective import Objective

SPAN = 0.5
MACS = 40.8e6
"""Multiplications of a ResNet-20 forward pass over one image."""


def seconds_a_point(work: Callable[[], Any], points: int) -> float:
    """Mean time, after one point that warms up."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) / points


def plain_loop(network: Network, objective: Objective, steps: int) -> tuple[float, np.ndarray]:
    """What most code does, on the same plane."""
    module = copy.deepcopy(network.module).eval().to(memory_format=torch.contiguous_format)
    inputs, targets = objective.samples.batch(0, len(objective.samples))
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


def package(network: Network, objective: Objective, steps: int) -> float:
    """The PyPI package loss-landscapes, whose metric takes all samples at once."""
    import loss_landscapes
    from loss_landscapes.metrics import Loss

    module = copy.deepcopy(network.module).eval()
    inputs, targets = objective.samples.batch(0, len(objective.samples))
    metric = Loss(torch.nn.CrossEntropyLoss(), objective.network.prepare(inputs), targets)
    with torch.no_grad():
        return seconds_a_point(
            lambda: loss_landscapes.random_plane(
                module, metric, distance=1.0, steps=steps, normalization="filter", deepcopy_model=True
            ),
            steps * steps,
        )


def ours(
    network: Network, count: int, steps: int, precision: str = "full", **options: Any
) -> tuple[float, Any]:
    """Our plane, and its time."""
    objective = Objective(network, images(count), precision=precision)
    directions = surface.random(objective)
    objective.value()
    grid = (surface.axis(SPAN, steps),) * 2
    found: list[Any] = []
    spent = seconds_a_point(
        lambda: found.append(surface.surface(objective, directions, grid, **options)), steps * steps
    )
    return spent, found[0]


def matrix_rate() -> float:
    """Measured multiply–add rate of a large convolution-free product, in operations a second."""
    a = torch.randn(2048, 2048)
    a @ a
    started = time.perf_counter()
    for _ in range(5):
        a @ a
    return 5 * 2 * 2048**3 / (time.perf_counter() - started)


def row(case: str, peer: str, theirs: float, mine: float, target: float, **more: Any) -> dict[str, Any]:
    """One line of the result."""
    return {
        "case": case, "peer": peer, "peer_seconds_a_point": theirs, "our_seconds_a_point": mine,
        "ratio": theirs / mine, "target": target, **more,
    }  # fmt: skip


def main() -> None:
    """Run the cases and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, help="a ResNet-20 for CIFAR-10")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    network = checkpoint.load(chosen.checkpoint)
    objective = Objective(network, images(2000))
    loop, exact = plain_loop(network, objective, 3)
    mine, found = ours(network, 2000, 3)
    rate = 2 * MACS * 2000 / mine / matrix_rate()
    rows = [
        row(
            "exact float32, 2,000 images", "plain loop", loop, mine, 1.5,
            largest_difference=float(np.abs(found.nll.values / exact - 1).max()), share_of_matrix_rate=rate,
        ),
        row("exact float32, 2,000 images", "loss-landscapes", package(network, objective, 2), mine, 5.0),
    ]  # fmt: skip
    fast, rough = ours(network, 2000, 3, "bfloat16")
    off = float(np.abs(rough.nll / found.nll - 1).max())
    rows.append(row("bfloat16, 2,000 images", "plain loop", loop, fast, 2.5, largest_difference=off))
    many, _ = plain_loop(network, Objective(network, images(10_000)), 2 + 1)
    sampled, part = ours(network, 10_000, 11, tolerance=0.05)
    _, whole = ours(network, 10_000, 11)
    used = part.sampling_error.values > 0
    inside = np.abs(part.nll - whole.nll).values[used] <= 2 * part.sampling_error.values[used]
    rows.append(
        row(
            "tolerance 0.05, 10,000 images", "plain loop", many, sampled, 6.0,
            within_two_errors=float(inside.mean()), mean_samples=float(part.samples.mean()),
        )
    )  # fmt: skip
    for line in rows:
        print(json.dumps(line))
    print(write(chosen.out, "surface-cpu", rows))


if __name__ == "__main__":
    main()
