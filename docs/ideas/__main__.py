"""Writes the five pictures, and the one that opens the README."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from docs.ideas import amplitude, averaging, misleading, normalisation, opening, spectrum
from docs.ideas.paper import drawing, store
from landscape import family

IMAGES = Path(__file__).parents[1] / "images"


def pictures() -> dict[str, Figure]:
    """Every picture by its file below docs/images."""
    measured = family.measured()
    with drawing():
        return {
            "opening.png": opening.picture(measured),
            "ideas/normalisation.webp": normalisation.picture(),
            "ideas/spectrum.webp": spectrum.picture(measured),
            "ideas/amplitude.webp": amplitude.picture(measured),
            "ideas/averaging.webp": averaging.picture(measured),
            "ideas/misleading.webp": misleading.picture(measured),
        }


def main() -> None:
    """Write them all."""
    with drawing():
        for name, figure in pictures().items():
            store(figure, IMAGES / name)
            print(f"{name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
