"""`landscape plot`: draw saved results again, without torch."""

from pathlib import Path

import click


@click.command("plot")
@click.argument("results", metavar="RESULT...", nargs=-1, required=True, type=click.Path())
@click.option("--out", metavar="DIR", default="landscape-out/figures", show_default=True, help="Folder of the figures.")
def command(results: tuple[str, ...], out: str) -> None:
    """Draw saved results side by side, as PDF, SVG and PNG, with a caption beside each figure."""
    from landscape.figures import draw
    from landscape.results import attribute, load

    datasets: dict[str, dict] = {}
    for place in results:
        dataset = load(place)
        label = attribute(dataset, "network")["name"]
        kinds = datasets.setdefault(dataset.attrs["kind"], {})
        kinds[label if label not in kinds else str(Path(place))] = dataset
    for stem in draw(datasets, out):
        click.echo(f"{stem}.pdf")
