"""An experiment from nothing: its runs, what is shipped or finished already, and the time it will take."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

from landscape import family
from landscape.analyses.experiments import EXPERIMENTS, Experiment
from landscape.errors import LandscapeError
from landscape.files import atomic_path, write_text
from landscape.network import Network
from landscape.samples import Samples
from landscape.train import sweep, train
from landscape.work import Progress, silent
from landscape.zoo import parse

__all__ = ["EXPERIMENTS", "Experiment", "Run", "forecast", "missing", "runs", "save_curves", "trained"]

_STEPS = 4
"""Training steps that a forecast is measured on."""


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
        only: Names of networks, `gap`, or of runs, `gap-seed1`; all by default.

    Raises:
        LandscapeError: If a name is none of the experiment's.
    """
    every = {
        Run(f"{name}-seed{seed}", model, seed): name
        for seed in range(seeds)
        for name, model in experiment.models.items()
    }
    unknown = set(only) - set(every.values()) - {run.name for run in every}
    if unknown:
        known = f"{', '.join(experiment.models)}, each also with -seed0 to -seed{seeds - 1}"
        raise LandscapeError(f"no network is called {min(unknown)!r}; there are {known}")
    return [run for run, name in every.items() if not only or {name, run.name} & set(only)]


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

    Seed 0 of a shipped network is taken from the package where it was made by this recipe. Where
    the experiment keeps no epochs of every seed, all those of the last one are kept, see
    `landscape.analyses.trajectories`.

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
                keep_every=experiment.kept or int(run.seed == last),
                progress=progress,
                report=lambda row: say("  epoch {epoch}: loss {loss:.4f}, {seconds} s".format(**row)),
                note=lambda sentence: say(f"  {sentence}"),
            )
        yield out


def save_curves(networks: Sequence[Network], path: Path) -> None:
    """Training NLL and accuracy after every epoch, as their checkpoints record them, as a CSV table.

    Args:
        networks: Of one experiment; a table that is there keeps the rows of others.
        path: Where to.
    """
    names, rows = {network.name for network in networks}, []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row.get("network") not in names]
    for network in networks:
        rows += [{"network": network.name, **row} for row in network.training.get("history") or []]
    text = io.StringIO()
    table = csv.DictWriter(
        text, ("network", "epoch", "loss", "accuracy"), extrasaction="ignore", lineterminator="\n"
    )
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


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
