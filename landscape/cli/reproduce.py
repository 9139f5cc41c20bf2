"""`landscape reproduce`: the whole experiment from nothing, in stages that resume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from landscape.cli.help import Command
from landscape.cli.measuring import option
from landscape.cli.options import DEVICE, JSON, MAX_INPUT, QUIET, Request, output, say
from landscape.work import bar, silent

if TYPE_CHECKING:
    from landscape.analyses.reproduction import Run
    from landscape.network import Network

SAMPLES = 500
"""Images that surface and flatness are measured on."""


@click.command(
    "reproduce",
    cls=Command,
    own="Experiment",
    examples=(
        "landscape reproduce --data cifar10:data --forecast",
        "landscape reproduce --data cifar10:data --size few --seeds 1 --out experiment",
    ),
)
@option(
    "--size",
    "The shipped family's nine ResNet-20s; three of half the width; two trained for 60 epochs on "
    "5,000 images; three ResNet-18s of half width as close to P1 as a CPU allows (docs/protocol.md); "
    "ResNet-18 of full width as in the papers; or a ResNet, an AlterNet and a vision transformer on "
    "10,000 images.",
    "small",
    choices=("small", "narrow", "few", "fair", "paper", "attention"),
)
@option(
    "--data",
    "All of CIFAR-10: cifar10:DIR (`landscape data cifar10 DIR`).",
    required=True,
    group="Data",
    metavar="SPEC",
)
@MAX_INPUT
@option("--seeds", "Seeds of each network.", 3, least=1)
@option(
    "--only", "Only this network, or seed of one (gap-seed2); may be repeated.", multiple=True, metavar="NAME"
)
@option("--forecast", "Say how long the training will take, and stop.", False)
@output("Folder of everything.", "landscape-out/reproduction", metavar="DIR")
@DEVICE
@JSON
@QUIET
def command(
    size: str,
    data: str,
    seeds: int,
    only: tuple[str, ...],
    forecast: bool,
    out: str,
    device: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train and measure every network of the experiment.

    All are measured alike, and what each factor changed is said.

    Call it again to go on where it was stopped: finished networks, epochs and measurements are kept.
    """
    from landscape import data as datasets
    from landscape.analyses import compare, reproduction
    from landscape.analyses.settings import resolve_device
    from landscape.cli.compare import run

    experiment = reproduction.EXPERIMENTS[size]
    wanted = reproduction.runs(experiment, seeds, only)
    samples = datasets.load(data, split="train")
    if experiment.images:
        samples = samples.take(experiment.images)
    place = str(resolve_device(device))
    if forecast:
        _foretell(reproduction.forecast(experiment, wanted, samples, device=place), as_json)
        return
    request = _request(data, device, as_json, quiet)
    paths = reproduction.trained(
        experiment,
        wanted,
        samples,
        Path(out) / "checkpoints",
        device=place,
        progress=silent if quiet else bar,
        say=request.say,
    )
    networks = [request.network(path) for path in paths]
    reproduction.save_curves(networks, Path(out) / "training.csv")
    first = [network for network, one in zip(networks, wanted, strict=True) if one.seed == 0]
    work = experiment.work(experiment, request.settings(), networks, first)
    if experiment.kept:
        along = _kept(request, wanted, Path(out))
    else:
        along = _halfway(request, wanted, experiment.recipe.epochs, Path(out))
    measured = experiment.along(experiment, request.settings())
    compare(along, measured, Path(out) / "epochs", progress=request.progress, say=request.say)
    run(request, work, Path(out), "reproduce")


def _halfway(request: Request, wanted: Sequence[Run], epochs: int, out: Path) -> list[Network]:
    """Measure the paths of training, beside the others (`landscape verdicts OUT OUT/epochs`).

    Returns:
        The networks half-way.
    """
    from landscape.analyses.trajectories import kept_checkpoints, saved_trajectory

    settings, half = request.settings(), []
    for run in wanted:
        found = kept_checkpoints(out / "checkpoints", run.name)
        if found:
            request.say(f"{run.name}: path of training")
            saved_trajectory([request.network(each) for each in found], settings, out / "epochs")
            half.append(request.network(found[epochs // 2]))
    return half


def _kept(request: Request, wanted: Sequence[Run], out: Path) -> list[Network]:
    """The trained part of the way of each network, its end included, under names of their own."""
    folder = out / "checkpoints"
    return [
        request.network(each)
        for run in wanted
        for each in sorted(folder.glob(f"{run.name}-epoch[0-9][0-9][0-9].safetensors"))[1:]
    ]


def _request(data: str, device: str, as_json: bool, quiet: bool) -> Request:
    """The protocol of the comparison: that of `landscape demo`, on all of the data."""
    from landscape.family import WEIGHT_DECAY

    return Request(
        data=data,
        split="train",
        samples=SAMPLES,
        weight_decay=WEIGHT_DECAY,
        dropout="fixed",
        device=device,
        as_json=as_json,
        quiet=quiet,
    )


def _foretell(seconds: dict[str, float], as_json: bool) -> None:
    from landscape.cli.measuring import emit

    total = sum(seconds.values())
    if as_json:
        emit({"command": "reproduce", "forecast": seconds, "seconds": total})
        return
    for name, each in seconds.items():
        say(f"{name:<32}{each / 60:>8.1f} min")
    hours = f"{total / 3600:.1f} hours on this machine"
    say(f"{len(seconds)} networks to train, one after the other: {hours}")
