"""`landscape plot`: draw saved results again, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import xarray as xr


@click.command("plot")
@click.argument("places", metavar="RESULT...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--figure", "only", metavar="NAME", multiple=True, help="Draw this figure alone; may be repeated."
)
@click.option(
    "--quantity",
    metavar="NAME",
    default="nll",
    show_default=True,
    help="What to draw of surfaces: nll, l2, total, accuracy, ece or convexity.",
)
@click.option(
    "--preset", type=click.Choice(["icml", "neurips", "cvpr"]), help="Widths of a venue  [default: icml]."
)
@click.option(
    "--columns",
    type=click.IntRange(1, 2),
    help="Width of the figures in columns  [default: each figure's own, or 2 with --preset].",
)
@click.option(
    "--each-seed",
    is_flag=True,
    help="Draw networks that differ by their seed alone (gap-seed0, gap-seed1) apart, not as one.",
)
@click.option(
    "--out", metavar="DIR", default="landscape-out/figures", show_default=True, help="Folder of the figures."
)
def command(
    places: tuple[str, ...],
    only: tuple[str, ...],
    quantity: str,
    preset: str | None,
    columns: int | None,
    each_seed: bool,
    out: str,
) -> None:
    """Draw saved results side by side, as PDF, SVG and PNG, with a caption beside each figure.

    Every figure that suits the results is drawn. Surfaces under several dropout masks also become an
    animation, and a surface on the plane of a trajectory lies beneath it. Surface files of loss-landscape
    (.h5) and tables published by Park & Kim (.csv) are drawn as they are. RESULT may also be a folder that
    `landscape compare` wrote, a folder of results, or a bundle (.zip).

    Seeds of one network, told by their names and configurations, are drawn as one, with its spread over them.
    """
    from landscape import figures
    from landscape.cli.reading import read
    from landscape.comparison import pooled
    from landscape.errors import ResultError
    from landscape.report.drawing import panels

    results = read(places, apart=True)
    if not each_seed:
        results = pooled(results)
        say_seeds(results)
    looks = figures.looks(results)
    width = figures.preset_width(preset or "icml", columns or 2) if preset or columns else None
    chosen = panels(results, quantity=quantity, only=only, width=width)
    if not chosen:
        kinds = ", ".join(dict.fromkeys(kind for found in results.values() for kind in found))
        what = " or ".join(only) + " cannot be drawn" if only else "no figure is drawn"
        raise ResultError(f"{what} of results of kind {kinds}")
    for panel in chosen:
        panel.save(Path(out), looks)
        click.echo(Path(out) / f"{panel.name}.pdf")


def say_seeds(results: Mapping[str, Mapping[str, xr.Dataset]]) -> None:
    """Which networks are several seeds, on stderr."""
    from landscape.comparison import members

    for name, kinds in results.items():
        seeds = dict.fromkeys(seed["name"] for dataset in kinds.values() for seed in members(dataset))
        if seeds:
            click.echo(
                f"{name}: {len(seeds)} seeds as one ({', '.join(seeds)}); --each-seed draws each", err=True
            )
