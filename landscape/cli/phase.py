"""`landscape phase`: networks over a grid of two fields, measured here or published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import Part, checked, emit, measured, option
from landscape.cli.options import Request, output, protocol_options, say

if TYPE_CHECKING:
    import xarray as xr

FIGURES = ("phase_map", "phase_quadrants", "phase_trends")


@click.command(
    "phase",
    cls=Command,
    examples=(
        "landscape phase runs --data cifar10:data --samples 256",
        "landscape phase --published table.csv --out figures",
    ),
)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path())
@option("--published", "Draw this table of cells (CSV) instead of measuring networks.", metavar="FILE")
@option("--x", "Field across, such as width.  [default: one of the two that differ]", metavar="FIELD")
@option("--y", "Field upward, such as batch_size.  [default: the other one]", metavar="FIELD")
@option("--predictions", "Test images for the test accuracy; 0 takes all.", 0, least=0)
@option("--probes", "Random probes of each trace.", 16, least=2)
@option("--tolerance", "Residual of the largest eigenvalue, as a share of it.", 0.01, least=0.0)
@option("--points", "Points between two networks.", 9, least=1)
@output("Folder of the result, its table and the figures.", "landscape-out/phase", metavar="DIR")
@protocol_options(samples=500, split="train")
def command(
    request: Request,
    folder: str | None,
    published: str | None,
    x: str | None,
    y: str | None,
    out: str,
    **sizes,
) -> None:
    """Measure sharpness and connectivity over a grid of networks.

    DIR holds checkpoints with training records, as `landscape train` writes them, over two fields of these
    records (width, images, batch_size, learning_rate, …), best with two seeds or more of each cell. Each
    network gets its loss, accuracy, largest Hessian eigenvalue and trace, each pair of seeds of a cell the
    connectivity along the straight line between them, CKA of their outputs and their distance (Yang et al.
    2021). A run that was stopped goes on where it was. With --published nothing is measured: a table of such
    cells is drawn, and its rank correlations with test accuracy are printed.
    """
    if (folder is None) == (published is None):
        raise click.UsageError("name a folder of checkpoints, or a table by --published; one of the two")
    fields = {"x": x or "", "y": y or ""}
    if published is not None:
        from landscape.exchange import phase as table

        dataset = table.read(published, **fields)
        source = {"published": published}
    else:
        dataset = _measured(request, Path(str(folder)), Path(out), fields | sizes)
        source = {"folder": str(folder), "result": str(Path(out) / "phase.zarr")}
    _answer(request, dataset, source, _drawn(dataset, Path(out)))


def _measured(request: Request, folder: Path, out: Path, options: dict[str, Any]) -> xr.Dataset:
    """The result of a folder, saved with its table beside it."""
    from landscape.analyses.grids import checkpoints_of
    from landscape.exchange import phase as table
    from landscape.results import check_place

    place = check_place(out / "phase.zarr")
    networks = [request.network(path) for path in checkpoints_of(folder)]
    training = request.settings()
    count = options.pop("predictions")
    testing = replace(training, split="test", samples=count, at_most=True, sample_seed=None)
    sides = []
    for settings in (training, testing):
        samples = settings.load_samples()
        sides.append([settings.objective(network, samples) for network in networks])
    dataset = measured(
        request, Part("phase", sides[0], lambda found: ({}, []), options | {"test": sides[1]}), place
    )
    table.write(dataset, out / "phase.csv")
    return dataset


def _drawn(dataset: xr.Dataset, folder: Path) -> list[str]:
    """The figures that the result has numbers for, written with their captions."""
    from landscape import figures
    from landscape.errors import ResultError
    from landscape.files import write_text

    paths = []
    for name in FIGURES:
        try:
            figure, caption = figures.draw(name, dataset), figures.caption(name, dataset)
        except ResultError as error:
            say(f"{name} is not drawn: {error}", err=True)
            continue
        paths += [str(path) for path in figures.save(figure, folder / name.replace("_", "-"))]
        write_text(folder / f"{name.replace('_', '-')}.txt", caption + "\n")
    return paths


def _answer(request: Request, dataset: xr.Dataset, source: dict[str, str], figures: Sequence[str]) -> None:
    """The rank correlations, as JSON or in lines."""
    from landscape.comparison.phase import trends
    from landscape.errors import ResultError
    from landscape.results import attribute
    from landscape.results.phases import CELL, axes_of

    try:
        found = trends(dataset)
    except ResultError as error:
        request.say(str(error))
        found = {}
    checks = attribute(dataset, "checks")
    x, y = axes_of(dataset)
    if request.as_json:
        content = {
            "command": "phase",
            **source,
            "x": x,
            "y": y,
            "cells": dataset.sizes[CELL],
            "correlations": {name: each.value for name, each in found.items()},
            "intervals": {name: [each.interval.low, each.interval.high] for name, each in found.items()},
            "counts": {name: each.cells for name, each in found.items()},
            "figures": figures,
            "protocol": attribute(dataset, "protocol"),
            "seconds": attribute(dataset, "provenance")["seconds"],
        }
        emit({**content, "checks": checks})
        return
    for line in _lines(dataset.sizes[CELL], x, y, found):
        say(line)
    for check in checks:
        request.say(checked(check))
    for path in figures:
        if path.endswith(".pdf"):
            say(f"saved {path}")


def _lines(cells: int, x: str, y: str, found: dict[str, Any]) -> list[str]:
    """What people read: the cells, and how each measure goes with test accuracy."""
    from landscape.numbers import with_interval
    from landscape.results.phases import MEASURES

    lines = [f"{cells} cells over {x} and {y}; rank correlation with test accuracy [95 %]:"]
    for name, each in found.items():
        label = MEASURES[name].full if name in MEASURES else name
        said = with_interval(each.value, each.interval.low, each.interval.high, "+.2f")
        lines.append(f"  {name:<14}{said:<24}{each.cells:>5} cells  {label}")
    return lines
