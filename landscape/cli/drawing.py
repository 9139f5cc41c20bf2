"""`landscape plot` and `landscape paper`: figures of saved results, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from landscape.cli.help import Command
from landscape.cli.measuring import option
from landscape.cli.options import output, say

if TYPE_CHECKING:
    import xarray as xr

    from landscape.figures.papers import Part, Widths

    Results = dict[str, dict[str, xr.Dataset]]

ALL = "all"
_FEW = 3
"""With fewer references than this nothing is left out: networks that differ in training are compared."""
VENUES = ("icml", "neurips", "iclr", "cvpr", "tmlr")
FONTS = ("sans", "serif")


@click.command(
    "plot",
    cls=Command,
    own="Figures",
    examples=(
        "landscape plot comparison --out figures",
        "landscape plot landscape-out/net-surface.zarr --quantity accuracy --columns 1",
    ),
)
@click.argument("places", metavar="RESULT...", nargs=-1, required=True, type=click.Path())
@option("--figure only", "Draw this figure only; may be repeated.", metavar="NAME", multiple=True)
@option(
    "--quantity",
    "Quantity of surfaces: nll, l2, total, accuracy, ece or convexity.",
    "nll",
    metavar="NAME",
)
@option("--preset", "Widths of a venue.  [default: icml]", choices=VENUES)
@option(
    "--columns",
    "Width of the figures in columns.  [default: each figure's own, or 2 with --preset]",
    type=click.IntRange(1, 2),
)
@option(
    "--each-seed",
    "Draw networks that differ by their seed alone (gap-seed0, gap-seed1) apart, not as one.",
    False,
)
@option("--every", "Also draw networks that were trained otherwise than most of a bundle or folder.", False)
@option("--font", "Typeface: sans, or serif like the text of the venues.", "sans", choices=FONTS)
@output("Folder of the figures.", "landscape-out/figures", metavar="DIR")
def plot(
    places: tuple[str, ...],
    only: tuple[str, ...],
    quantity: str,
    preset: str | None,
    columns: int | None,
    each_seed: bool,
    every: bool,
    font: str,
    out: str,
) -> None:
    """Draw saved results side by side, as PDF, SVG and PNG.

    Every figure that suits the results is drawn, with its caption in a file beside it. Surfaces under several
    dropout masks also become an animation, and a surface on the plane of a trajectory lies beneath it.
    Surface files of loss-landscape (.h5) and tables published by Park & Kim (.csv) are drawn as they are.
    RESULT may also be a folder that `landscape compare` wrote, a folder of results, or a bundle (.zip).

    Networks of one configuration that differ by their seed are drawn as one, with its spread over them. Of a
    bundle or folder of many networks those are drawn that were trained as most of them were.
    """
    from landscape import figures
    from landscape.cli.reading import read
    from landscape.comparison import pooled
    from landscape.errors import ResultError
    from landscape.report.sections import panels

    results = read(places, apart=True)
    say_contradicted(results)
    if len(places) == 1 and not every:
        results = _references(results)
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
        with figures.font(font):
            panel.save(Path(out), looks)
        say(Path(out) / f"{panel.name}.pdf")


def say_contradicted(results: Mapping[str, Mapping[str, xr.Dataset]]) -> None:
    """Checks that were made again when results were opened, and fail, on stderr."""
    from landscape.results.checks import contradicted

    for network, kinds in results.items():
        for name, dataset in kinds.items():
            for sentence in contradicted(dataset):
                say(f"WARN {network}, {name}: {sentence}", err=True)


def _references(results: Results) -> Results:
    """The networks that were trained as most were, where there are more than six; the others on stderr."""
    from landscape.comparison.conditional import alike
    from landscape.comparison.identity import groups
    from landscape.figures.style.groups import MOST

    kept = {name: dict(kinds) for name, kinds in alike(results).items()}
    if len(groups(results)) <= MOST or len(groups(kept)) < _FEW:
        return results
    left = len(results) - len(kept)
    if left:
        networks = "network was" if left == 1 else "networks were"
        say(f"{left} {networks} trained otherwise than most and left out; --every draws all", err=True)
    return kept


def say_seeds(results: Mapping[str, Mapping[str, xr.Dataset]]) -> None:
    """Which networks are several seeds, on stderr."""
    from landscape.comparison import members

    for name, kinds in results.items():
        seeds = dict.fromkeys(seed["name"] for dataset in kinds.values() for seed in members(dataset))
        if seeds:
            say(f"{name}: {len(seeds)} seeds as one ({', '.join(seeds)}); --each-seed draws each", err=True)


@click.command(
    "paper",
    cls=Command,
    own="Figures",
    examples=("landscape paper", "landscape paper p1-fig8", "landscape paper all comparison --preset cvpr"),
)
@click.argument("panel", required=False)
@click.argument("places", metavar="RESULT...", nargs=-1, type=click.Path())
@option("--preset", "Widths of a venue.", "icml", choices=VENUES)
@option(
    "--columns", "Width of the figures in columns.  [default: that of each panel]", type=click.IntRange(1, 2)
)
@option("--mix", "Also merge seeds of different protocols.", False)
@option("--font", "Typeface: sans, or serif like the text of the venues.", "sans", choices=FONTS)
@output("Folder of the figures.", "landscape-out/paper", metavar="DIR")
def paper(
    panel: str | None,
    places: tuple[str, ...],
    preset: str,
    columns: int | None,
    mix: bool,
    font: str,
    out: str,
) -> None:
    """Draw panels of Park & Kim's papers from measured networks.

    PANEL is p1-fig8, p1-tablec1, p2-fig2 and so on, or all; without it, all panels are listed. RESULT is a
    folder that `landscape compare` or `landscape reproduce` wrote, a single result (.zarr) or a bundle of
    results (.zip); without any, the measured results of the shipped family are drawn. Networks are chosen by
    their stored configurations, and seeds of one configuration are drawn as one. Figures are written as PDF,
    SVG and PNG, tables as CSV, LaTeX and Markdown, each with its caption beside it.
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
        with figures.font(font):
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
    results = read(places, apart=True)
    say_contradicted(results)
    for label, kinds in usual(results).items():
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
        say(f"several results {', '.join(twice)} of one network: that of most samples", err=True)
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
            say(f"{paper}:")
        say(f"  {name:<11} {panel.number}: {panel.title}")
        say(f"  {'':<11} results: {', '.join(panel.kinds)}; networks: {panel.networks}")
    say("`landscape paper p1-fig8 DIR` draws one of them, `landscape paper all DIR` all that can be.")


def _draw(name: str, results: Results, widths: Widths, folder: Path, *, alone: bool) -> None:
    """Draw one panel; of all panels, say why one cannot be drawn and go on."""
    from landscape.errors import ResultError
    from landscape.figures.papers import draw

    try:
        parts = draw(name, results, widths=widths)
    except ResultError as error:
        if alone:
            raise
        say(f"{name}: {error}", err=True)
        return
    for part in parts:
        for path in _write(part, folder / f"{name}{part.letter}"):
            say(path)


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
