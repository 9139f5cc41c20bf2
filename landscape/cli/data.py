"""`landscape data`: fetch an official data set."""

from pathlib import Path

import click

from landscape.cli.options import QUIET
from landscape.work import bar, silent


@click.command("data")
@click.argument("name", type=click.Choice(["cifar10", "cifar100"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--url", help="Fetch the same archive from another place; its checksum is still verified.")
@QUIET
def command(name: str, folder: Path, url: str | None, quiet: bool) -> None:
    """Fetch an official data set into DIR, with its checksum; a download that broke off is resumed."""
    from landscape.data.fetch import fetch

    place = fetch(name, folder, url=url, progress=silent if quiet else bar)
    click.echo(f"{place}: use it as --data {name}:{place}")
