"""Curvature against PyHessian and curvlinops, as ratios in one run.

    python -m benchmarks.hessian --checkpoint resnet20-12fca82f.th --out benchmarks/results

The images are those inside the package. Each side pays for everything from network and data to eigenvalues,
with its own defaults; errors are relative to our float64 eigenvalues, whose residuals are below 10⁻⁶.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.environment import write
from landscape import checkpoint, data, hessian
from landscape.network import Network
from landscape.objective import Objective
from landscape.samples import Samples

K = 5
TOLERANCE = 1e-3


def images(count: int) -> Samples:
    """Test and training images of the package, one after the other, as often as it takes."""
    parts = [data.demo("test"), data.demo("train")]
    inputs, targets = (torch.cat([getattr(part, name) for part in parts]) for name in ("inputs", "targets"))
    where = torch.arange(count) % len(targets)
    return Samples(inputs[where], targets[where], source="demo", normalisation=parts[0].normalisation)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came out."""
    started = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started, result


def error(found: np.ndarray, reference: np.ndarray) -> float:
    """Largest relative error."""
    return float(np.abs(np.array(found) / reference - 1).max())


def plain(network: Network, samples: Samples, device: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Network and prepared data as other packages take them."""
    inputs, targets = samples.batch(0, len(samples))
    prepared = network.normalised_for(samples).prepare(inputs)
    return copy.deepcopy(network.module).eval().to(device), prepared.to(device), targets.to(device)


def pyhessian_top(network: Network, samples: Samples, device: str) -> np.ndarray:
    """PyHessian on one batch, at its default tolerance and number of steps."""
    from pyhessian import hessian as solver

    module, inputs, targets = plain(network, samples, device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = solver(module, nn.CrossEntropyLoss(), data=(inputs, targets), cuda=device != "cpu")
        return np.array(found.eigenvalues(top_n=K)[0])


def curvlinops_top(network: Network, samples: Samples, device: str, batch: int = 100) -> np.ndarray:
    """The Hessian of curvlinops with SciPy's eigsh, without its determinism check, which costs it time."""
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import eigsh

    module, inputs, targets = plain(network, samples, device)
    batches = list(zip(inputs.split(batch), targets.split(batch), strict=True))
    parameters = [p for p in module.parameters() if p.requires_grad]
    operator = HessianLinearOperator(
        module, nn.CrossEntropyLoss(), parameters, batches, check_deterministic=False
    )
    start = np.random.default_rng(0).standard_normal(operator.shape[0]).astype(np.float32)
    values = eigsh(operator.to_scipy(), k=K, which="LA", tol=TOLERANCE, v0=start, return_eigenvectors=False)
    return np.sort(values)[::-1]


def ours(network: Network, samples: Samples, device: str, **options: Any) -> Any:
    """Lanczos at the same tolerance, on the largest values."""
    objective = hessian.tuned(Objective(network, samples, device=device))
    return hessian.top_eigenvalues(objective, K, tolerance=TOLERANCE, **options)


def reference(network: Network, samples: Samples, which: str) -> np.ndarray:
    """Float64, residuals below 10⁻⁶ of the largest."""
    objective = Objective(network, samples, dtype=torch.float64)
    return hessian.top_eigenvalues(objective, K, which=which, tolerance=1e-6).eigenvalue.values


def top_128(network: Network, device: str) -> dict[str, Any]:
    """Top 5 on 128 images against PyHessian."""
    samples = images(128)
    exact = reference(network, samples, "magnitude")
    theirs, values = timed(lambda: pyhessian_top(network, samples, device))
    mine, found = timed(lambda: ours(network, samples, device, which="magnitude"))
    return row(
        "top 5, 128 images", "PyHessian", theirs, mine, 4.0,
        their_error=error(values, exact), our_error=error(found.eigenvalue.values, exact),
        our_products=int(found.products),
    )  # fmt: skip


def top_2000(network: Network, device: str) -> dict[str, Any]:
    """Top 5 on 2,000 images against curvlinops and eigsh."""
    samples = images(2000)
    theirs, values = timed(lambda: curvlinops_top(network, samples, device))
    mine, found = timed(lambda: ours(network, samples, device))
    return row(
        "top 5, 2,000 images", "curvlinops + eigsh", theirs, mine, 2.5,
        difference=error(found.eigenvalue.values, values), our_products=int(found.products),
    )  # fmt: skip


def spectrum(network: Network, device: str, batches: int = 64, size: int = 16) -> dict[str, Any]:
    """The mini-batch spectrum against a loop over PyHessian."""
    samples = images(batches * size)

    def loop() -> np.ndarray:
        parts = (samples.select(np.arange(i * size, (i + 1) * size)) for i in range(batches))
        return np.array([pyhessian_top(network, part, device) for part in parts])

    def mine() -> np.ndarray:
        objective = Objective(network, samples, device=device)
        found = hessian.max_eigenvalue_spectrum(objective, batch_size=size, k=K, tolerance=TOLERANCE)
        return found.eigenvalue.values

    theirs, others = timed(loop)
    own, values = timed(mine)
    first = samples.take(size)
    exact = reference(network, first, "magnitude")
    return row(
        f"spectrum, {batches} mini-batches of {size}, top 5", "PyHessian loop", theirs, own, 4.0,
        their_error=error(others[0], exact), our_error=error(values[0], exact),
    )  # fmt: skip


def row(case: str, peer: str, theirs: float, mine: float, target: float, **more: Any) -> dict[str, Any]:
    """One line of the result."""
    return {
        "case": case,
        "peer": peer,
        "peer_seconds": theirs,
        "our_seconds": mine,
        "ratio": theirs / mine,
        "target": target,
        **more,
    }


def memory(path: str) -> dict[str, Any]:
    """Peak memory of top 5 over 1,000 and over 10,000 images, each in a process of its own."""
    peaks = {count: _peak(path, count) for count in (1000, 10_000)}
    return {
        "case": "peak memory, top 5, 10,000 images against 1,000",
        "bytes": {str(count): peak for count, peak in peaks.items()},
        "ratio": peaks[10_000] / peaks[1000],
        "target": 1.15,
    }


def _peak(path: str, count: int) -> int:
    # Six products reach the peak: every later one repeats them. The peak is that of the process itself, where
    # getrusage would count what its parent held when it was forked.
    code = (
        "from pathlib import Path\n"
        "from benchmarks.hessian import images, checkpoint, hessian, Objective\n"
        f"objective = Objective(checkpoint.load({path!r}), images({count}))\n"
        "hessian.top_eigenvalues(objective, 5, max_products=6)\n"
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
    parser.add_argument("--only", choices=["top-128", "top-2000", "spectrum", "memory"], action="append")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    place = str(Path(chosen.checkpoint).resolve())
    network = checkpoint.load(place)
    cases: dict[str, Callable[[], dict[str, Any]]] = {
        "top-128": lambda: top_128(network, chosen.device),
        "spectrum": lambda: spectrum(network, chosen.device),
        "top-2000": lambda: top_2000(network, chosen.device),
        "memory": lambda: memory(place),
    }
    ours(network, images(16), chosen.device)  # loads kernels and threads for both sides
    rows = []
    for name in chosen.only or cases:
        rows.append(cases[name]())
        print(json.dumps(rows[-1]), flush=True)
    print(write(chosen.out, f"hessian-{chosen.device}", rows))


if __name__ == "__main__":
    main()
