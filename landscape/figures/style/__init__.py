"""Publication style: printed widths, embedded fonts, one stable look per network, atomic saving."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from landscape.errors import ResultError, ResultRequestError
from landscape.figures.style.roles import PALETTE as PALETTE
from landscape.figures.style.roles import Look as Look
from landscape.figures.style.roles import looks as looks
from landscape.figures.style.roles import looks_for as looks_for
from landscape.files import atomic_path

ONE_COLUMN = 3.25
"""Width of one ICML column, in inches."""
TWO_COLUMN = 6.75
"""Width of a full ICML page, in inches."""

NARROW = 5.0
"""Figures under this width (inches) stack their panels and have shorter legends."""

PRESETS = {
    "icml": (ONE_COLUMN, TWO_COLUMN),
    "neurips": (2.7, 5.5),
    "iclr": (2.7, 5.5),
    "cvpr": (3.25, 6.875),
    "tmlr": (3.2, 6.5),
}
"""Widths in inches of one column and of the whole page; where a page has one column, the first halves it."""

FONTS = {"sans": ("DejaVu Sans",), "serif": ("STIXGeneral", "DejaVu Sans")}
"""Families by name, which ship with matplotlib: the same letters on every machine.

STIX matches the Times of the venues; letters it lacks are those of the next family.
"""

_FORMATS = ("pdf", "svg", "png")
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
_RC: Any = {
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",  # outlines: drawn alike with or without the font installed
    "svg.hashsalt": "landscape",
    "text.parse_math": False,  # a network may be called "a$b"
    "axes.unicode_minus": True,
    "figure.dpi": 100,
}


def context(font: str | None = None) -> AbstractContextManager[None]:
    """The style as a context; rcParams are as before when it ends.

    Args:
        font: One of `FONTS`; by default that of the context around it, and without any `sans`.

    Raises:
        ResultRequestError: If there is no such font.
    """
    if font is not None and font not in FONTS:
        raise ResultRequestError(f"no font is called {font!r}; there are {', '.join(FONTS)}")
    family = list(FONTS[font or _font_of(matplotlib.rcParams["font.family"]) or "sans"])
    return matplotlib.rc_context(_RC | {"font.family": family})


def font(name: str) -> AbstractContextManager[None]:
    """A context in which figures are drawn with other letters: `with figures.font("serif"): …`.

    Args:
        name: One of `FONTS`.

    Raises:
        ResultRequestError: If there is no such font.
    """
    return context(name)


def _font_of(family: Sequence[str]) -> str | None:
    """Which of `FONTS` a list of families is."""
    return next((name for name, found in FONTS.items() if list(found) == list(family)), None)


def ramp() -> Colormap:
    """Seaborn's "crest" for thin lines on white: uniform in lightness, without its too light end."""
    import seaborn

    return seaborn.color_palette("crest", as_cmap=True)


def trim(figure: Figure) -> None:
    """Take away the height that panels of a fixed shape leave empty."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    figure.set_figheight(box.height + 0.08)


def preset_width(preset: str, across: int) -> float:
    """Width of a figure for a venue.

    Args:
        preset: One of `PRESETS`.
        across: Columns, 1 or 2.

    Raises:
        ResultRequestError: If there is no such preset.
    """
    if preset not in PRESETS or across not in (1, 2):
        raise ResultRequestError(
            f"no width is known of {across} columns of {preset!r}; choose 1 or 2 of {', '.join(PRESETS)}"
        )
    return PRESETS[preset][across - 1]


def columns(count: int, width: float = TWO_COLUMN) -> int:
    """Panels in a row: nine networks make 3 × 3, four make 2 × 2; no more than two if narrow."""
    across = 2 if count == 4 else min(count, 3) if count <= 9 else 4
    return min(across, 2) if width < NARROW else across


def whole_page(found: Any) -> float:
    """The usual width of most figures, two columns, however many networks there are."""
    return TWO_COLUMN


def by_count(found: Sized) -> float:
    """One column for a single panel and two for more (inches)."""
    return ONE_COLUMN if len(found) == 1 else TWO_COLUMN


def short(name: str, limit: int = 26) -> str:
    """A name that fits above a panel: the middle of a long one is left out."""
    if len(name) <= limit:
        return name
    half = (limit - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def key(look: Look, **options: Any) -> Line2D:
    """A legend entry for a look."""
    return Line2D([], [], **look.line, **options)


def legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str], *, columns: int) -> None:
    """One legend under all panels, so that it never covers data."""
    shown = [f" {label}" if label.startswith("_") else label for label in labels]  # a leading _ means 'hide'
    figure.legend(
        handles, shown, loc="outside lower center", ncols=columns, handlelength=2.6, columnspacing=1.4
    )


def grid(figure: Figure, count: int, across: int, **options: Any) -> list[Axes]:
    """Panels in rows, the last row filled from the left; those with nothing below them show tick labels.

    Args:
        figure: Where they stand.
        count: Number of panels.
        across: Panels in a row.
        **options: Passed to `Figure.subplots`.
    """
    cells = figure.subplots(-(-count // across), across, squeeze=False, **options).flat
    for spare in cells[count:]:
        spare.remove()
    for axis in cells[max(count - across, 0) : count]:
        axis.xaxis.set_tick_params(labelbottom=True)
    return list(cells[:count])


def colour_bar(figure: Figure, colours: ScalarMappable, label: str, **options: Any) -> Colorbar:
    """A labelled colour bar with a thin frame; options are those of `Figure.colorbar`."""
    bar = figure.colorbar(colours, **options)
    bar.set_label(label)
    bar.outline.set_linewidth(0.6)
    return bar


def save(
    figure: Figure, stem: str | Path, *, formats: Sequence[str] = _FORMATS, dpi: int = 200
) -> list[Path]:
    """Write a figure as `stem.pdf`, `stem.svg` and `stem.png`, each atomically and without timestamps.

    Args:
        figure: What one of the functions of `landscape.figures` returned.
        stem: Path without the extension.
        formats: Any of pdf, svg and png.
        dpi: Dots per inch of the PNG and of rasterised parts.

    Returns:
        The files written.

    Raises:
        ResultError: If a format is unknown.
        LandscapeError: If the place cannot be written.
    """
    unknown = [name for name in formats if name not in _FORMATS]
    if unknown:
        raise ResultError(f"unknown format {', '.join(unknown)}; figures are saved as {', '.join(_FORMATS)}")
    # Labels of ticks are made when they are written: in the font of those that are there.
    families = (_font_of(text.get_fontfamily()) for text in figure.findobj(Text))
    own = next(filter(None, families), None)
    paths = []
    for name in formats:
        path = Path(f"{stem}.{name}")
        with atomic_path(path) as draft, context(own):
            figure.savefig(draft, format=name, dpi=dpi, metadata=_METADATA[name])
        paths.append(path)
    return paths
