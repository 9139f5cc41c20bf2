"""Trains the small grid of docs/phase.md, and writes the pictures and tables of that page.

    python -m docs.phase --train DIR --data cifar10:DATA     # networks; goes on where it was stopped
    landscape phase DIR --data cifar10:DATA ...              # measures them; docs/phase.md has the whole line
    python -m docs.phase --published taxonomy.csv            # pictures and tables

The published table is not part of the package, so its place is an argument. Of our own grid
docs/phase-grid.csv is drawn, the `phase.csv` that `landscape phase` wrote, where it is there.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from landscape import figures
from landscape.comparison.phase import Trend, quadrants, trends
from landscape.errors import ResultError
from landscape.exchange import phase as table
from landscape.numbers import with_interval, written
from landscape.report.tables import markdown
from landscape.results.phases import MEASURES

HERE = Path(__file__).parent
PAGE = HERE / "phase.md"
PICTURES = HERE / "images" / "phase"
MEASURED = HERE / "phase-grid.csv"
DPI = 130
PUBLISHED, OURS = "published", "ours"
WIDTHS, BATCHES, SEEDS = (4, 8, 16), (32, 128, 512), (0, 1)
IMAGES, EPOCHS = 10_000, 2
_TABLE = re.compile(r"<!-- (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def train(folder: Path, data: str) -> None:
    """The grid: ResNet-20 of three widths, three batch sizes, two seeds each."""
    from landscape import data as datasets
    from landscape.train import Recipe
    from landscape.train import train as trained
    from landscape.zoo import parse

    folder.mkdir(parents=True, exist_ok=True)
    images = datasets.load(data, "train", IMAGES)
    for seed in SEEDS:
        for batch in BATCHES:
            for width in WIDTHS:
                out = folder / f"w{width:02d}-b{batch:03d}-seed{seed}.safetensors"
                recipe = Recipe(epochs=EPOCHS, batch_size=batch, seed=seed, precision="bfloat16")
                trained(parse(f"cifar-resnet20:width={width}"), images, recipe, out)
                print(out, flush=True)


def both(published: str | Path) -> dict[str, xr.Dataset]:
    """The published grid, and ours where it was measured."""
    ours = {OURS: table.read(MEASURED)} if MEASURED.is_file() else {}
    return {PUBLISHED: table.read(published), **ours}


def pictures(grids: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """The pictures that these grids give, by file name."""
    found = {f"map-{name}.webp": figures.phase_map(grid) for name, grid in grids.items()}
    return found | {
        "quadrants.webp": figures.phase_quadrants(grids),
        "trends.webp": figures.phase_trends(grids),
    }


def tables(grids: Mapping[str, xr.Dataset]) -> dict[str, str]:
    """The tables of the page by the mark that stands before them."""
    own = {name: trends(grid) for name, grid in grids.items()}
    rows = [
        (label(name), *(said(each[name]) for each in own.values()), *agreement(name, own))
        for name in MEASURES
        if any(name in each for each in own.values())
    ]
    heads = {name: f"{name}, {count(each)} cells" for name, each in own.items()}
    boxes = {name: quadrants(grid).counts() for name, grid in grids.items()}
    places = list(next(iter(boxes.values())))
    inside = [(place, *(_box(*each[place]) for each in boxes.values())) for place in places]
    return {
        "trends": markdown(
            ("measure", *heads.values(), *(["ours against theirs"] if OURS in own else [])), rows
        ),
        "quadrants": markdown(("quadrant", *boxes), inside),
        "laptop": laptop(own) if OURS in own else "",
    }


_LAPTOP = """## What a laptop reproduces

ResNet-20s of width 4, 8 and 16, trained with batches of 32, 128 and 512, two seeds each, for {epochs} epochs
on {images:,} images of CIFAR-10 (`python -m docs.phase --train`), and measured by `landscape phase RUNS
--samples 128 --probes 8 --tolerance 0.05 --predictions 2000`. What was measured is
[a table](phase-grid.csv), the weights are not kept. Networks so briefly trained have fitted little.

![The same panels for three widths and three batch sizes](images/phase/map-ours.webp)

Of the {count} trends that both grids have, {same} have the published sign with an interval that excludes zero
({which_same}), {opposite} the opposite sign ({which_opposite}), and for {open} nine cells are too few
({which_open}). The ways between our networks are straight lines, theirs are trained curves: connectivity is
not the same measure.
"""


def laptop(own: Mapping[str, Mapping[str, Trend]]) -> str:
    """The section on our own grid."""
    found: dict[str, list[str]] = {"same": [], "opposite": [], "open": []}
    for name in MEASURES:
        if all(name in own[grid] for grid in (PUBLISHED, OURS)):
            verdict = agreement(name, own)[0]
            key = "open" if "cannot tell" in verdict else "same" if "same sign" in verdict else "opposite"
            found[key].append(label(name))
    counts = {key: len(names) for key, names in found.items()}
    listed = {f"which_{key}": ", ".join(names) or "none" for key, names in found.items()}
    return _LAPTOP.format(epochs=EPOCHS, images=IMAGES, count=sum(counts.values()), **counts, **listed)


def _box(cells: int, accuracy: float) -> str:
    return f"{cells} cell{'s' * (cells > 1)}, {accuracy:.1f} %" if cells else "none"


def label(name: str) -> str:
    """A measure with its column."""
    return f"{MEASURES[name].label} (`{name}`)"


def count(found: Mapping[str, Trend]) -> str:
    """Over how many cells."""
    counts = sorted({each.cells for each in found.values()})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def said(trend: Trend) -> str:
    """A correlation with its interval."""
    return with_interval(trend.value, trend.interval.low, trend.interval.high, "+.2f")


def agreement(name: str, own: Mapping[str, Mapping[str, Trend]]) -> list[str]:
    """Whether our grid reproduces a published trend: its sign, and whether that is distinguishable."""
    if OURS not in own:
        return []
    theirs, ours = (own[grid][name] for grid in (PUBLISHED, OURS))
    if ours.interval.low <= 0 <= ours.interval.high:
        return ["– cannot tell"]
    word = "✓ same sign" if ours.value * theirs.value > 0 else "✗ opposite sign"
    inside = ours.interval.low <= theirs.value <= ours.interval.high
    return [word if inside else f"{word}, {written(abs(ours.value) - abs(theirs.value), '+.2f')} in size"]


def page(text: str, found: Mapping[str, str]) -> str:
    """The page with its tables as they are now."""
    return _TABLE.sub(lambda each: f"<!-- {each[1]} -->\n\n{found[each[1]].strip()}\n\n<!-- end -->", text)


def main() -> None:
    """Train, or write pictures and tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--train", metavar="DIR", type=Path, help="train the grid into this folder, nothing else"
    )
    parser.add_argument("--data", metavar="SPEC", default="demo", help="training images, as in cifar10:DIR")
    parser.add_argument("--published", metavar="FILE", help="the table of Yang et al.")
    given = parser.parse_args()
    if given.train:
        train(given.train, given.data)
        return
    if not given.published:
        raise ResultError("name the published table by --published, or a folder by --train")
    grids = both(given.published)
    for name, figure in pictures(grids).items():
        PICTURES.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=DPI)
        Image.open(stream).convert("RGB").save(PICTURES / name, quality=78, method=6)
        print(f"{name}: {(PICTURES / name).stat().st_size / 1000:.0f} kB")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), tables(grids)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
