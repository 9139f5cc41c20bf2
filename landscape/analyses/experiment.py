"""An experiment: what it trains, how, and what it measures of it; by default what P1's pictures take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from landscape.analyses.compare import Measurement
from landscape.analyses.plans import conditions, panel_plan, plan
from landscape.analyses.settings import Settings
from landscape.network import Network
from landscape.recipe import Recipe
from landscape.zoo import operated

Work = list[tuple[Sequence[Network], list[Measurement]]]
"""Networks, and what is measured of each of them."""


def of_smoothing(
    experiment: Experiment, settings: Settings, networks: Sequence[Network], first: Sequence[Network]
) -> Work:
    """What is measured of every network, and what of seed 0 of each alone: the pictures of P1.

    Args:
        experiment: Gives the sizes.
        settings: The protocol; its samples are those of surface and flatness.
        networks: All of them.
        first: Those of seed 0.
    """
    usual = plan(settings, **experiment.sizes)
    every = [each for each in usual if each.kind != "surface"]
    maps = next(each for each in usual if each.kind == "features")
    off = replace(maps.settings, dropout="off")
    every.append(Measurement("features", off, {"draws": 1}, stochastic=True, condition="off"))
    shared = {
        name: experiment.sizes[name] for name in ("batch_size", "directions") if name in experiment.sizes
    }
    every += conditions(settings, **shared)
    panels = panel_plan(settings, **experiment.pictures)
    every += [each for each in panels if each.kind == "ensemble"]
    once = [each for each in usual if each.kind == "surface"]
    once += [each for each in panels if each.kind != "ensemble"]
    ensembles = [each for each in every if each.kind == "ensemble" and each.condition]
    return [(networks, every), (first, once), (turns(first), ensembles)]


def turns(networks: Sequence[Network]) -> list[Network]:
    """Networks with MC dropout and no smoothing of their own, blurred after one stage in turn (P1 Fig. B.5).

    Put in after training: that shows which place matters, not what training with it would give.

    Args:
        networks: Of the zoo; others are passed over.
    """
    return [
        operated(network, f"blur@smooth{stage}")
        for network in networks
        if (config := network.config or {}).get("dropout")
        and config.get("head") == "gap"
        and not (config.get("smoothing") or config.get("preactivation"))
        for stage in (1, 2, 3)
    ]


def landscape_along(experiment: Experiment, settings: Settings) -> list[Measurement]:
    """The usual spectrum and flatness."""
    return [each for each in plan(settings, **experiment.sizes) if each.kind in ("spectrum", "flatness")]


def nothing(experiment: Experiment, settings: Settings) -> list[Measurement]:
    """What an experiment measures along the training by default."""
    return []


@dataclass(frozen=True)
class Experiment:
    """Networks to compare, and one recipe for all of them.

    Attributes:
        models: Specification of each network by name.
        recipe: How to train; the seed is that of each run.
        images: How many training images, the first ones of the data; 0 for all.
        sizes: What a comparison measures, options of `landscape.analyses.plan`.
        pictures: What else the papers' panels take, options of `landscape.analyses.plans.panel_plan`.
        work: What is measured of which network: of the experiment, the protocol, all networks and seed 0.
        along: What is measured of checkpoints along the training as well; nothing by default.
        kept: Epochs between the checkpoints that are kept of every network, all of which are measured along
            the training; 0 keeps every epoch of the last seed, and measures its middle one.
    """

    models: Mapping[str, str]
    recipe: Recipe
    images: int = 0
    sizes: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)
    work: Callable[[Experiment, Settings, Sequence[Network], Sequence[Network]], Work] = of_smoothing
    along: Callable[[Experiment, Settings], list[Measurement]] = nothing
    kept: int = 0
