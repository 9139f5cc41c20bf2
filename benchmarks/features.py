"""What looking at feature maps costs: against a plain forward pass, and in memory as samples grow.

    python -m benchmarks.features --checkpoint resnet20-12fca82f.th --out benchmarks/results

The plain pass is that of the module as it is written (maps in NCHW, batches of 128, prepared inputs, no
gradients). Beside it stands the objective's own pass, which is faster: BatchNorm folded into convolutions,
channels last, a smaller micro-batch. The captured one measures everything at every layer: mean, variances
over space and samples, both Fourier spectra. They take turns, so that all meet the same machine; ratios are
medians over the turns.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import write
from benchmarks.hessian import images, timed
from landscape import checkpoint, features
from landscape.network import Network
from landscape.objective import Objective


def forward_pass(network: Network, device: str, count: int, turns: int) -> dict[str, Any]:
    """A pass with everything captured against a plain one."""
    objective = Objective(network, images(count), device=device)

    module = copy.deepcopy(network.module).eval().to(device, memory_format=torch.contiguous_format)
    inputs = objective.network.prepare(objective.samples.batch(0, count)[0]).to(device)

    def plain() -> None:
        with torch.no_grad():
            for batch in inputs.split(128):
                module(batch)

    def own() -> None:
        for _ in objective.outputs():
            pass

    def captured() -> None:
        features.measure(objective)

    plain(), own(), captured()  # loads kernels, finds what can be folded
    turned = [(timed(plain)[0], timed(own)[0], timed(captured)[0]) for _ in range(turns)]
    theirs, folded, ours = (statistics.median(times) for times in zip(*turned, strict=True))
    return {
        "case": f"everything captured against a plain pass, {count:,} images",
        "layers": len(features.find_layers(network.module)),
        "plain_seconds": theirs,
        "own_seconds": folded,
        "our_seconds": ours,
        "ratio": statistics.median(mine / plain for plain, _, mine in turned),
        "ratio_to_own": statistics.median(mine / own for _, own, mine in turned),
        "target": 2.0,
    }


def memory(path: str, few: int, many: int) -> dict[str, Any]:
    """Peak memory over few and over many images, each in a process of its own."""
    peaks = {count: _peak(path, count) for count in (few, many)}
    return {
        "case": f"peak memory, {many:,} images against {few:,}",
        "bytes": {str(count): peak for count, peak in peaks.items()},
        "ratio": peaks[many] / peaks[few],
        "target": 1.15,
    }


def _peak(path: str, count: int) -> int:
    # The peak is that of the process itself, where getrusage would count what its parent held at the fork.
    code = (
        "from pathlib import Path\n"
        "from benchmarks.features import Objective, checkpoint, features, images\n"
        f"features.measure(Objective(checkpoint.load({path!r}), images({count})))\n"
        "lines = Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) * 1024)\n"
    )
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def main() -> None:
    """Run the cases and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, help="a ResNet-20 for CIFAR-10")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", choices=["pass", "memory"], action="append")
    parser.add_argument("--images", type=int, default=1000, help="of the pass, and of the smaller memory run")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    place = str(Path(chosen.checkpoint).resolve())
    cases: dict[str, Callable[[], dict[str, Any]]] = {
        "pass": lambda: forward_pass(checkpoint.load(place), chosen.device, chosen.images, chosen.turns),
        "memory": lambda: memory(place, chosen.images, 10 * chosen.images),
    }
    rows = []
    for name in chosen.only or cases:
        rows.append(cases[name]())
        print(json.dumps(rows[-1]), flush=True)
    print(write(chosen.out, f"features-{chosen.device}", rows))


if __name__ == "__main__":
    main()
