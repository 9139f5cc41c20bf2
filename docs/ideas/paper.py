"""What the pictures of the documentation share: style, storage, and how two of them are compared."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from landscape.figures import style

WIDTH = style.TWO_COLUMN
BLUE, ORANGE, GREEN = style.PALETTE[:3]
GREY = "0.45"
DPI = 180
ALIKE = 4.0
"""Mean difference of grey levels, of 255, up to which two pictures are alike: lossy storage costs about 1."""


@contextmanager
def drawing() -> Iterator[None]:
    """The style of the package's figures, with formulas in labels."""
    with style.context(), matplotlib.rc_context({"text.parse_math": True, "mathtext.fontset": "stix"}):
        yield


def letter(axes: list[Axes], titles: list[str]) -> None:
    """Titles with the letters that the text refers to."""
    for mark, axis, title in zip("abcdef", axes, titles, strict=False):
        axis.set_title(f"({mark})  {title}", loc="left")


def pixels(figure: Figure) -> Image.Image:
    """A figure as it is stored."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return Image.open(stream).convert("RGB")


def store(figure: Figure, place: Path) -> None:
    """Write a picture, small and sharp enough for a screen of twice the usual resolution."""
    place.parent.mkdir(parents=True, exist_ok=True)
    image = pixels(figure)
    image.save(place, **({"quality": 80, "method": 6} if place.suffix == ".webp" else {"optimize": True}))


def difference(figure: Figure, place: Path) -> float:
    """Mean difference of grey levels between a figure and a stored picture; infinite for another size."""
    drawn, stored = pixels(figure).convert("L"), Image.open(place).convert("L")
    if any(abs(a - b) > 2 for a, b in zip(drawn.size, stored.size, strict=True)):
        return float("inf")
    first, second = (np.asarray(each, dtype=float) for each in (drawn.resize(stored.size), stored))
    return float(np.abs(first - second).mean())
