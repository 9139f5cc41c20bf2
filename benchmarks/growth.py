"""How time and memory grow with parameters, samples, eigenvalues and points of a surface.

    python -m benchmarks.growth [--only samples] [--figure docs/images/growth.png] --out benchmarks/results

Each size is measured in a process of its own, whose peak memory is that of the case and what it imports. The
exponent is the slope of a straight line through the logarithms: 1 where twice as much takes twice as long.
Networks of which nothing has been learned have random weights of a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.environment import write
from benchmarks.gpu import objective, seconds
from benchmarks.hessian import images
from landscape import family, hessian, surface
from landscape.figures import style
from landscape.numbers import plain_number
from landscape.objective import Objective
from landscape.zoo import build, parse

NETWORKS = {
    "ResNet-20": ("cifar-resnet20", 64, 32),
    "ViT-Ti": ("vit_ti:image=224,patch=16", 16, 224),
    "ResNet-18": ("resnet18", 64, 32),
    "ResNet-50": ("resnet50:stem=imagenet", 16, 224),
}
"""As the zoo has them, with how many images of which size."""
ROOT = Path(__file__).resolve().parent.parent
BASE = "imports"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def by_parameters(size: int) -> dict[str, Any]:
    """A product and a forward pass of the network of so many parameters, per image."""
    name = next(name for name in NETWORKS if _parameters(name) == size)
    spec, count, pixels = NETWORKS[name]
    one = objective(spec, count, pixels, "cpu").replace(micro_batch=16)
    one.checked("product")
    matrix, vector = one.curvature(), one.free
    matrix(vector)  # builds the graphs
    return {
        "network": f"{name}, {pixels}²",
        "images": count,
        "seconds": min(seconds(lambda: matrix(vector), "cpu") for _ in range(3)) / count,
        "forward_seconds": min(seconds(one.value, "cpu") for _ in range(3)) / count,
    }


def by_samples(size: int) -> dict[str, Any]:
    """A product over so many images with a ResNet-8 of 4 channels, once the graphs that stay are built."""
    one = objective("cifar-resnet8:width=4", 8, 32, "cpu")
    one = Objective(one.network, images(size))
    one.checked("product")
    matrix, vector = one.curvature(), one.free
    matrix(vector)
    return {"seconds": seconds(lambda: matrix(vector), "cpu")}


def by_eigenvalues(size: int) -> dict[str, Any]:
    """So many eigenvalues over 128 images of a trained ResNet-20."""
    one, held = Objective(family.load("gap"), images(128)), []
    one.checked("product")
    spent = seconds(lambda: held.append(hessian.top_eigenvalues(one, size)), "cpu")
    return {"seconds": spent, "products": int(held[0].products)}


def by_points(size: int) -> dict[str, Any]:
    """A surface of so many points over 256 images of a trained ResNet-20."""
    one = Objective(family.load("gap"), images(256))
    one.value()
    directions, steps = surface.random(one), round(size**0.5)
    grid = (surface.axis(0.5, steps),) * 2
    return {"seconds": seconds(lambda: surface.surface(one, directions, grid), "cpu")}


@dataclass(frozen=True)
class Axis:
    """What grows.

    Attributes:
        label: Its name on the figure.
        measured: What time is that of.
        sizes: How far.
        measure: Size → seconds, and more.
    """

    label: str
    measured: str
    sizes: Callable[[], Sequence[int]]
    measure: Callable[[int], dict[str, Any]]


AXES = {
    "parameters": Axis(
        "parameters",
        "one product, per image",
        lambda: sorted(map(_parameters, NETWORKS)),
        by_parameters,
    ),
    "samples": Axis("samples", "one product", lambda: (100, 1000, 10_000, 100_000), by_samples),
    "eigenvalues": Axis("eigenvalues", "search, 128 images", lambda: (1, 2, 5, 10, 20, 40), by_eigenvalues),
    "points": Axis("points of a surface", "surface, 256 images", lambda: (25, 121, 441, 1681), by_points),
}


def one(axis: str, size: int) -> dict[str, Any]:
    """One size, measured here; peak memory is that of this process, in bytes."""
    found = {"size": size} | (AXES[axis].measure(size) if axis in AXES else {})
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return found | {"bytes": peak * 1024}


def apart(axis: str, size: int) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "--one", axis, str(size)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Slope of the least-squares line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def beyond(row: dict[str, Any]) -> list[float]:
    """Peak memory beyond what imports take, in bytes; per image where sizes have numbers of images."""
    return [max(each["bytes"] - row["base_bytes"], 1) / each.get("images", 1) for each in row["points"]]


def row(axis: str) -> dict[str, Any]:
    """All sizes of an axis, and the exponents of time and of memory beyond what imports take."""
    found = [apart(axis, size) for size in AXES[axis].sizes()]
    sizes = [each["size"] for each in found]
    line = {
        "case": axis,
        "measured": AXES[axis].measured,
        "base_bytes": apart(BASE, 0)["bytes"],
        "points": found,
    }
    return line | {
        "time_exponent": exponent(sizes, [each["seconds"] for each in found]),
        "memory_exponent": exponent(sizes, beyond(line)),
    }


def drawn(rows: Sequence[dict[str, Any]]) -> Figure:
    """Time above, memory below, an axis a column; straight lines are the fits."""
    with style.context():
        figure = Figure(figsize=(style.TWO_COLUMN, 3.0), layout="constrained")
        panels = figure.subplots(2, len(rows), sharex="col", squeeze=False)
        for column, each in zip(panels.T, rows, strict=True):
            points = each["points"]
            sizes = np.array([point["size"] for point in points], float)
            _panel(column[0], sizes, [point["seconds"] for point in points], each["time_exponent"])
            _panel(column[1], sizes, [value / 1e9 for value in beyond(each)], each["memory_exponent"])
            column[0].set_title(each["measured"])
            column[1].set_xlabel(AXES[each["case"]].label)
            for point in points:
                if "network" in point:
                    _name(column[0], point["network"], point["size"], point["seconds"])
        panels[0, 0].set_ylabel("seconds")
        panels[1, 0].set_ylabel("GB beyond imports")
    return figure


def _panel(axis: Axes, sizes: np.ndarray, values: Sequence[float], slope: float) -> None:
    centre = float(np.exp(np.mean(np.log(values))))
    fitted = centre * (sizes / np.exp(np.mean(np.log(sizes)))) ** slope
    axis.loglog(sizes, fitted, color="0.6", linewidth=0.8)
    axis.loglog(sizes, values, "o", color=style.PALETTE[0])
    axis.text(0.03, 1.0, f"∝ n^{slope:.2f}", transform=axis.transAxes, va="top", color="0.4")
    axis.set_ylim(min(*values, centre / 5) / 1.6, max(*values, centre * 5) * 2.5)
    axis.set_xlim(sizes.min() / 2, sizes.max() * 2)
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_locator(LogLocator(numticks=5))
        each.set_major_formatter(FuncFormatter(_tick))
        each.set_minor_formatter(NullFormatter())


def _tick(value: float, _: int) -> str:
    power = round(np.log10(value))
    return plain_number(value) if power < 5 else "10" + str(power).translate(_RAISED)


def _name(axis: Axes, name: str, size: float, value: float) -> None:
    right = name.startswith("ResNet-20")
    axis.annotate(
        name, (size, value), (4 if right else -4, 0), textcoords="offset points", va="center",
        ha="left" if right else "right", fontsize=6,
    )  # fmt: skip


def _parameters(name: str) -> int:
    return sum(value.numel() for value in build(parse(NETWORKS[name][0]), seed=0).parameters())


def main() -> None:
    """Measure, write JSON and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=list(AXES), action="append")
    parser.add_argument("--one", nargs=2, metavar=("AXIS", "SIZE"), help="measure one size in this process")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--again", type=Path, metavar="JSON", help="draw what was measured before")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(one(chosen.one[0], int(chosen.one[1]))))
        return
    rows = json.loads(chosen.again.read_text())["rows"] if chosen.again else []
    for name in [] if chosen.again else chosen.only or AXES:
        rows.append(row(name))
        print(json.dumps(rows[-1]), flush=True)
    if not chosen.again:
        print(write(chosen.out, "growth-cpu", rows))
    if chosen.figure:
        drawn(rows).savefig(chosen.figure, dpi=200)


if __name__ == "__main__":
    main()
