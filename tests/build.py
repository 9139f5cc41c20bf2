"""Builders that tests of several rooms share: samples, networks, objectives, checkpoints, what they gave.

Tiny networks with dense references stand in tests/cases.py, results to draw in tests/figures/synthetic.py.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from landscape import checkpoint as checkpoints
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import Check, attribute
from landscape.results.records import PRELUDE, entries
from landscape.samples import Normalisation, Samples
from landscape.zoo import build, parse
from tests.cases import randomised

RESNET = "cifar-resnet20:width=4"
SHORT = "cifar-resnet8:width=4"
"""Commands take half as long with it."""
USUAL = Normalisation((0.5,) * 3, (0.25,) * 3)


def images(
    count: int = 6, size: int = 8, kind: str = "normal", *, seed: int = 0, classes: int = 10
) -> Samples:
    """Random images (sample, 3, size, size), `normal`, `uniform` in 0 … 1 or `bytes`, and classes."""
    rng = np.random.default_rng(seed)
    shape = (count, 3, size, size)
    draws = {
        "normal": lambda: rng.standard_normal(shape),
        "uniform": lambda: rng.random(shape),
        "bytes": lambda: rng.integers(0, 256, shape, dtype=np.uint8),
    }
    inputs = torch.from_numpy(draws[kind]())
    return Samples(inputs, torch.from_numpy(rng.integers(0, classes, count)))


def zoo(spec: str = RESNET, *, seed: int | None = None) -> nn.Module:
    """A network of the zoo in eval mode: as it is initialised, or with random weights and statistics."""
    module = build(parse(spec))
    return (module if seed is None else randomised(module, seed)).eval()


def objective(
    network: nn.Module | Network | str = RESNET,
    samples: Any = None,
    *,
    count: int = 6,
    size: int = 8,
    kind: str = "normal",
    classes: int = 10,
    **options: Any,
) -> Objective:
    """An objective in float64 over a module, network or one of the zoo: of these samples or random images."""
    network = zoo(network) if isinstance(network, str) else network
    samples = images(count, size, kind, classes=classes) if samples is None else samples
    return Objective(network, samples, **{"dtype": torch.float64} | options)


def checkpoint(
    path: Path,
    spec: str = SHORT,
    *,
    seed: int = 0,
    change: Callable[[nn.Module], Any] = lambda module: None,
    **fields: Any,
) -> Path:
    """A checkpoint file of a network of the zoo: as a seed initialises it, and then changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    module = build(parse(spec), seed=seed)
    with torch.no_grad():
        change(module)
    checkpoints.save(path, module, config=parse(spec), **fields)
    return path


def kept(folder: Path, result: str = "") -> dict[tuple[str, str, int], tuple[str, int]]:
    """Each finished item beside the results of a folder, and where its record is; none is there twice."""
    found: dict[tuple[str, str, int], tuple[str, int]] = {}
    for path in folder.glob(f".{result}*.part/*.records"):
        with open(path, "rb") as stream:
            head = stream.read(len(PRELUDE) + 64)
        if len(head) < len(PRELUDE) + 64:
            continue  # just made
        for entry in entries(path.parent, bytes.fromhex(head[len(PRELUDE) :].decode())):
            key, place = (path.parent.name, entry.label, entry.index), (entry.path.name, entry.offset)
            assert found.setdefault(key, place) == place
    return found


def maps(one: Objective, names: Iterable[str], *, draw: int = 0) -> dict[str, np.ndarray]:
    """What layers give for all samples, shape (sample, …)."""
    one.checked("value")  # whose passes hooks would see
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    handles = [
        one.network.module.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, out, parts=parts: parts.append(out.numpy().copy())
        )
        for name, parts in found.items()
    ]
    list(one.outputs(draw=draw))
    for handle in handles:
        handle.remove()
    return {name: np.concatenate(parts) for name, parts in found.items()}


def hooks(module: nn.Module) -> int:
    """How many hooks are left in a module."""
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def report(dataset: xr.Dataset) -> dict[str, Check]:
    """The trust report of a result, by the names of its checks."""
    return {check["name"]: Check(**check) for check in attribute(dataset, "checks")}


class Counting:
    """A progress bar that keeps what it was told, (label, total), and insists on so many items."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def __call__(self, items: Iterable, label: str, total: int) -> list:
        rows = list(items)
        assert len(rows) == total
        self.seen.append((label, total))
        return rows


class Recording(nn.Module):
    """Keeps the batches that it sees; its logits are all the same."""

    def __init__(self, seen: list[Tensor], classes: int = 10) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.keep, self.classes = seen.append, classes

    def forward(self, x: Tensor) -> Tensor:
        self.keep(x.clone())
        return self.weight.expand(len(x), self.classes)
