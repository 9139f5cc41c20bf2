"""Everything of docs/benchmarks.md on one CUDA card, in under ten minutes, with nothing to decide.

    python -m benchmarks.gpu            # on a machine with a card, from the repository root
    python -m benchmarks.gpu --tiny     # the same on a CPU, with tiny networks: a test of the script

Networks are ours, with random weights of a fixed seed: speed does not depend on what they have learned, and
nothing has to be fetched. It prints the rows, writes `benchmarks/results/gpu.json`, and fills the table that
awaits them in docs/benchmarks.md. Cases that would begin after nine minutes are left out, and said.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.environment import environment, write
from benchmarks.placement import Traffic, watched
from landscape import hessian, surface
from landscape.network import Network
from landscape.objective import Objective
from landscape.samples import Samples
from landscape.zoo import build, parse

LONGEST = 540.0
"""Seconds after which no case is begun."""

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- filled by benchmarks.gpu -->", "<!-- end -->"


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        device: Where.
        small: A network for CIFAR, and how many images of a mini-batch, of a Hessian and of a surface.
        others: Networks, how many images, and of which size.
        peer: Whether PyHessian is there to compare with.
    """

    device: str
    small: tuple[str, int, int, int]
    others: tuple[tuple[str, int, int], ...]
    peer: bool = True


CARD = Setting("cuda", ("cifar-resnet20", 16, 2000, 10_000), (("resnet18", 512, 224), ("resnet50", 256, 224)))
TINY = Setting("cpu", ("cifar-resnet20:width=2", 4, 8, 16), (("resnet18:width=2", 4, 32),))


def objective(spec: str, count: int, size: int, device: str) -> Objective:
    """A network of the zoo with random weights over random images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, size, size, generator=generator)
    config = parse(spec)
    targets = torch.arange(count) % config.classes
    return Objective(
        Network(build(config, seed=0).eval(), name=spec), Samples(images, targets), device=device
    )


def seconds(work: Callable[[], Any], device: str, rounds: int = 1) -> float:
    """Time of one call, the device having finished."""
    _finish(device)
    started = time.perf_counter()
    for _ in range(rounds):
        work()
    _finish(device)
    return (time.perf_counter() - started) / rounds


def peak(work: Callable[[], Any], device: str) -> int | None:
    """Bytes that the device held at most; None on a CPU."""
    if device == "cpu":
        work()
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated()


def spectrum(setting: Setting) -> list[dict[str, Any]]:
    """Top 5 of mini-batches against a loop over PyHessian, and of all images."""
    spec, size, many, _ = setting.small
    batches = 2 if setting.device == "cpu" else 16
    few = objective(spec, batches * size, 32, setting.device)
    few.checked("product")
    search = {"batch_size": size, "k": 5, "tolerance": 1e-3}
    mine = seconds(lambda: hessian.max_eigenvalue_spectrum(few, **search), setting.device)
    theirs = seconds(lambda: _pyhessian(few, batches, size), setting.device) if setting.peer else None
    whole = objective(spec, many, 32, setting.device)
    whole.checked("product")
    held = [0.0]

    def top() -> None:
        held[0] = seconds(lambda: hessian.top_eigenvalues(whole, 5), setting.device)

    memory = peak(top, setting.device)
    return [
        row(
            f"{spec}: spectrum, {batches} mini-batches of {size}, top 5", mine, "PyHessian in a loop", theirs
        ),
        row(f"{spec}: top 5, {many:,} images", held[0], memory=memory),
    ]


def point(setting: Setting) -> list[dict[str, Any]]:
    """A point of a surface against a plain loop over batches of 128."""
    spec, *_, count = setting.small
    return [_point(spec, objective(spec, count, 32, setting.device), count, 32, setting.device)]


def large(setting: Setting) -> list[dict[str, Any]]:
    """A product and a point of larger networks, and their memory."""
    rows = []
    for spec, count, size in setting.others:
        one = objective(spec, count, size, setting.device)
        one.checked("product")
        matrix, vector = one.curvature(keep=0), one.free

        def product(matrix: Any = matrix, vector: Any = vector) -> None:
            matrix(vector)

        product()
        memory = peak(product, setting.device)
        rows.append(
            row(
                f"{spec}: a Hessian–vector product, {count} images of {size}×{size}",
                seconds(product, setting.device, rounds=2),
                memory=memory,
            )
        )
        rows.append(_point(spec, one, count, size, setting.device))
    return rows


def traffic(setting: Setting) -> list[dict[str, Any]]:
    """What a product and a point send between host and device, once everything is in its place."""
    spec, size, *_ = setting.small
    one = objective(spec, 4 * size, 32, setting.device).replace(micro_batch=size)
    one.checked("product")
    matrix, theta = one.curvature(), dict(one.parameters)
    found = {}
    for name, work in {"a product": lambda: matrix(one.free), "a point": lambda: one.value(theta)}.items():
        work()
        with watched(setting.device) as seen:
            work()
        found[name] = seen
    return [_of_traffic(f"{spec}: {name}, 4 micro-batches", seen) for name, seen in found.items()]


CASES: dict[str, Callable[[Setting], list[dict[str, Any]]]] = {
    "traffic": traffic,
    "spectrum": spectrum,
    "surface": point,
    "large": large,
}


def row(
    case: str, mine: float, peer: str = "", theirs: float | None = None, *, memory: int | None = None
) -> dict[str, Any]:
    """One line of the result."""
    return {
        "case": case,
        "our_seconds": mine,
        "peer": peer,
        "peer_seconds": theirs,
        "ratio": theirs / mine if theirs else None,
        "peak_bytes": memory,
    }


def measured(setting: Setting, longest: float = LONGEST) -> list[dict[str, Any]]:
    """The rows of all cases that begin in time; the others say that they were left out."""
    started, rows = time.monotonic(), []
    for name, case in CASES.items():
        if time.monotonic() - started > longest:
            rows.append({"case": f"{name}: left out, after {longest:.0f} s"})
            continue
        rows += case(setting)
    return rows


def table(rows: list[dict[str, Any]], gpu: str) -> str:
    """The rows as docs/benchmarks.md shows them."""
    lines = [
        f"{gpu}, PyTorch {torch.__version__}, float32.",
        "",
        "| case | peer | peer | landscape | ratio | peak memory |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for each in rows:
        if "our_seconds" not in each:
            continue
        memory = f"{each['peak_bytes'] / 1e9:.2f} GB" if each["peak_bytes"] else ""
        ratio = f"**{each['ratio']:.1f}**" if each["ratio"] else ""
        cells = (each["case"], each["peer"], _time(each["peer_seconds"]), _time(each["our_seconds"]))
        lines.append(f"| {' | '.join((*cells, ratio, memory))} |")
    return "\n".join(lines)


def filled(page: str, text: str) -> str:
    """A page with its table in its place.

    Raises:
        ValueError: If the page has no place for it.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no place between {BEGIN} and {END}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def _point(spec: str, one: Objective, count: int, size: int, device: str) -> dict[str, Any]:
    one = surface.tuned(one)
    first = surface.random_directions(one)[0]
    theta = {name: value + 0.1 * first.get(name, 0.0) for name, value in one.parameters.items()}
    one.value(theta)
    mine = seconds(lambda: one.value(theta), device, rounds=3)
    loop = _plain(one)
    loop()
    theirs = seconds(loop, device)
    return row(f"{spec}: a point, {count:,} images of {size}×{size}", mine, "plain loop", theirs)


