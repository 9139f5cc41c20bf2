"""`landscape plot`: draw saved results again, without torch."""

from pathlib import Path

import click


@click.command("plot")
@click.argument("places", metavar="RESULT...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--out", metavar="DIR", default="landscape-out/figures", show_default=True, help="Folder of the figures."
)
def command(places: tuple[str, ...], out: str) -> None:
    """Draw saved results side by side, as PDF, SVG and PNG, with a caption beside each figure."""
    from landscape import figures
    from landscape.errors import ResultError
    from landscape.files import write_text
    from landscape.results import attribute, load

    kinds: dict[str, dict] = {}
    for place in places:
        dataset = load(place)
        found = kinds.setdefault(dataset.attrs["kind"], {})
        label = str(attribute(dataset, "network").get("name") or place)
        found[place if label in found else label] = dataset
    looks = figures.looks(label for found in kinds.values() for label in found)
    names = [name for name, drawing in figures.FIGURES.items() if drawing.kind in kinds]
    if not names:
        raise ResultError(f"no figure draws results of kind {', '.join(kinds)}")
    for name in names:
        datasets = kinds[figures.FIGURES[name].kind]
        figures.save(figures.draw(name, datasets, looks=looks), Path(out) / name)
        write_text(Path(out) / f"{name}.txt", figures.caption(name, datasets) + "\n")
        click.echo(Path(out) / f"{name}.pdf")
