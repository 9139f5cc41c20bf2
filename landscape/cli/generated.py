"""The command of a kind of result that has no file of its own here: made from the record of the kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import (
    Part,
    Summary,
    checked,
    emit,
    measure,
    measured,
    option,
    with_options,
)
from landscape.cli.options import CHECKPOINT, OUT, Request, output, protocol_options, result_path, say
from landscape.errors import ArgumentError, DataError
from landscape.results.kinds import KINDS, Kind, Option, imported

if TYPE_CHECKING:
    import xarray as xr

    from landscape.network import Network


def command(kind: Kind) -> click.Command:
    """`landscape KIND CKPT`, with the options of the record besides those of the protocol.

    Args:
        kind: The record.
    """
    examples = kind.examples or (f"landscape {kind.name} net.safetensors",)
    if kind.together:
        return several(kind, examples)

    @click.command(kind.name, cls=Command, help=kind.summary, examples=examples)
    @CHECKPOINT
    @with_options([_option(record) for record in kind.options])
    @OUT
    @protocol_options(samples=kind.samples, dropout=kind.dropout or "off", split=kind.split)
    def run(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
        network = request.network(checkpoint)
        path = result_path(out, network, kind.name)
        objective = request.settings().objective(network)
        options |= _opposite(request, kind, network)
        measure(request, kind.name, path, Part(kind.name, objective, summary, options))

    return run


def several(kind: Kind, examples: Sequence[str]) -> click.Command:
    """`landscape KIND CKPT…`: each checkpoint's result by itself, and one answer for all.

    Args:
        kind: The record.
        examples: Command lines for the help page.
    """

    @click.command(kind.name, cls=Command, help=kind.summary, examples=examples)
    @click.argument("checkpoints", metavar="CKPT[@SPEC]...", nargs=-1, required=True, type=click.Path())
    @with_options([_option(record) for record in kind.options])
    @output("The dataset, or for several checkpoints their folder.  [default: landscape-out]", metavar="PATH")
    @protocol_options(samples=kind.samples, dropout=kind.dropout or "off", split=kind.split)
    def run(request: Request, checkpoints: Sequence[str], out: str | None, **options: Any) -> None:
        networks = [request.network(path) for path in checkpoints]
        paths = _paths(networks, kind.name, out)
        settings = request.settings()
        samples = settings.load_samples()
        results = {}
        for network, path in zip(networks, paths, strict=True):
            chosen = options | _opposite(request, kind, network)
            part = Part(kind.name, settings.objective(network, samples), summary, chosen)
            results[network.name] = measured(request, part, path)
        _answer(request, kind, results, paths)

    return run


def _paths(networks: Sequence[Network], kind: str, out: str | None) -> list[Path]:
    """Where the results go, one for each network."""
    if len(networks) == 1:
        return [result_path(out, networks[0], kind)]
    names = [network.name for network in networks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ArgumentError(f"two networks are called {twice!r}; rename a file, results are told apart by it")
    return [
        result_path(str(Path(out or "landscape-out") / f"{name}-{kind}.zarr"), each, kind)
        for name, each in zip(names, networks, strict=True)
    ]


def _opposite(request: Request, kind: Kind, network: Network) -> dict[str, Any]:
    """The loss on the other split, where the kind asks for it and the data set has another."""
    if not kind.opposite:
        return {}
    settings = request.settings()
    other = replace(settings, split="test" if settings.split == "train" else "train", augment=None)
    try:
        samples = other.load_samples()
    except DataError as error:
        request.say(f"{network.name}: no generalisation gap, as {error}")
        return {"opposite": None}
    objective = other.objective(network, samples)
    own = settings.load_samples().describe()["content_sha256"]
    if objective.samples.describe()["content_sha256"] == own:
        request.say(f"{network.name}: no generalisation gap, as both splits are the same samples")
        return {"opposite": None}
    return {"opposite": objective}


def _answer(request: Request, kind: Kind, results: Mapping[str, xr.Dataset], paths: Sequence[Path]) -> None:
    """One JSON object, or lines for people, of the results of several checkpoints."""
    from landscape.results import attribute

    each, together, lines = imported(kind.together)(results)
    if request.as_json:
        rows = [
            {
                "checkpoint": attribute(dataset, "network"),
                "protocol": attribute(dataset, "protocol"),
                "result": str(path),
                "seconds": attribute(dataset, "provenance")["seconds"],
                **own,
                "checks": attribute(dataset, "checks"),
            }
            for dataset, path, own in zip(results.values(), paths, each, strict=True)
        ]
        emit({"command": kind.name, "checkpoints": rows, **together})
        return
    for line in lines:
        say(line)
    for (name, dataset), path in zip(results.items(), paths, strict=True):
        for check in attribute(dataset, "checks"):
            request.say(f"{name}: {checked(check)}")
        say(f"saved {path}")


def _option(record: Option) -> Any:
    names = f"--{record.name.replace('_', '-')} {record.name}"
    return option(names, record.help, record.default, least=record.least, choices=record.choices)


def summary(dataset: xr.Dataset) -> Summary:
    """What the record of the kind reads from a result, with standard errors where they are known."""
    values: dict[str, Any] = {}
    lines = []
    for reading in KINDS[dataset.attrs["kind"]].readings:
        found = reading.read(dataset)
        if found is not None:
            values[reading.key] = {"value": found.value, "standard_error": found.error}
            spread = f" ± {found.error:.2g}" if found.known else ""
            lines.append(f"{reading.name}  {found.value:.6g}{spread} {reading.unit}".rstrip())
    return values, lines
