"""`landscape paper`: panels of the papers, drawn of one's own measured networks, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import xarray as xr

    from landscape.figures.papers import Part, Widths

    Results = dict[str, dict[str, xr.Dataset]]

ALL = "all"


@click.command("paper")
@click.argument("panel", required=False)
@click.argument("places", metavar="RESULT...", nargs=-1, type=click.Path())
@click.option(
    "--preset",
    type=click.Choice(["icml", "neurips", "cvpr"]),
    default="icml",
    show_default=True,
    help="Widths of a venue.",
)
@click.option(
    "--columns",
    type=click.IntRange(1, 2),
    help="Width of the figures in columns  [default: that of each panel].",
)
@click.option("--mix", is_flag=True, help="Merge seeds of different protocols, too.")
@click.option(
    "--out", metavar="DIR", default="landscape-out/paper", show_default=True, help="Folder of the figures."
)
def command(
    panel: str | None, places: tuple[str, ...], preset: str, columns: int | None, mix: bool, out: str
) -> None:
    """Draw a panel of Park & Kim's papers of measured networks: p1-fig8, p1-tablec1, p2-fig2, or all.

    Without PANEL, all panels are listed. RESULT is a folder that `landscape compare` or `landscape reproduce`
    wrote, a single result (.zarr) or a bundle of results (.zip); without any, the measured results of the
    shipped family are drawn. Networks are chosen by their stored configurations, and seeds of one
    configuration are drawn as one. Figures are written as PDF, SVG and PNG, tables as CSV, LaTeX and
    Markdown, each with its caption beside it.
    """
    if panel is None:
        _list()
        return
    from landscape import figures
    from landscape.comparison import pooled
    from landscape.comparison.identity import renamed
    from landscape.figures.papers import PANELS, find

    if panel != ALL:
        find(panel)  # a misspelt one is said before anything is read
    results = pooled(renamed(gather(places) if places else _shipped()), mix=mix)
    across = figures.PRESETS[preset]
    widths: Widths = across if columns is None else (across[columns - 1], across[columns - 1])
    for name in PANELS if panel == ALL else [panel]:
        _draw(name, results, widths, Path(out), alone=panel != ALL)


def gather(places: tuple[str, ...]) -> Results:
    """All results of these places by network; several of one kind go by names of their own.

    Raises:
        ResultError: If a place holds none, or two networks share a name.
    """
    from landscape.cli.reading import read
    from landscape.comparison.conditional import usual
    from landscape.comparison.identity import result_name
    from landscape.errors import ResultError
    from landscape.results import attribute

    found: Results = {}
    files: dict[str, set[tuple]] = {}
    twice: dict[str, None] = {}
    for label, kinds in usual(read(places, apart=True)).items():
        for dataset in kinds.values():
            record = attribute(dataset, "network")
            # A second result of one kind is read under its path.
            apart = label.endswith(".zarr") or ".zip:" in label
            network = str(record.get("name") or label) if apart else label
            files.setdefault(network, set()).add((record.get("sha256"), record.get("surgery")))
            if len(files[network]) > 1:
                raise ResultError(f"two different networks are called {network!r}; draw them apart")
            own = found.setdefault(network, {})
            name = result_name(dataset)
            twice |= {name: None} if name in own else {}
            own[name if name not in own else f"{name} ({len(own)})"] = dataset
    if twice:
        click.echo(f"several results {', '.join(twice)} of one network: that of most samples", err=True)
    return found


def _shipped() -> Results:
    from landscape import family
    from landscape.comparison.conditional import alike, usual

    return usual(alike(family.measured()))


def _list() -> None:
    """Every panel: its id, what it shows, which kinds of results it takes of which networks."""
    from landscape.figures.papers import PANELS

    paper = ""
    for name, panel in PANELS.items():
        if panel.paper != paper:
            paper = panel.paper
            click.echo(f"{paper}:")
        click.echo(f"  {name:<11} {panel.number}: {panel.title}")
        click.echo(f"  {'':<11} results: {', '.join(panel.kinds)}; networks: {panel.networks}")
    click.echo("`landscape paper p1-fig8 DIR` draws one of them, `landscape paper all DIR` all that can be.")


def _draw(name: str, results: Results, widths: Widths, folder: Path, *, alone: bool) -> None:
    """Draw one panel; of all panels, say why one cannot be drawn and go on."""
    from landscape.errors import ResultError
    from landscape.figures.papers import draw

    try:
        parts = draw(name, results, widths=widths)
    except ResultError as error:
        if alone:
            raise
        click.echo(f"{name}: {error}", err=True)
        return
    for part in parts:
        for path in _write(part, folder / f"{name}{part.letter}"):
            click.echo(path)


def _write(part: Part, stem: Path) -> list[Path]:
    """The files of one figure or table, and the first of them to be named."""
    from matplotlib.figure import Figure

    from landscape import figures
    from landscape.files import write_text
    from landscape.report.tables import write_table

    if isinstance(part.content, Figure):
        paths = figures.save(part.content, stem)
    else:
        paths = write_table(part.content, stem, part.caption)
    write_text(f"{stem}.txt", part.caption + "\n")
    return paths[:1]
