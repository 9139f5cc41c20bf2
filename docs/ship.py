"""Take networks of the fair test into what ships: the package's results, and the table of their training.

    python -m docs.ship FOLDER…

Each FOLDER is one that `landscape reproduce --size fair` wrote, whole or in part; a result that ships already
is replaced. `python -m docs.results` then writes the page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

import landscape as ls
from docs.fair import CURVES
from landscape import family
from landscape.analyses.reproduction import save_curves
from landscape.cli.reading import read
from landscape.comparison.way import ARMS
from landscape.errors import LandscapeError
from landscape.results import save_bundle

Results = Mapping[str, Mapping[str, xr.Dataset]]
BUNDLE = Path(family.__file__).parent / "fair.zip"
_NAME = re.compile(r"(.+)-seed(\d+)(?:-epoch(\d+))?")


def merged(before: Results, added: Results) -> dict[str, dict[str, xr.Dataset]]:
    """Both together, networks at the end of their training first, by arm and seed; the same twice is new.

    Raises:
        LandscapeError: If one of the new networks is none of the fair test.
    """
    for name in added:
        found = _NAME.fullmatch(name)
        if not found or found[1] not in ARMS:
            raise LandscapeError(f"{name} is no network of the fair test, whose arms are {', '.join(ARMS)}")

    def place(name: str) -> tuple[bool, int, int, int]:
        arm, seed, epoch = _NAME.fullmatch(name).groups()  # type: ignore[union-attr]
        return epoch is not None, list(ARMS).index(arm), int(seed), int(epoch or 0)

    names = sorted({*before, *added}, key=place)
    return {name: {**before.get(name, {}), **added.get(name, {})} for name in names}


def main(folders: list[str]) -> None:
    """Merge and write."""
    places = [place for folder in map(Path, folders) for place in (folder, folder / "epochs")]
    measured = [place for place in places if any(place.glob("datasets/*/*.zarr"))]
    save_bundle(merged(family.measured("fair"), read(measured)), BUNDLE, slim=True)
    kept = [each for folder in folders for each in Path(folder).glob("checkpoints/*-seed?.safetensors")]
    save_curves([ls.load(each) for each in sorted(kept)], CURVES)


if __name__ == "__main__":
    main(sys.argv[1:])
