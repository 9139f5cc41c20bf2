"""Generated commands that take several checkpoints: a result of each, or one result of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import Part, Summary, checked, emit, measure, measured
from landscape.cli.options import OUT, Request, output, protocol_options, result_path, say
from landscape.errors import ArgumentError, DataError
from landscape.results.kinds import Kind, imported

if TYPE_CHECKING:
    import xarray as xr

    from landscape.network import Network

_CHECKPOINTS = click.argument(
    "checkpoints", metavar="CKPT[@SPEC]...", nargs=-1, required=True, type=click.Path()
)
Decorator = Callable[[Any], Any]


def examples(kind: Kind) -> Sequence[str]:
    """Command lines for the end of the help page."""
    files = "a.safetensors b.safetensors" if kind.several else "net.safetensors"
    return kind.examples or (f"landscape {kind.name} {files}",)


def apart(kind: Kind, options: Decorator, summary: Callable[[xr.Dataset], Summary]) -> click.Command:
    """`landscape KIND CKPT…`: each checkpoint's result by itself, and one answer for all.

    Args:
        kind: The record, which says who answers (`together`).
        options: Its options.
        summary: What is said of one result.
    """

    @click.command(kind.name, cls=Command, help=kind.summary, examples=examples(kind))
    @_CHECKPOINTS
    @options
    @output("The dataset, or for several checkpoints their folder.  [default: landscape-out]", metavar="PATH")
    @protocol_options(samples=kind.samples, dropout=kind.dropout or "off", split=kind.split)
    def run(request: Request, checkpoints: Sequence[str], out: str | None, **options: Any) -> None:
        networks = [request.network(path) for path in checkpoints]
        paths = _paths(networks, kind.name, out)
        settings = request.settings()
        samples = settings.load_samples()
        results = {}
        for network, path in zip(networks, paths, strict=True):
            chosen = options | opposite(request, kind, network)
            part = Part(kind.name, settings.objective(network, samples), summary, chosen)
            results[network.name] = measured(request, part, path)
        _answer(request, kind, results, paths)

    return run


def jointly(kind: Kind, options: Decorator) -> click.Command:
    """`landscape KIND CKPT CKPT…`: one result, of the first checkpoint and the others.

    Args:
        kind: The record, which says how many it takes (`several`) and what is said of it (`answer`).
        options: Its options.
    """

    @click.command(kind.name, cls=Command, help=kind.summary, examples=examples(kind))
    @_CHECKPOINTS
    @options
    @OUT
    @protocol_options(samples=kind.samples, dropout=kind.dropout or "off", split=kind.split)
    def run(request: Request, checkpoints: Sequence[str], out: str | None, **options: Any) -> None:
        if len(checkpoints) < kind.several:
            raise ArgumentError(
                f"landscape {kind.name} takes {kind.several} checkpoints or more, got {len(checkpoints)}"
            )
        settings = request.settings()
        samples = settings.load_samples()
        first, *others = [settings.objective(request.network(path), samples) for path in checkpoints]
        options |= {"others": others} | opposite(request, kind, first.network)
        path = result_path(out, first.network, kind.name)
        measure(request, kind.name, path, Part(kind.name, first, imported(kind.answer), options))

    return run


def opposite(request: Request, kind: Kind, network: Network) -> dict[str, Any]:
    """The loss on the other split, where the kind asks for it and the data set has another."""
    if not kind.opposite:
        return {}
    settings = request.settings()
    split = "test" if settings.split == "train" else "train"
    other = replace(settings, split=split, augment=None, at_most=True)
    try:
        samples = other.load_samples()
    except DataError as error:
        request.say(f"{network.name}: only the {settings.split} split is measured, as {error}")
        return {"opposite": None}
    objective = other.objective(network, samples)
    own = settings.load_samples().describe()["content_sha256"]
    if objective.samples.describe()["content_sha256"] == own:
        request.say(f"{network.name}: one split is measured, as both are the same samples")
        return {"opposite": None}
    return {"opposite": objective}


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
