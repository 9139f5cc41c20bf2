"""The command of a kind of result that has no file of its own here: made from the record of the kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import Part, Summary, measure, option, with_options
from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path
from landscape.errors import ArgumentError, DataError
from landscape.results.kinds import KINDS, Kind, Option, imported

if TYPE_CHECKING:
    import xarray as xr

    from landscape.objective import Objective

_CHECKPOINTS = click.argument(
    "checkpoints", metavar="CKPT[@SPEC]...", nargs=-1, required=True, type=click.Path()
)


def command(kind: Kind) -> click.Command:
    """`landscape KIND CKPT`, with the options of the record besides those of the protocol.

    Args:
        kind: The record.
    """
    files = " ".join(f"{'ab'[k]}.safetensors" for k in range(min(kind.several, 2))) or "net.safetensors"

    @click.command(kind.name, cls=Command, help=kind.summary, examples=(f"landscape {kind.name} {files}",))
    @(_CHECKPOINTS if kind.several else CHECKPOINT)
    @with_options([_option(record) for record in kind.options])
    @OUT
    @protocol_options(samples=kind.samples, dropout=kind.dropout or "off", split=kind.split)
    def run(
        request: Request,
        out: str | None,
        checkpoint: str = "",
        checkpoints: Sequence[str] = (),
        **options: Any,
    ) -> None:
        if kind.several:
            objective, more = _several(request, kind, checkpoints)
            options |= more
        else:
            objective = request.settings().objective(request.network(checkpoint))
        path = result_path(out, objective.network, kind.name)
        measure(request, kind.name, path, Part(kind.name, objective, _said(kind), options))

    return run


def _several(request: Request, kind: Kind, checkpoints: Sequence[str]) -> tuple[Objective, dict[str, Any]]:
    """The first network, and the others over the same samples, and the first over the other split."""
    if len(checkpoints) < kind.several:
        raise ArgumentError(
            f"landscape {kind.name} takes {kind.several} checkpoints or more, got {len(checkpoints)}"
        )
    settings = request.settings()
    samples = settings.load_samples()
    first, *others = [settings.objective(request.network(path), samples) for path in checkpoints]
    beside = None
    try:
        opposite = replace(settings, split="train" if settings.split == "test" else "test", at_most=True)
        beside = opposite.objective(first.network, opposite.load_samples())
    except DataError as error:
        request.say(f"only the {settings.split} split is measured: {error}")
    return first, {"others": others, "beside": beside}


def _option(record: Option) -> Any:
    names = f"--{record.name.replace('_', '-')} {record.name}"
    return option(names, record.help, record.default, least=record.least, choices=record.choices)


def _said(kind: Kind) -> Any:
    return imported(kind.answer) if kind.answer else summary


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
