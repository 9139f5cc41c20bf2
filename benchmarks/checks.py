"""What the checks of the trust report cost beside a default `landscape hessian` run.

    python -m benchmarks.checks --checkpoint resnet20-12fca82f.th [--samples 1000]

Seconds of processor time, on images of the package.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import write
from benchmarks.hessian import images
from landscape import checkpoint, hessian
from landscape.analyses import checks
from landscape.objective import Objective


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def cost(path: str, samples: int) -> dict[str, Any]:
    """Seconds of the checks before and after the work, of the search, and the share of the checks."""
    objective = Objective(checkpoint.load(path), images(samples))
    before = seconds(lambda: objective.checked("product", report=True))
    after = seconds(lambda: checks.loss(objective))
    work = seconds(lambda: hessian.top_eigenvalues(objective, 5))
    return {
        "samples": samples,
        "before_seconds": before,
        "after_seconds": after,
        "search_seconds": work,
        "share": (before + after) / (before + after + work),
    }


def main() -> None:
    """Print the row and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    row = cost(chosen.checkpoint, chosen.samples)
    print(row)
    print(write(chosen.out, "checks", [row]))


if __name__ == "__main__":
    main()
