"""`landscape demo`: the shipped family compared, beginning with what was measured of it before."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from landscape.cli.compare import run
from landscape.cli.help import Command
from landscape.cli.measuring import option
from landscape.cli.options import DEVICE, JSON, QUIET, SEED, Request, output

if TYPE_CHECKING:
    from landscape.comparison.identity import Results

QUICK = ("mlp", "gap", "gap-blur")
"""Networks of ``--quick``: the two steps that the papers are about."""
SAMPLES, BATCH = 40, 16
"""Training images of surface and flatness, and of a mini-batch of the spectrum."""
FIRST = ("contours", "spectrum")
"""Figures that are drawn of the shipped measurements while nothing else is there yet."""


@click.command("demo", cls=Command, examples=("landscape demo", "landscape demo --quick --out quick"))
@option("--quick", "Compare three of the nine networks only.", False)
@output("Folder of datasets, figures and page.", "landscape-out/demo", metavar="DIR")
@SEED
@DEVICE
@JSON
@QUIET
def demo(quick: bool, out: str, seed: int, device: str, as_json: bool, quiet: bool) -> None:
    """Compare the shipped networks on embedded CIFAR-10 images.

    It takes a few minutes on two cores. The first figures show what was measured before the release; the page
    shows what was measured here, and beside it what three seeds of each network gave. A demo that was stopped
    goes on where it was.
    """
    from landscape import family
    from landscape.analyses import plan
    from landscape.comparison.conditional import alike, usual

    request = Request(
        split="train",
        samples=SAMPLES,
        weight_decay=family.WEIGHT_DECAY,
        dropout="fixed",
        device=device,
        seed=seed,
        as_json=as_json,
        quiet=quiet,
    )
    names = QUICK if quick else family.NAMES
    shipped = usual(alike(family.measured()))
    known = {name: kinds for name, kinds in shipped.items() if _stem(name) in names and "+" not in name}
    _shipped(known, Path(out) / "shipped", request)
    measurements = plan(
        request.settings(),
        predictions=1000,
        maps=128,
        batch_size=BATCH,
        batches=5,
        span=0.5,
        steps=15,
        directions=10,
    )
    work = [([family.load(name) for name in names], measurements)]
    run(request, work, Path(out), "demo", before=known)


def _stem(name: str) -> str:
    return name.partition("-seed")[0]


def _shipped(known: "Results", folder: Path, request: Request) -> None:
    """Figures of measurements that ship, so that there is something to look at in the meantime."""
    from landscape import figures
    from landscape.report.sections import panels

    results = {_stem(name): kinds for name, kinds in known.items() if name.endswith("-seed0")}
    for panel in panels(results, only=FIRST):
        panel.save(folder, figures.looks(results), ("png",))
        request.say(f"to look at meanwhile, measured before the release: {folder / panel.name}.png")
