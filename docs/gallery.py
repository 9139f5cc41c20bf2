"""Measures a few networks of the shipped family, draws every figure there is, and writes docs/images/gallery.

    python -m docs.gallery

It takes some minutes on two cores. Measurements are kept under landscape-out/gallery and not repeated.

Correlations and the map of conditions need more networks and more measurements: they are drawn of the results
that ship with the package, or, alone and without measuring anything, of those of `landscape compare`:

    python -m docs.gallery --correlations comparison --conditions comparison

The figure `consistency` is left out: its images are those of CIFAR-10-P, which is not in the package.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import landscape as ls
from docs.catalogue import LINES, MASKS, MEASURED, NAMES, Example
from landscape import analyses, figures
from landscape.analyses import Measurement, Settings
from landscape.cli.reading import read
from landscape.comparison import correlations, pooled, verdicts
from landscape.comparison.conditional import alike, conditional, usual
from landscape.report.sections import panels
from landscape.train import Recipe, train
from landscape.zoo import parse

OUT = Path(__file__).parent / "images" / "gallery"
KEPT = Path("landscape-out/gallery")
DPI = 150

Results = dict[str, dict]
Picture = tuple[str, Figure, str]
Parts = list[tuple[Results, tuple[str, ...]]]


def measurement(example: Example) -> Measurement:
    """What the catalogue states, as a comparison takes it."""
    settings = Settings(split=example.split, samples=example.samples, dropout=example.dropout)
    return Measurement(example.kind, settings, example.options)


def training(folder: Path) -> Results:
    """A small network, trained for a few epochs on the embedded images, and where it went."""
    images = ls.data.demo("train").take(500)
    target = folder / "run.safetensors"
    recipe = Recipe(epochs=6, batch_size=64)
    train(parse("cifar-resnet20:width=8"), images, recipe, target, keep_every=1)
    kept = [ls.load(path) for path in sorted(folder.glob("run-epoch*.safetensors"))]
    objectives = [ls.Objective(network, images.take(128)) for network in kept]
    path = analyses.trajectory(objectives)
    places = zip(path.x.values.tolist(), path.y.values.tolist(), strict=True)
    plane = analyses.surface(
        objectives[-1],
        directions=ls.surface.from_arrays(path, objectives[-1].free),
        marks={str(index): list(place) for index, place in enumerate(places)},
        span=0.3,
        steps=21,
    )
    return {"resnet20-8": {"trajectory": path, "surface": plane}}


def measured() -> Parts:
    """Results, and which figures to draw of them; none named is every figure that suits them."""
    networks = [ls.family.load(name) for name in NAMES]

    def compare(part: str, examples: list[Example]) -> Results:
        return analyses.compare(networks, [measurement(each) for each in examples], KEPT / part, say=print)

    return [
        (compare("all", MEASURED), ()),
        (compare("lines", [LINES]), ("lines",)),
        (compare("masks", [MASKS]), ("sequence",)),
        (training(KEPT / "training"), ("trajectory", "polar")),
    ]


def drawn(parts: Parts) -> Iterator[Picture]:
    """Name, figure and caption of everything there is."""
    for results, only in parts:
        looks = figures.looks(results)
        for panel in panels(results, only=only):
            own = {"looks": looks} if panel.drawing.per_network else {}
            yield panel.name, panel.drawing.draw(panel.datasets, **panel.options, **own), panel.caption()
    found = verdicts(parts[0][0])
    yield "chain", figures.chain(found), figures.caption("chain", found)
    yield "overview", figures.overview(found), figures.caption("overview", found)


def correlated(results: Results) -> Picture:
    """Rank correlations across networks."""
    found = correlations(pooled(usual(alike(results))))
    return "correlations", figures.correlations(found, width=4.5), figures.caption("correlations", found)


def conditioned(results: Results) -> Picture:
    """The map of conditions."""
    found = conditional(results)
    return "conditions", figures.conditions(found), figures.caption("conditions", found)


def everything() -> Iterator[Picture]:
    """Every figure of the gallery."""
    yield from drawn(measured())
    shipped = ls.family.measured()
    yield correlated(shipped)
    yield conditioned(shipped)


def chosen() -> Iterable[Picture]:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description="Writes docs/images/gallery.")
    parser.add_argument("--correlations", metavar="RESULT", help="draw this, of these saved results")
    parser.add_argument("--conditions", metavar="RESULT", help="draw this, of these saved results")
    given = parser.parse_args()
    pictures = [correlated(read([given.correlations]))] if given.correlations else []
    pictures += [conditioned(read([given.conditions]))] if given.conditions else []
    return pictures or everything()


def main() -> None:
    """Measure, draw, and say what there is."""
    OUT.mkdir(parents=True, exist_ok=True)
    total = 0
    for name, figure, caption in chosen():
        stream, place = io.BytesIO(), OUT / f"{name}.webp"
        figure.savefig(stream, format="png", dpi=DPI)
        Image.open(stream).convert("RGB").save(place, quality=78, method=6)
        place.with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")
        total += place.stat().st_size
        print(f"{name}: {place.stat().st_size / 1000:.0f} kB")
    print(f"{total / 1e6:.2f} MB in {OUT}")


if __name__ == "__main__":
    sys.exit(main())
