"""`landscape plot`: draw saved results again, without torch."""

from pathlib import Path

import click


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
    help="Of surfaces: nll, l2, total, accuracy, ece or convexity.",
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
    "--out", metavar="DIR", default="landscape-out/figures", show_default=True, help="Folder of the figures."
)
def command(
    places: tuple[str, ...],
    only: tuple[str, ...],
    quantity: str,
    preset: str | None,
    columns: int | None,
    out: str,
) -> None:
    """Draw saved results side by side, as PDF, SVG and PNG, with a caption beside each figure.

    Every figure that suits the results is drawn. Surfaces under several dropout masks also become an
    animation, and a surface on the plane of a trajectory lies beneath it. Surface files of loss-landscape
    (.h5) and tables published by Park & Kim (.csv) are drawn as they are.
    """
    from landscape import exchange, figures
    from landscape.errors import ResultError
    from landscape.report.drawing import panels
    from landscape.results import attribute, load

    results: dict[str, dict] = {}
    for place in places:
        foreign = Path(place).suffix.lower() in exchange.READABLE[1:]
        dataset = exchange.read(place) if foreign else load(place)
        kind, label = dataset.attrs["kind"], str(attribute(dataset, "network").get("name") or place)
        twice = kind in results.get(label, {})
        results.setdefault(place if twice else label, {})[kind] = dataset
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
