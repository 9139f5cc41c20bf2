"""How far plans are off: costs beside the items are fitted to some surfaces, and tried on others.

    python -m benchmarks.plans --out benchmarks/results

Every surface of some sizes is planned by one process, as `landscape plan` does, and then measured by one
process and by two that join, each of one thread, from the moment at which all are ready. What opening and
saving take is fitted by least squares of relative errors; every second size is held out, and errors are given
with the seconds that the package has and with the fitted ones.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.environment import write
from benchmarks.joined import objective, run
from landscape.analyses.scaling import START, Plan, scaling

SIZES = ((9, 100), (13, 100), (9, 300), (15, 200), (11, 400), (19, 150), (13, 500), (21, 300))
"""Points a side and images of each surface; every second one is held out."""

TINY = ((3, 8), (5, 8))


@dataclass(frozen=True)
class Measured:
    """A surface, its plan, and how long it took."""

    steps: int
    samples: int
    workers: int
    plan: Plan
    seconds: float

    def error(self, start: float) -> float:
        """How far the plan is off, as a share of the time it took."""
        return self.plan.seconds(self.workers, start) / self.seconds - 1


def measured(sizes: Sequence[tuple[int, int]], workers: Sequence[int] = (1, 2)) -> list[Measured]:
    """Each surface, by each number of workers."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for steps, samples in sizes:
            plan = scaling("surface", objective(samples), steps=steps, span=0.5)
            for count in workers:
                places = [Path(scratch) / f"{steps}-{samples}-{count}.zarr"] * count
                taken = run("surface", places, join=count > 1, size=steps, samples=samples)["seconds"]
                found.append(Measured(steps, samples, count, plan, taken))
                print(f"{steps} × {steps}, {samples} images, {count}: {taken:.3g} s", flush=True)
    return found


def fitted(runs: Sequence[Measured]) -> float:
    """Seconds of opening and saving with the least squares of relative errors."""
    seconds = np.array([each.seconds for each in runs])
    short = -np.array([each.error(0.0) for each in runs])
    return max(float((short / seconds).sum() / (1 / seconds**2).sum()), 0.0)


def rows(sizes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """A row for each surface and number of workers, and one for the fit."""
    everything = measured(sizes)
    kept, out = ([m for m in everything if (m.steps, m.samples) in sizes[k::2]] for k in (0, 1))
    start = fitted(kept)
    listed = [
        {
            "case": f"surface of {m.steps} × {m.steps} points, {m.samples} images",
            "workers": m.workers,
            "held_out": m in out,
            "seconds": m.seconds,
            "planned_seconds": m.plan.seconds(m.workers, start),
            "error": m.error(start),
            "error_before": m.error(START),
            "plan": asdict(m.plan),
        }
        for m in everything
    ]
    errors = {name: [abs(m.error(s)) for m in out] for name, s in (("fitted", start), ("before", START))}
    fit: dict[str, Any] = {"case": "fit", "start_seconds": start, "start_seconds_before": START}
    for name, off in errors.items():
        fit[f"held_out_{name}"] = {"median": float(np.median(off)), "largest": max(off)}
    return [*listed, fit]


def main() -> None:
    """Print the fit and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="the smallest surfaces, to try the script")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found = rows(TINY if chosen.tiny else SIZES)
    print(found[-1])
    print(write(chosen.out, "plans-cpu", found))


if __name__ == "__main__":
    main()
