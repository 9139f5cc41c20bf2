"""What keeping finished items costs: an item of a journal, and a whole surface of a tiny network.

    python -m benchmarks.journal

Items are points of a surface, 51×51 of ten pairs of directions; the peer is one file of NumPy's for each, as
version 0.1 kept them. The surface has 45×45 points; its peer is the bare loop over the same points, which
keeps nothing. Beside them stand the whole command, with its trust report and the saved result, and a loop of
PyTorch alone: weights set, one forward pass, one loss, of which a point of ours gives more (accuracy,
calibration, standard errors). Seconds are of processor time, which what else runs on the machine disturbs
least, the best of three.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.environment import write
from landscape import surface
from landscape.analyses import resumable
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import Journal
from landscape.samples import Samples
from landscape.work import Item, in_memory

ITEMS = 51 * 51 * 10
STEPS, SPAN = 45, 0.5


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call, that of the system included."""
    started = time.process_time()
    work()
    return time.process_time() - started


def item(index: int) -> Item:
    """A point of a surface."""
    names = ("nll", "standard_error", "sampling_error", "l2", "accuracy", "ece")
    return {name: np.array(index / 7) for name in names} | {"samples": np.array(index)}


def one_file_each(folder: Path) -> Callable[[int], Item]:
    """The peer: written, read back, and put in place by a renaming."""

    def keep(index: int) -> Item:
        path, found = folder / f"surface-{index:06d}.npz", item(index)
        with open(f"{path}.draft", "wb") as stream:
            np.savez(stream, **found)  # type: ignore[arg-type]
        os.replace(f"{path}.draft", path)
        return found

    return keep


def items(folder: Path) -> list[dict[str, Any]]:
    """Seconds of an item that is kept and that is found again, beyond its computation."""
    few = ITEMS // 10
    bare = seconds(lambda: in_memory()(ITEMS, item, "surface")) / ITEMS
    (folder / "peer").mkdir()
    peer = seconds(lambda: in_memory()(few, one_file_each(folder / "peer"), "surface")) / few - bare
    rows = []
    for case in ("kept", "found again"):
        with Journal(folder / "s.zarr", {}) as journal:
            spent = seconds(partial(journal.runner(), ITEMS, item, "surface")) / ITEMS
            ours = spent - bare if case == "kept" else spent
            files = list(journal.folder.iterdir())
        row = {"case": f"an item {case}", "items": ITEMS, "files": len(files), "our_seconds_an_item": ours}
        rows.append({**row, "bytes": sum(path.stat().st_size for path in files), "target": 1e-4})
    rows[0] |= {
        "peer": "one .npz for each item",
        "peer_seconds_an_item": peer,
        "ratio": peer / rows[0]["our_seconds_an_item"],
    }
    return rows


def tiny(images: int, size: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network of two layers, and images."""
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )
    return module.eval(), torch.rand(images, 3, size, size, generator=generator), torch.arange(images) % 10


def torch_loop(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, objective: Objective) -> None:
    """The loss at each point, and nothing else."""
    first, second = surface.random_directions(objective)
    origin = {name: p.detach().clone() for name, p in module.named_parameters()}
    axis, parameters = surface.axis(SPAN, STEPS), dict(module.named_parameters())
    with torch.no_grad():
        for y in axis:
            for x in axis:
                for name, p in parameters.items():
                    p.copy_(origin[name] + float(x) * first[name] + float(y) * second[name])
                F.cross_entropy(module(inputs), targets).item()
        for name, p in parameters.items():
            p.copy_(origin[name])


def whole_surface(folder: Path, images: int, size: int) -> dict[str, Any]:
    """Seconds of 45×45 points that are kept, and of the same points in a bare loop."""
    module, inputs, targets = tiny(images, size)
    objective = Objective(Network(module, name="tiny"), Samples(inputs, targets))
    directions, options = surface.random(objective), {"span": SPAN, "steps": STEPS}
    places = (folder / f"{images}-{number}.zarr" for number in count())

    def kept() -> None:
        with Journal(next(places), {}) as journal:
            surface.plane(objective, directions, run=journal.runner(), **options)

    work = {
        "peer_seconds": lambda: surface.plane(objective, directions, **options),
        "our_seconds": kept,
        "command_seconds": lambda: resumable("surface", objective, next(places), **options),
        "torch_seconds": lambda: torch_loop(module, inputs, targets, objective),
    }
    rounds = [[seconds(each) for each in work.values()] for _ in range(3)]
    best = dict(zip(work, np.min(rounds, axis=0).tolist(), strict=True))
    case = f"45×45 points, {images} images of {size}×{size}"
    return {
        "case": case,
        "peer": "bare loop",
        **best,
        "ratio": best["our_seconds"] / best["peer_seconds"],
        "target": 1.1,
    }


def main() -> None:
    """Print the rows and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        rows = items(Path(scratch))
        rows += [whole_surface(Path(scratch), images, size) for images, size in ((64, 32), (4, 8))]
    for row in rows:
        print(row)
    print(write(chosen.out, "journal-cpu", rows))


if __name__ == "__main__":
    main()
