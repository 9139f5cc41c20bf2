"""What page faults cost: Hessian–vector products with freed memory kept, and given back to the system.

    python -m benchmarks.allocation --checkpoint resnet20-12fca82f.th --out benchmarks/results

Both sides are ours and take turns; times are those of the processor, medians over the turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import write
from benchmarks.hessian import images
from landscape import checkpoint
from landscape.allocation import memory_kept
from landscape.hessian import Operator
from landscape.network import Network
from landscape.objective import Objective


def products(network: Network, count: int, turns: int) -> dict[str, Any]:
    """Seconds and page faults of a product, either way."""
    operator = Operator(Objective(network, images(count)))
    vector = torch.ones(operator.size) / operator.size**0.5
    found: dict[str, list[tuple[float, int]]] = {"kept": [], "given_back": []}
    for _ in range(turns):
        for name, context in (("given_back", contextlib.nullcontext), ("kept", memory_kept)):
            with context():
                operator(vector), operator(vector)
                before, started = _faults(), time.process_time()
                operator(vector)
                found[name].append((time.process_time() - started, _faults() - before))
    seconds = {name: statistics.median(each for each, _ in rows) for name, rows in found.items()}
    return {
        "case": f"product over {count} images, freed memory kept against given back",
        **{f"{name}_seconds": value for name, value in seconds.items()},
        **{f"{name}_faults": statistics.median(each for _, each in rows) for name, rows in found.items()},
        "ratio": seconds["given_back"] / seconds["kept"],
    }


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def main() -> None:
    """Print and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    network = checkpoint.load(arguments.checkpoint)
    rows = [products(network, count, arguments.turns) for count in (16, 128)]
    for row in rows:
        print(json.dumps(row))
    print(f"wrote {write(arguments.out, 'allocation-cpu', rows)}")


if __name__ == "__main__":
    sys.exit(main())
