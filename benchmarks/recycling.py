"""Products that a search saves when it begins with the eigenvectors of a similar matrix.

    python -m benchmarks.recycling                          # mini-batches of a shipped network
    python -m benchmarks.recycling EPOCH-1.pt EPOCH-2.pt …  # a network as it is trained, over the same images

Every search but the first begins at random; with all eigenvectors of the matrix before it, as a block; or
with one combination of them, of random signs. Their numbers of products to the same residuals are compared,
and how much of each eigenvector lies in the span of those before it: 1 for the same space, 0 for another.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.environment import write
from benchmarks.hessian import images
from landscape import checkpoint, family
from landscape.hessian import Operator
from landscape.linalg import Eigenpairs, lanczos
from landscape.objective import Objective

K = 5


def matrices(places: list[str], samples: int, turns: int) -> Iterator[Operator]:
    """Of a network on one mini-batch after the other, or of networks on the same samples."""
    if not places:
        network, all_of_them = family.load("gap"), images(samples * turns)
        for start in range(0, samples * turns, samples):
            yield Operator(Objective(network, all_of_them.select(np.arange(start, start + samples))))
    for place in places:
        yield Operator(Objective(checkpoint.load(place), images(samples)))


def search(operator: Operator, tolerance: float, start: torch.Tensor | None = None) -> Eigenpairs:
    """Top five."""
    return lanczos(operator, operator.size, K, tolerance=tolerance, like=operator.like, start=start)


def step(operator: Operator, before: Eigenpairs, cold: Eigenpairs, tolerance: float) -> dict[str, Any]:
    """Products of one matrix, from each start."""
    signs = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], K)).to(before.vectors)
    one = (signs @ before.vectors)[None] / K**0.5
    inside = (cold.vectors.double() @ before.vectors.double().T).square().sum(1).sqrt()
    return {
        "random": cold.products,
        "block": search(operator, tolerance, before.vectors).products,
        "combination": search(operator, tolerance, one).products,
        "inside": inside.tolist(),
    }


def main() -> None:
    """Print and write the numbers of products."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", nargs="*", help="in the order of training")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--turns", type=int, default=8, help="mini-batches, without checkpoints")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    rows, before = [], None
    for operator in matrices(chosen.checkpoints, chosen.samples, chosen.turns):
        cold = search(operator, chosen.tolerance)
        if before:
            rows.append(step(operator, before, cold, chosen.tolerance))
            print(json.dumps(rows[-1]), flush=True)
        before = cold
    totals = {name: sum(each[name] for each in rows) for name in ("random", "block", "combination")}
    print(json.dumps(totals))
    print(write(chosen.out, "recycling-epochs" if chosen.checkpoints else "recycling", [*rows, totals]))


if __name__ == "__main__":
    main()