def _plain(one: Objective) -> Callable[[], float]:
    """What most code does: batches of 128 from the host, the loss of each asked for at once."""
    module = copy.deepcopy(one.network.module).eval().to(one.device)
    inputs, targets = one.samples.batch(0, len(one.samples))

    def loop() -> float:
        total = 0.0
        with torch.no_grad():
            for batch, labels in zip(inputs.split(128), targets.split(128), strict=True):
                outputs = module(batch.to(one.device))
                total += F.cross_entropy(outputs, labels.to(one.device), reduction="sum").item()
        return total / len(targets)

    return loop


def _pyhessian(one: Objective, batches: int, size: int) -> np.ndarray:
    from pyhessian import hessian as solver

    module = copy.deepcopy(one.network.module).eval().to(one.device)
    found = []
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index in range(batches):
            data: tuple[Tensor, Tensor] = one.samples.batch(index * size, (index + 1) * size)
            there = tuple(each.to(one.device) for each in data)
            made = solver(module, nn.CrossEntropyLoss(), data=there, cuda=one.device.type == "cuda")
            found.append(made.eigenvalues(top_n=5)[0])
    return np.array(found)


def _of_traffic(case: str, seen: Traffic) -> dict[str, Any]:
    return {
        "case": case,
        "operations": seen.operations,
        "waits": dict(seen.waits),
        "uploaded_bytes": seen.uploads,
        "host_tensors": dict(seen.strangers),
        "float64": dict(seen.wide),
    }


def _time(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g} s" if value >= 0.1 else f"{1000 * value:.3g} ms"


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure, print, write JSON and fill the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="a test of the script, on the CPU")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--page", type=Path, default=PAGE, help="the page whose table is filled")
    chosen = parser.parse_args()
    if not chosen.tiny and not torch.cuda.is_available():
        parser.error("this machine has no usable CUDA device; --tiny tests the script on a CPU")
    rows = measured(TINY if chosen.tiny else CARD)
    for each in rows:
        print(json.dumps(each))
    print(write(chosen.out, "gpu-tiny" if chosen.tiny else "gpu", rows))
    text = table(rows, str(environment()["gpu"] or environment()["processor"]))
    print(text)
    if not chosen.tiny or chosen.page != PAGE:
        chosen.page.write_text(filled(chosen.page.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
