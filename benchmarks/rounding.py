"""What rounding does to Hessian–vector products over mini-batches: as stated, and as float64 has it.

    python -m benchmarks.rounding [--turns 8] --out benchmarks/results

An error bound includes the rounding of products, which is measured on the few samples of largest loss. Here
it is held against products in float32 and in float64 over *all* samples of each mini-batch, with each of the
top five eigenvectors: the largest difference is the true one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import write
from benchmarks.hessian import images
from landscape import family
from landscape.hessian import Operator, eigenpairs
from landscape.hessian.rounding import apart, rounding_of
from landscape.network import Network
from landscape.objective import Objective

NETWORKS, SIZES, K = ("mlp", "gap", "gap-blur"), (16, 64), 5


def row(name: str, network: Network, size: int, turns: int) -> dict[str, Any]:
    """Stated rounding over the true one, and the true one over the largest eigenvalue, of each mini-batch."""
    samples, ratios, shares = images(size * turns), [], []
    for start in range(0, size * turns, size):
        objective = Objective(network, samples.select(np.arange(start, start + size)))
        operator = Operator(objective)
        pairs = eigenpairs(operator, K, tolerance=1e-2, rounding=False)
        true = max(apart(operator, objective, vector) for vector in pairs.vectors)
        stated = max(rounding_of(operator, pairs.vectors), pairs.symmetry_defect)
        ratios.append(stated / true)
        shares.append(true / float(np.abs(pairs.eigenvalues).max()))
    return {
        "case": f"{name}, {turns} mini-batches of {size}",
        "stated_over_true": sorted(ratios),
        "too_small": int(np.sum(np.array(ratios) < 1)),
        "true_over_largest_eigenvalue": sorted(shares),
    }


def main() -> None:
    """Print and write the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=8, help="mini-batches of each network and size")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    rows = []
    for name in NETWORKS:
        for size in SIZES:
            rows.append(row(name, family.load(name), size, chosen.turns))
            print(json.dumps(rows[-1]), flush=True)
    print(write(chosen.out, "rounding-cpu", rows))


if __name__ == "__main__":
    main()
