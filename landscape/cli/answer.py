"""What a command prints: one JSON object, or a few lines for people."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.results import attribute, plain

if TYPE_CHECKING:
    import xarray as xr

    from landscape.cli.options import Request


def answer(
    request: Request, command: str, dataset: xr.Dataset, path: Path, values: dict[str, Any], lines: list[str]
) -> None:
    """Print a result and its trust report.

    Args:
        request: Says whether JSON is wanted.
        command: Name of the command.
        dataset: The stamped result.
        path: Where it was saved.
        values: The command's own JSON keys.
        lines: What people read.
    """
    checks = attribute(dataset, "checks")
    if request.as_json:
        common = {
            "command": command,
            "checkpoint": attribute(dataset, "network"),
            "protocol": attribute(dataset, "protocol"),
            "result": str(path),
            "seconds": attribute(dataset, "provenance")["seconds"],
        }
        emit({**common, **values, "checks": checks})
        return
    for line in lines:
        click.echo(line)
    for check in checks:
        request.say(f"{'ok  ' if check['passed'] else 'LOOK'} {check['message']}")
    click.echo(f"saved {path}")


def emit(content: dict[str, Any]) -> None:
    """One JSON object on stdout; numbers that are not finite become null, which JSON can hold."""
    click.echo(json.dumps(_jsonable(content)))


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | bool) or value is None:
        return value
    return _jsonable(plain(value))
