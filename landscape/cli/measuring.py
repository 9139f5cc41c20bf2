"""What measuring commands share: results measured, kept and saved one beside the other, and the answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import GroupedOption
from landscape.cli.options import say
from landscape.cli.values import Numbers

if TYPE_CHECKING:
    import xarray as xr

    from landscape.cli.options import Request

Summary = tuple[dict[str, Any], list[str]]
"""JSON values, and lines for people."""


@dataclass(frozen=True)
class Part:
    """One result of a command.

    Attributes:
        kind: Kind of result.
        objective: What to measure: an objective, or what else the recipe takes in its place.
        summary: What to say of the result.
        options: Of the recipe, and of `landscape.analyses.resumable`.
        name: End of the file's name; the kind by default.
        kept: A result at the path that serves as well, if there is one.
    """

    kind: str
    objective: Any
    summary: Callable[[xr.Dataset], Summary]
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    kept: Callable[[Path], xr.Dataset | None] = lambda path: None

    def saved(self, path: Path) -> Path:
        """Where it is once it was measured: at the path, or for a part of it (``--partial``) beside it."""
        from landscape.results import fragment_place

        return fragment_place(path) if self.options.get("partial") else path


def measure(request: Request, command: str, path: Path, first: Part, further: Sequence[Part] = ()) -> None:
    """Measure and save the result of a command and those beside it, and print the answer.

    What is finished of a result survives a kill, see `landscape.analyses.resumable`.

    Args:
        request: How to measure and answer.
        command: Name of the command.
        path: Where its own result goes; the others become NAME-KIND.zarr beside it.
        first: The command's own result.
        further: Others that were asked for.
    """
    dataset = measured(request, first, path)
    others = beside(request, path, first.kind, further)
    answer(request, command, first.saved(path), dataset, first.summary(dataset), others)


def measured(request: Request, part: Part, path: Path) -> xr.Dataset:
    """One result, saved at the path; or what is there, if it serves as well."""
    from landscape import analyses
    from landscape.results import sweep

    kept = part.kept(path)
    if kept is not None:
        sweep(path)
        return kept
    return analyses.resumable(
        part.kind,
        part.objective,
        path,
        progress=request.progress,
        join=request.joining,
        **part.options,
    )


def beside(request: Request, path: Path, kind: str, parts: Sequence[Part]) -> Summary:
    """Further results, saved beside a first one of this kind, and what to say of them."""
    from landscape.results import attribute

    values: dict[str, Any] = {}
    lines: list[str] = []
    for part in parts:
        place = path.with_name(f"{path.stem.removesuffix(f'-{kind}')}-{part.name or part.kind}.zarr")
        dataset = measured(request, part, place)
        more, said = part.summary(dataset)
        checks = attribute(dataset, "checks")
        values[part.kind] = {**more, "result": str(part.saved(place)), "checks": checks}
        lines += [*said, f"saved {part.saved(place)}"]
        for check in checks:
            if not check["passed"]:
                request.say(f"WARN {part.kind}: {check['message']}")
    return values, lines


def answer(request: Request, command: str, path: Path, dataset: xr.Dataset, *summaries: Summary) -> None:
    """Print a result and its trust report: one JSON object, or lines for people.

    Args:
        request: Says whether JSON is wanted.
        command: Name of the command.
        path: Where the result was saved.
        dataset: The stamped result.
        *summaries: What to say, of it and of others.
    """
    from landscape.results import attribute

    if request.follows:
        return
    checks = attribute(dataset, "checks")
    if request.as_json:
        content = {
            "command": command,
            "checkpoint": attribute(dataset, "network"),
            "protocol": attribute(dataset, "protocol"),
            "result": str(path),
            "seconds": attribute(dataset, "provenance")["seconds"],
        }
        for values, _ in summaries:
            content |= values
        emit({**content, "checks": checks})
        return
    for _, lines in summaries:
        for line in lines:
            say(line)
    for check in checks:
        request.say(checked(check))
    say(f"saved {path}")


def checked(check: Mapping[str, Any]) -> str:
    """One line of a trust report."""
    return f"{'ok  ' if check['passed'] else 'WARN'} {check['message']}"


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
    from landscape.results import plain

    return _jsonable(plain(value))


def table(columns: Mapping[str, Any], *, width: int = 12) -> list[str]:
    """Lines of a table, the first column to the left."""
    names = list(columns)
    rows = [names, *([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))]
    first = max(len(row[0]) for row in rows) + 2
    return [f"{row[0]:<{first}}" + "".join(f"{cell:>{width}}" for cell in row[1:]) for row in rows]


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def option(
    names: str,
    help: str,
    default: Any = None,
    *,
    least: float | None = None,
    choices: Sequence[str] = (),
    group: str = "",
    **more,
) -> Callable:
    """Decorator: an option of a command, of the type that its default has.

    Args:
        names: The flag, and behind a space another name for its value.
        help: One full sentence.
        default: `False` makes a flag, and a tuple takes numbers with commas between them.
        least: Smallest number allowed; of options without a default, a whole number.
        choices: Words to choose from.
        group: Its heading in the help; empty for the command's own options.
        **more: As `click.option` takes them.
    """
    flags, kind = names.split(), more.pop("type", None)
    more |= {"cls": GroupedOption, "group": group, "help": help}
    if default is False:
        return click.option(*flags, is_flag=True, **more)
    if isinstance(default, tuple):
        kind, default = Numbers(), ",".join(map(str, default))
    elif choices:
        kind = click.Choice(choices)
    elif least is not None:
        real = isinstance(default, float)
        kind = click.FloatRange(least) if real else click.IntRange(int(least))
    if default is not None:  # to click, None is a default, with which nothing is missing
        more["default"] = default
    return click.option(*flags, type=kind, **more)


def with_options(options: Sequence[Callable]) -> Callable:
    """Decorator: several options, in the order of the help."""

    def decorate(function: Callable) -> Callable:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
