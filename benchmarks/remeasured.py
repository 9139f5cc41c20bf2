"""Stored numbers of the fair test beside the same numbers in plain PyTorch and SciPy.

    python -m benchmarks.remeasured FOLDER --data cifar10:DIR [--only gap-seed1] --out benchmarks/results

FOLDER is that of `landscape reproduce --size fair`. Of every trained network in it, five of the numbers that
docs/results.md is made of are measured anew: the training NLL, the accuracy on the test images, the NLL of
averaged passes, and the largest eigenvalue of one mini-batch with dropout on and of one with dropout off.
What is shared with the package are the files' reader, the network's layers, the frozen crops and flips and
the dropout masks; forward passes, losses, averages, products and the search for eigenvalues are not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

import landscape as ls
from benchmarks.environment import write
from landscape.analyses.experiments import EXPERIMENTS
from landscape.dropout import dropout_masks
from landscape.results import load
from landscape.samples import CropFlip, Samples

SIZES = EXPERIMENTS["fair"].sizes
_AT_ONCE = 128
_ON, _OFF = 1, 5
"""Which mini-batch is measured with dropout on, and which with dropout off."""


def masks(module: nn.Module, draw: int, start: int) -> AbstractContextManager[None]:
    """Those of seed 0, as every result of the fair test has them."""
    return dropout_masks(module, seed=0, draw=draw, start=start)


class Images:
    """Images as a network reads them, and their classes."""

    def __init__(self, found: Samples, network: ls.Network, *, moved: bool = False) -> None:
        """All of them, under one frozen crop and flip each if they are moved."""
        pixels = found.inputs if not moved else CropFlip.draw(len(found), seed=0).apply(found.inputs)
        scale = network.normalisation
        mean, std = (torch.tensor(part).view(3, 1, 1) for part in (scale.mean, scale.std))
        self.inputs, self.targets = (pixels.float() / 255 - mean) / std, found.targets

    def __len__(self) -> int:
        return len(self.targets)

    def logits(self, module: nn.Module, draw: int) -> Tensor:
        """Of all of them under the masks of one draw, float64, shape (sample, class)."""
        with torch.no_grad():
            return torch.cat(list(self._parts(module, draw))).double()

    def _parts(self, module: nn.Module, draw: int) -> Iterator[Tensor]:
        for start in range(0, len(self), _AT_ONCE):
            with masks(module, draw, start):
                yield module(self.inputs[start : start + _AT_ONCE])


def largest_eigenvalue(
    module: nn.Module, images: Images, index: int, *, size: int = SIZES["batch_size"], dropout: bool = True
) -> float:
    """Of the Hessian of the mean NLL of a mini-batch, by ARPACK on products of two backward passes."""
    start, parameters = index * size, list(module.parameters())
    with masks(module, 1 + index, start) if dropout else nullcontext():
        logits = module(images.inputs[start : start + size])
    loss = F.cross_entropy(logits, images.targets[start : start + size])
    gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    sizes = [part.numel() for part in parameters]

    def product(vector: np.ndarray) -> np.ndarray:
        parts = torch.from_numpy(vector.ravel()).float().split(sizes)
        along = [part.view_as(own) for part, own in zip(parts, parameters, strict=True)]
        image = torch.autograd.grad(gradient, parameters, along, retain_graph=True)
        return torch.cat([part.reshape(-1) for part in image]).numpy()

    matrix = LinearOperator((sum(sizes),) * 2, matvec=product, dtype=np.float32)
    start_vector = np.random.default_rng(0).standard_normal(sum(sizes)).astype(np.float32)
    found = eigsh(matrix, k=1, which="LM", tol=1e-3, ncv=10, v0=start_vector, return_eigenvectors=False)
    return float(found[0])


def anew(network: ls.Network, data: str) -> dict[str, float]:
    """The five numbers by what the page calls them."""
    module = network.module.eval()
    tested = ls.data.load(data, split="test")
    seen = ls.data.load(data, split="train").take(EXPERIMENTS["fair"].images)
    train, test = Images(seen, network, moved=True), Images(tested, network)
    few = Images(tested.take(SIZES["predictions"]), network)
    passes = [few.logits(module, draw).softmax(1) for draw in range(SIZES["passes"])]
    averaged = torch.stack(passes).mean(0)[torch.arange(len(few)), few.targets]
    return {
        "training NLL": float(F.cross_entropy(train.logits(module, 0), train.targets)),
        "test accuracy": float((test.logits(module, 0).argmax(1) == test.targets).double().mean()),
        "test NLL, mean of passes": float(-averaged.log().mean()),
        f"largest eigenvalue of mini-batch {_ON}": largest_eigenvalue(module, train, _ON),
        f"largest eigenvalue of mini-batch {_OFF}, dropout off": largest_eigenvalue(
            module, train, _OFF, dropout=False
        ),
    }


def stored(folder: Path) -> list[float]:
    """The same numbers out of the stored results of a network, in their order."""

    def result(name: str) -> Any:
        return load(folder / f"{name}.zarr")

    return [
        float(result("evaluation-train").mean_nll),
        float(result("evaluation").accuracy),
        float(result("ensemble").nll[-1]),
        float(result("spectrum").eigenvalue[_ON, 0]),
        float(result("spectrum-off").eigenvalue[_OFF, 0]),
    ]


def rows(folder: Path, data: str, only: str) -> Iterator[dict[str, Any]]:
    """Each number twice, and how far they are apart."""
    for path in sorted((folder / "datasets").glob(only or "*-seed[0-9]")):
        network = ls.load(folder / "checkpoints" / f"{path.name}.safetensors")
        for (name, plain), own in zip(anew(network, data).items(), stored(path), strict=True):
            apart = abs(plain - own) / abs(own)
            yield {"case": f"{path.name}, {name}", "stored": own, "anew": plain, "relative_difference": apart}


def main() -> None:
    """Print and write the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of `landscape reproduce --size fair`")
    parser.add_argument("--data", required=True, help="all of CIFAR-10: cifar10:DIR")
    parser.add_argument("--only", default="", help="one network")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    found = []
    for row in rows(chosen.folder, chosen.data, chosen.only):
        print(json.dumps(row), flush=True)
        found.append(row)
    print(write(chosen.out, "remeasured-cpu", found))


if __name__ == "__main__":
    main()
