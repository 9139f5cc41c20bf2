"""What goes on between the simulated card and its host, as JSON; run in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.placement import watched
from landscape import features, predictive
from landscape.objective import Objective
from landscape.samples import Samples
from landscape.surface.plane import point
from landscape.zoo import build, parse
from tests.device.card import NAME, Simulated, register
from tests.distributed.jobs import Attention

SAMPLES = 12


def networks() -> dict[str, Callable[[], tuple[nn.Module, Samples, dict[str, Any]]]]:
    """A residual network with BatchNorm, a transformer, and MC dropout."""

    def images() -> Samples:
        generator = torch.Generator().manual_seed(0)
        return Samples(torch.randn(SAMPLES, 3, 8, 8, generator=generator), torch.arange(SAMPLES) % 10)

    def attention() -> tuple[nn.Module, Samples, dict[str, Any]]:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = Attention()
        inputs = torch.linspace(-1, 1, SAMPLES * 20).reshape(SAMPLES, 5, 4)
        return network, Samples(inputs, torch.arange(SAMPLES) % 3), {"weight_decay": 0.1}

    def zoo(spec: str, **options: Any) -> tuple[nn.Module, Samples, dict[str, Any]]:
        return build(parse(spec), seed=0).eval(), images(), options

    return {
        "resnet": lambda: zoo("cifar-resnet8:width=2"),
        "attention": attention,
        "masks": lambda: zoo("cifar-resnet8:width=2,dropout=0.2", dropout="fixed"),
    }


def works(objective: Objective) -> dict[str, Callable[[], Any]]:
    """What is looked at, each after it has run once."""
    hessian, ggn = objective.curvature(), objective.curvature(kind="ggn")
    theta = {name: 1.01 * value for name, value in objective.parameters.items()}
    return {
        "gradient": lambda: objective.gradient(theta),
        "product": lambda: hessian(objective.free),
        "ggn": lambda: ggn(objective.free),
        "point": lambda: point(objective, theta, draw=0),
        "prediction": lambda: predictive.evaluate(objective),
    }


def of_maps(objective: Objective) -> dict[str, Callable[[], Any]]:
    """Feature maps of images."""
    return {"features": lambda: features.measure(objective)}


def looked_at(name: str, micro_batch: int, device: str) -> dict[str, Any]:
    """Numbers and traffic of one network."""
    network, samples, options = networks()[name]()
    objective = Objective(network, samples, device=device, micro_batch=micro_batch, **options)
    every = works(objective) | (of_maps(objective) if name == "resnet" else {})
    found: dict[str, Any] = {}
    for what, work in every.items():
        work()
        with watched(device) as seen:
            numbers = work()
        found[what] = {"numbers": _flat(numbers), **vars(seen)}
    return found


def faults() -> dict[str, Any]:
    """What each fault looks like, one at a time."""
    here, there = torch.arange(4.0).to(NAME), torch.arange(4.0)
    made = {
        "mixes": lambda: here + there,
        "a number of the host": lambda: here + torch.tensor(2.0),
        "asks": lambda: float(here[1]),
        "fetches": lambda: here.cpu(),
        "chooses": lambda: here[here > 1],
        "widens": lambda: here.double(),
        "uploads": lambda: there.to(NAME),
        "stays": lambda: (here * 2).sum(),
    }
    found = {}
    for name, work in made.items():
        with watched(NAME) as seen:
            work()
        found[name] = vars(seen)
    return found


def _flat(numbers: Any) -> list[float]:
    """A digest of what came out: sums of everything in it."""
    if hasattr(numbers, "data_vars"):
        numbers = {name: each.values for name, each in numbers.data_vars.items() if each.dtype.kind == "f"}
    return [float(torch.as_tensor(each).to("cpu").double().nan_to_num().sum()) for each in numbers.values()]


def main() -> None:
    """Print one JSON object: by network, on the CPU, and on the card in three and in four micro-batches."""
    register()
    with Simulated():
        found: dict[str, Any] = {"faults": faults()}
    for name in networks():
        with Simulated():
            card = {size: looked_at(name, size, NAME) for size in (4, 3)}
        found[name] = {"cpu": looked_at(name, 4, "cpu"), "three": card[4], "four": card[3]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
