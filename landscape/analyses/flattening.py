"""What the fair test of flattening measures (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from landscape.analyses.compare import Measurement
from landscape.analyses.experiment import Experiment, Work
from landscape.analyses.settings import Settings
from landscape.hessian import PROTOCOLS
from landscape.network import Network


def of_flattening(
    experiment: Experiment, settings: Settings, networks: Sequence[Network], first: Sequence[Network]
) -> Work:
    """What docs/protocol.md asks for, of every network; of seed 0 the surfaces of P1's Fig. 7 as well.

    Args:
        experiment: Gives the sizes.
        settings: The protocol; its samples are those of surface and flatness.
        networks: All of them.
        first: Those of seed 0.
    """
    sizes, paper = experiment.sizes, PROTOCOLS["p2"]
    few = {**sizes, "batches": sizes["few"]}
    fitted = replace(settings, weight_decay=0.0, at_most=False)
    flat = {"repeats": sizes["directions"], "radii": [0.1, 0.2]}
    test = replace(settings, split="test", at_most=False)
    small = _frozen(settings, paper.batch_size * sizes["batches"], "fresh")
    every = [
        _sharpest(settings, sizes),
        _sharpest(settings, sizes, dropout="off", condition="off"),
        _sharpest(settings, few, coordinates="filter", condition="filter"),
        Measurement("spectrum", small, {"batch_size": paper.batch_size, "k": paper.k}, condition="p2"),
        Measurement("trace", replace(fitted, samples=sizes["traced"]), {"probes": sizes["probes"]}),
        Measurement("flatness", fitted, flat),
        Measurement("flatness", fitted, {**flat, "norm": "paper"}, condition="paper"),
        *_fitted(experiment, settings),
        Measurement("evaluation", replace(test, samples=0)),
        Measurement(
            "ensemble",
            replace(test, samples=sizes["predictions"], dropout="fresh"),
            {"passes": sizes["passes"]},
            stochastic=True,
        ),
    ]
    grid = {"span": sizes["span"], "steps": sizes["steps"], "norm": "paper"}
    return [(networks, every), (first, [Measurement("surface", fitted, grid)])]


def flattening_along(experiment: Experiment, settings: Settings) -> list[Measurement]:
    """The primary measure of docs/protocol.md on fewer mini-batches, the fit, and the feature maps."""
    few = {**experiment.sizes, "batches": experiment.sizes["few"]}
    return [_sharpest(settings, few, condition="along"), *_fitted(experiment, settings)]


def _sharpest(
    settings: Settings, sizes: Mapping[str, Any], *, dropout: str = "fresh", condition: str = "", **how: Any
) -> Measurement:
    """The largest eigenvalue of the NLL on mini-batches of augmented training images."""
    samples = _frozen(settings, sizes["batch_size"] * sizes["batches"], dropout)
    options = {"batch_size": sizes["batch_size"], "k": 1, "tolerance": 1e-3, **how}
    return Measurement("spectrum", replace(samples, weight_decay=0.0), options, condition=condition)


def _frozen(settings: Settings, samples: int, dropout: str) -> Settings:
    """The first training images under one crop and flip each."""
    return replace(settings, samples=samples, at_most=False, augment=settings.seed, dropout=dropout)


def _fitted(experiment: Experiment, settings: Settings) -> list[Measurement]:
    """How well a network fits what it was trained on, dropout on, and the feature maps of test images."""
    train = replace(_frozen(settings, experiment.images, "fresh"), weight_decay=0.0)
    maps = replace(settings, split="test", samples=experiment.sizes["maps"], dropout="fresh", at_most=False)
    return [
        Measurement("evaluation", train, condition="train"),
        Measurement("features", maps, {"draws": experiment.sizes["draws"]}),
    ]
