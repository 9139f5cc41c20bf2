"""The command of a kind of result that has no file of its own here: made from the record of the kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from landscape.cli import several
from landscape.cli.help import Command
from landscape.cli.measuring import Part, Summary, measure, option, with_options
from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path
from landscape.results.kinds import KINDS, Kind, Option

if TYPE_CHECKING:
    import xarray as xr


def command(kind: Kind) -> click.Command:
    """`landscape KIND CKPT`, with the options of the record besides those of the protocol.

    Args:
        kind: The record.
    """
    options = with_options([_option(record) for record in kind.options])
    if kind.together:
        return several.apart(kind, options, summary)
    if kind.several:
        return several.jointly(kind, options)

    @click.command(kind.name, cls=Command, help=kind.summary, examples=several.examples(kind))
    @CHECKPOINT
    @options
    @OUT
    @protocol_options(samples=kind.samples, dropout=kind.dropout or "off", split=kind.split)
    def run(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
        network = request.network(checkpoint)
        path = result_path(out, network, kind.name)
        objective = request.settings().objective(network)
        options |= several.opposite(request, kind, network)
        measure(request, kind.name, path, Part(kind.name, objective, summary, options))

    return run


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
