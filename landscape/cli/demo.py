"""`landscape demo`: the main job on the networks and images that ship with the package."""

from pathlib import Path

import click

from landscape.cli.options import DEVICE, JSON, QUIET, SEED, Request


@click.command("demo")
@click.option(
    "--out",
    metavar="DIR",
    default="landscape-out/demo",
    show_default=True,
    help="Folder of datasets, figures and page.",
)
@SEED
@DEVICE
@JSON
@QUIET
def command(out: str, seed: int, device: str, as_json: bool, quiet: bool) -> None:
    """Compare the shipped family on the embedded CIFAR-10 subset; a few minutes on two cores."""
    from landscape import family
    from landscape.analyses import plan
    from landscape.cli.compare import run

    request = Request(
        split="train",
        samples=200,
        weight_decay=family.WEIGHT_DECAY,
        dropout="fixed",
        device=device,
        seed=seed,
        as_json=as_json,
        quiet=quiet,
    )
    networks = [family.load(name) for name in family.NAMES]
    measurements = plan(
        request.settings(), predictions=1000, batch_size=64, batches=8, span=0.5, steps=13, directions=8
    )
    run(request, [(networks, measurements)], Path(out), "demo")
