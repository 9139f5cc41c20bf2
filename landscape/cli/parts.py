"""Further results of one command: each is measured, saved beside the first, and summed up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from landscape.cli.options import Request
    from landscape.objective import Objective

Summary = tuple[dict[str, Any], list[str]]
"""JSON values, and lines for people."""


@dataclass(frozen=True)
class Part:
    """One further result.

    Attributes:
        kind: Of the result.
        objective: What to measure.
        options: Of the recipe.
        summary: What to say of it.
    """

    kind: str
    objective: Objective
    options: Mapping[str, Any]
    summary: Callable[[xr.Dataset], Summary]


def measure(request: Request, parts: list[Part], path: Path, ending: str) -> Summary:
    """Every part, saved as NAME-KIND.zarr beside `path`, which ends in NAME-`ending`.zarr."""
    from landscape import analyses, results

    values: dict[str, Any] = {}
    lines: list[str] = []
    for part in parts:
        place = path.with_name(f"{path.stem.removesuffix(f'-{ending}')}-{part.kind}.zarr")
        dataset = analyses.resumable(
            part.kind, part.objective, place, progress=request.progress, **part.options
        )
        more, text = part.summary(dataset)
        checks = results.attribute(dataset, "checks")
        values[part.kind] = {**more, "result": str(place), "checks": checks}
        lines += [*text, f"saved {place}"]
        for check in checks:
            if not check["passed"]:
                request.say(f"LOOK {part.kind}: {check['message']}")
    return values, lines


def table(columns: Mapping[str, Any], *, width: int = 12) -> list[str]:
    """Lines of a table, the first column to the left."""
    names = list(columns)
    rows = [names, *([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))]
    first = max(len(row[0]) for row in rows) + 2
    return [f"{row[0]:<{first}}" + "".join(f"{cell:>{width}}" for cell in row[1:]) for row in rows]


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
