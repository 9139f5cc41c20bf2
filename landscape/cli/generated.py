"""The command of a kind of result that has no file of its own here: made from the record of the kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from landscape.cli.measuring import Part, Summary, measure, with_options
from landscape.cli.options import CHECKPOINT, OUT, Numbers, Request, protocol_options, result_path

if TYPE_CHECKING:
    import xarray as xr

    from landscape.results.kinds import Kind, Option


def command(kind: Kind) -> click.Command:
    """`landscape KIND CKPT`, with the options of the record besides those of the protocol.

    Args:
        kind: The record.
    """

    @click.command(kind.name, help=kind.summary)
    @CHECKPOINT
    @with_options([_option(option) for option in kind.options])
    @OUT
    @protocol_options(samples=kind.samples, dropout=kind.dropout or "off", split=kind.split)
    def run(request: Request, checkpoint: str, out: str | None, **options: Any) -> None:
        network = request.network(checkpoint)
        path = result_path(out, network, kind.name)
        objective = request.settings().objective(network)
        measure(request, kind.name, path, Part(kind.name, objective, summary, options))

    return run


def _option(option: Option) -> Any:
    flag, default, least = f"--{option.name.replace('_', '-')}", option.default, option.least
    if default is False:
        return click.option(flag, is_flag=True, help=option.help)
    kind: Any = click.Choice(option.choices) if option.choices else type(default)
    if isinstance(default, tuple):
        kind, default = Numbers(), ",".join(map(str, default))
    elif least is not None:
        kind = click.IntRange(int(least)) if isinstance(default, int) else click.FloatRange(least)
    return click.option(flag, option.name, type=kind, default=default, help=option.help)


def summary(dataset: xr.Dataset) -> Summary:
    """Every single number of a result, with its standard error where it has one."""
    values: dict[str, Any] = {}
    lines = []
    for name in map(str, dataset.data_vars):
        if dataset[name].ndim or name.endswith("_standard_error") or dataset[name].dtype.kind not in "iuf":
            continue
        value, error = float(dataset[name]), dataset.get(f"{name}_standard_error")
        values[name] = value if error is None else {"value": value, "standard_error": float(error)}
        unit = dataset[name].attrs.get("units", "")
        spread = "" if error is None else f" ± {float(error):.2g}"
        label = dataset[name].attrs.get("long_name", name)
        lines.append(f"{label}  {value:.6g}{spread}{f' {unit}' if unit not in ('', '1') else ''}")
    return values, lines
