"""What joining costs and gains: two processes beside two copies of the work, and an item among four workers.

    python -m benchmarks.joined [--only surface spectrum eigenvalues eigenvalues-2000 items]

A surface, a spectrum of mini-batches, and the top eigenvalues over all samples, by one process of one thread,
by two that join (of the eigenvalues: two ranks that share the samples), and by two that know nothing of each
other and do all of it, each. What two copies reach together, 2/t, is what the machine gives; joined workers
should reach 95 % of it, and 1.8 times one process where the copies reach 1.9. The three take turns, as a
machine's speed varies, and ratios are medians over turns.
*Items*: 26,010 points of a surface that cost nothing, kept and claimed by four processes on local disk, from
the moment at which all are ready to the moment at which the last one has every item. Beyond the bare loop,
an item may cost 0.2 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.environment import write
from benchmarks.journal import ITEMS, item, seconds
from landscape import data
from landscape.analyses import resumable
from landscape.distributed import Group, joined, sharded
from landscape.network import Network
from landscape.objective import Objective
from landscape.results.joined import Joined
from landscape.samples import Samples
from landscape.work import in_memory
from landscape.zoo import build, parse

WORKERS = 4
SPEC = "cifar-resnet20:width=8"
WORK = {
    "surface": ("15 × 15 points", 15, 300),
    "spectrum": ("100 mini-batches", 100, 1000),
    "eigenvalues": ("all samples at once", 0, 1000),
    "eigenvalues-2000": ("all samples at once", 0, 2000),
}
"""What is shared between two processes: in words, its points a side or mini-batches, and its samples."""


def objective(samples: int) -> Objective:
    """A ResNet-20 over real images, those of both splits where one has too few."""
    train, test = (data.demo(split) for split in ("train", "test"))
    images = train.take(min(samples, len(train)))
    if samples > len(train):
        rest = test.take(samples - len(train))
        images = Samples(
            torch.cat([images.inputs, rest.inputs]),
            torch.cat([images.targets, rest.targets]),
            source="images of the package",
            split="both",
        )
    return Objective(Network(build(parse(SPEC), seed=0).eval(), name="net"), images, micro_batch=100)


def work(case: str, place: Path, join: bool, size: int, samples: int, group: Group | None = None) -> None:
    """One measurement, saved; ranks share the samples."""
    made = objective(samples)
    if case == "surface":
        resumable("surface", made, place, steps=size, span=0.5, join=join)
    elif case == "spectrum":
        resumable("spectrum", made, place, batch_size=samples // size, join=join)
    else:
        resumable("eigenvalues", sharded(made, group) if group else made, place)


def child(chosen: argparse.Namespace) -> None:
    """Be a worker: say when ready, begin when told, and say how long it took."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:  # imports and kernels are no part of the work
        work("surface", Path(scratch) / "first.zarr", join=False, size=3, samples=8)
    group = joined() if chosen.case.startswith("eigenvalues") and chosen.join else None
    print("ready", flush=True)
    sys.stdin.readline()
    started, used = time.perf_counter(), time.process_time()
    place = Path(chosen.place)
    if chosen.case == "items":
        with Joined(place, {}, {}) as journal:
            journal.runner()(ITEMS, item, "surface")
    else:
        work(chosen.case, place, chosen.join, chosen.size, chosen.samples, group)
    print(json.dumps([time.perf_counter() - started, time.process_time() - used]), flush=True)
    if group:
        group.leave()


def run(case: str, places: Sequence[Path], *, join: bool, size: int = 0, samples: int = 0) -> dict[str, Any]:
    """Workers at once, one for each place: seconds until the last has ended, and processor time of all."""
    options = ["--case", case, "--size", str(size), "--samples", str(samples), *(["--join"] if join else [])]
    command = [sys.executable, "-m", "benchmarks.joined", "--child", *options, "--place"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} | _address(len(places))
    workers = [
        subprocess.Popen(
            [*command, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"RANK": str(rank)},
        )
        for rank, place in enumerate(places)
    ]
    for worker in workers:
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        print(file=worker.stdin, flush=True)
    found = [json.loads(worker.communicate()[0]) for worker in workers]
    assert not any(worker.returncode for worker in workers)
    return {"seconds": max(wall for wall, _ in found), "processor": sum(used for _, used in found)}


def _address(size: int) -> dict[str, str]:
    """Where ranks meet, as torchrun says it to them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    return {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}


def pair(case: str, folder: Path, turns: int) -> dict[str, Any]:
    """One process, two that join, and two copies, in turns."""
    words, size, samples = WORK[case]
    works = {"alone": (1, False), "joined": (2, True), "copies": (2, False)}
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns):
        for name, (workers, join) in works.items():
            places = [folder / f"{name}-{turn}-{0 if join else rank}.zarr" for rank in range(workers)]
            found[name].append(run(case, places, join=join, size=size, samples=samples)["seconds"])
    alone, both, copies = (np.array(found[name]) for name in works)
    return {
        "case": f"{case.partition('-')[0]}, {words}, {samples} images",
        "turns": turns,
        **{f"{name}_seconds": statistics.median(seconds) for name, seconds in found.items()},
        "speed_up": float(np.median(alone / both)),
        "ceiling": float(np.median(2 * alone / copies)),
        "share_of_ceiling": float(np.median(copies / (2 * both))),
        "shares": sorted(float(share) for share in copies / (2 * both)),
        "target": 0.95,
    }


def items(folder: Path) -> dict[str, Any]:
    """Seconds of an item among four workers beyond its computation."""
    bare = seconds(lambda: in_memory()(ITEMS, item, "surface")) / ITEMS
    spent = run("items", [folder / "items.zarr"] * WORKERS, join=True)
    return {
        "case": f"{ITEMS} items, {WORKERS} workers",
        "seconds_an_item": spent["seconds"] / ITEMS - bare / min(WORKERS, os.cpu_count() or 1),
        "processor_seconds_an_item": spent["processor"] / ITEMS - bare,
        "target": 2e-4,
    }


def main() -> None:
    """Print the rows and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[*WORK, "items"], choices=[*WORK, "items"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    for hidden in ("--child", "--join"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    for hidden, kind in {"--case": str, "--place": str, "--size": int, "--samples": int}.items():
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen)
        return
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        if "items" in chosen.only:
            rows.append(items(Path(scratch)))
            print(rows[-1], flush=True)
        for case in filter(chosen.only.__contains__, WORK):
            (Path(scratch) / case).mkdir()
            rows.append(pair(case, Path(scratch) / case, chosen.turns))
            print(rows[-1], flush=True)
    print(write(chosen.out, "joined-cpu", rows))


if __name__ == "__main__":
    main()
