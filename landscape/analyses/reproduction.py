"""The experiment behind the comparison, from nothing: which networks to train, how, and what to measure."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from landscape import family
from landscape.analyses.compare import Measurement
from landscape.analyses.plans import conditions, panel_plan, plan
from landscape.analyses.settings import Settings
from landscape.errors import LandscapeError
from landscape.files import atomic_path
from landscape.network import Network
from landscape.samples import Samples
from landscape.train import Recipe, sweep, train
from landscape.work import Progress, silent
from landscape.zoo import operated, parse

_STEPS = 4
"""Training steps that a forecast is measured on."""


@dataclass(frozen=True)
class Experiment:
    """Networks one factor apart, and one recipe for all of them.

    Attributes:
        models: Specification of each network by name.
        recipe: How to train; the seed is that of each run.
        images: How many training images, the first ones of the data; 0 for all.
        sizes: What a comparison measures, options of `landscape.analyses.plan`.
        pictures: What else the papers' panels take, options of `landscape.analyses.plans.panel_plan`.
    """

    models: Mapping[str, str]
    recipe: Recipe
    images: int = 0
    sizes: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)


def _full_size(dropout: str, prefix: str) -> dict[str, str]:
    """ResNet-18 as in the paper, with each head and each factor."""
    suffix = f",{dropout}" if dropout else ""
    alone = f":{dropout}" if dropout else ""
    return {
        f"{prefix}mlp": f"resnet18:head=mlp{suffix}",
        f"{prefix}gap": f"resnet18{alone}",
        f"{prefix}gap-blur": f"resnet18:blur{suffix}",
        f"{prefix}gap-relu6": f"resnet18:kernel=1,prob=relu6{suffix}",
        f"{prefix}gap-preact": f"preresnet18{alone}",
    }


_SMALL = Experiment(
    family.MODELS,
    Recipe(epochs=17, learning_rate=0.1, precision="bfloat16"),
    sizes={"batch_size": 64, "batches": 8, "span": 0.5, "steps": 25},
    pictures={"predictions": 2000, "corrupted": 100, "density": 128, "probes": 2, "density_steps": 40},
)

EXPERIMENTS: dict[str, Experiment] = {
    "small": _SMALL,
    "narrow": replace(
        _SMALL,
        models={
            "narrow-mlp": "cifar-resnet20:width=8,head=mlp,hidden=128",
            "narrow-gap": "cifar-resnet20:width=8",
            "narrow-gap-blur": "cifar-resnet20:width=8,blur",
        },
    ),
    "few": replace(
        _SMALL,
        models={f"few-{name}": family.MODELS[name] for name in ("gap", "gap-blur")},
        recipe=replace(_SMALL.recipe, epochs=60),
        images=5000,
    ),
    "paper": Experiment(
        _full_size("", "") | _full_size("dropout=0.3", "mcd-"),
        Recipe(epochs=30, learning_rate=0.1, schedule="step", precision="bfloat16"),
        sizes={"maps": 1000, "batch_size": 128, "batches": 32, "span": 0.5, "directions": 20},
    ),
}
"""`small`: the shipped family, about 11 minutes a network on two cores. `narrow`: half its width. `few`: a
tenth of the images for 60 epochs, until it fits them. `paper`: ResNet-18 of full width."""


@dataclass(frozen=True)
class Run:
    """One network to train.

    Attributes:
        name: Of the network and its file, such as `gap-seed1`.
        model: Its specification.
        seed: Of its training.
    """

    name: str
    model: str
    seed: int


def runs(experiment: Experiment, seeds: int, only: Sequence[str] = ()) -> list[Run]:
    """Every network of an experiment, seed by seed, so that one that is stopped has whole families.

    Args:
        experiment: One of `EXPERIMENTS`.
        seeds: How many of each.
        only: Names of networks; all by default.

    Raises:
        LandscapeError: If a name is none of the experiment's.
    """
    unknown = [name for name in only if name not in experiment.models]
    if unknown:
        raise LandscapeError(f"no network is called {unknown[0]!r}; there are {', '.join(experiment.models)}")
    return [
        Run(f"{name}-seed{seed}", model, seed)
        for seed in range(seeds)
        for name, model in experiment.models.items()
        if not only or name in only
    ]


def trained(
    experiment: Experiment,
    wanted: Sequence[Run],
    samples: Samples,
    folder: Path,
    *,
    device: str = "cpu",
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[Path]:
    """The checkpoint of each run, trained where it is not there yet; epochs survive a kill.

    Seed 0 of a shipped network is taken from the package where it was made by this recipe. Of the last seed
    every epoch is kept, see `landscape.analyses.trajectories`.

    Args:
        experiment: Gives the recipe.
        wanted: Of `runs`.
        samples: Training images, as many as the experiment says.
        folder: Where checkpoints go.
        device: Where to train.
        progress: Shows the steps of an epoch.
        say: Receives a line for each run and epoch.
    """
    last = max((run.seed for run in wanted), default=0)
    for position, run in enumerate(wanted, 1):
        out = folder / f"{run.name}.safetensors"
        say(f"[{position}/{len(wanted)}] {run.name}")
        if out.exists():
            sweep(out)  # training may have been killed before that
        elif _is_shipped(experiment, run):
            _copy_shipped(run, out)
        else:
            train(
                parse(run.model),
                samples,
                replace(experiment.recipe, seed=run.seed),
                out,
                device=device,
                keep_every=int(run.seed == last),
                progress=progress,
                report=lambda row: say("  epoch {epoch}: loss {loss:.4f}, {seconds} s".format(**row)),
                note=lambda sentence: say(f"  {sentence}"),
            )
        yield out


def missing(experiment: Experiment, wanted: Sequence[Run], folder: Path) -> list[Run]:
    """The runs that have to be trained: neither finished nor shipped."""
    return [
        run
        for run in wanted
        if not (folder / f"{run.name}.safetensors").exists() and not _is_shipped(experiment, run)
    ]


def _is_shipped(experiment: Experiment, run: Run) -> bool:
    """Whether the package holds the network of this run, made by the same recipe."""
    name = run.name.removesuffix("-seed0")
    if name == run.name or family.MODELS.get(name) != run.model:
        return False
    made = family.load(name).training.get("recipe") or {}
    ours = replace(experiment.recipe, seed=0).to_dict()
    return {key: made.get(key) for key in ours} == ours


def _copy_shipped(run: Run, out: Path) -> None:
    name = f"{run.name.removesuffix('-seed0')}.safetensors"
    with as_file(files("landscape.family") / name) as source, atomic_path(out) as draft:
        shutil.copyfile(source, draft)


def forecast(
    experiment: Experiment, wanted: Sequence[Run], samples: Samples, *, device: str = "cpu"
) -> dict[str, float]:
    """Seconds that the training of each run will take, from a few steps of each model.

    What every training does once is counted with the steps, so that it is a little too long.

    Args:
        experiment: Gives the recipe.
        wanted: Of `runs`.
        samples: Training images, as many as the experiment says.
        device: Where to train.
    """
    recipe = experiment.recipe
    steps = recipe.epochs * -(-len(samples) // recipe.batch_size)
    few = samples.take(min(_STEPS * recipe.batch_size, len(samples)))
    measured = -(-len(few) // recipe.batch_size)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:

        def once(model: str, attempt: int) -> float:
            started = time.perf_counter()
            out = Path(scratch) / f"{len(seconds)}-{attempt}.safetensors"
            train(parse(model), few, replace(recipe, epochs=1), out, device=device)
            return time.perf_counter() - started

        for model in dict.fromkeys(run.model for run in wanted):
            best = min(once(model, attempt) for attempt in range(2))
            seconds[model] = best / measured * steps
    return {run.name: seconds[run.model] for run in wanted}


def measurements(experiment: Experiment, settings: Settings) -> tuple[list[Measurement], list[Measurement]]:
    """What is measured of every network, and what of one seed of each alone: the pictures.

    Args:
        experiment: Gives the sizes.
        settings: The protocol; its samples are those of surface and flatness.
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
    return every, once + [each for each in panels if each.kind != "ensemble"]


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
