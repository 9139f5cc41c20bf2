"""The page's figures: drawn, saved, put into the page, and sorted into its chapters."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from landscape import figures
from landscape.errors import ResultRequestError
from landscape.figures.registry import VERDICTS, Drawing, catalogue, find
from landscape.figures.style import Look
from landscape.figures.surface.grids import QUANTITIES, masks
from landscape.files import write_text
from landscape.report.assets import data_address
from landscape.report.summary import Results
from landscape.results import KINDS

_SURFACES = ("contours", "surface3d", "lines", "sequence", "trajectory")
"""Figures that show one quantity of a surface."""


@dataclass(frozen=True)
class Panel:
    """A figure to draw.

    Attributes:
        name: Of the catalogue.
        datasets: By network name, or what `landscape.comparison` found.
        options: Of its function and of its caption.
        width: In inches; None takes the figure's usual one.
    """

    name: str
    datasets: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    width: float | None = None

    @property
    def drawing(self) -> Drawing:
        """The figure's entry in the catalogue."""
        return find(self.name)

    def caption(self) -> str:
        """Its caption."""
        return figures.caption(self.name, self.datasets, **self.options)

    def save(
        self, folder: Path, looks: Mapping[str, Look], formats: Iterable[str] = ("pdf", "svg", "png")
    ) -> str:
        """Write it, with its caption beside it, and an animation of what is a sequence.

        Returns:
            The caption.
        """
        figure = figures.draw(self.name, self.datasets, looks=looks, width=self.width, **self.options)
        figures.save(figure, folder / self.name, formats=tuple(formats))
        if self.name == "sequence":
            figures.animate(self.datasets, folder / "sequence.gif", width=self.width, **self.options)
        text = self.caption()
        write_text(folder / f"{self.name}.txt", text + "\n")
        return text


def panels(
    results: Results, *, quantity: str = "nll", only: Collection[str] = (), width: float | None = None
) -> list[Panel]:
    """Every figure that suits some of the results, in the order of the catalogue.

    Args:
        results: What there is.
        quantity: What is drawn of surfaces.
        only: Names of figures; all by default.
        width: In inches; None takes each figure's usual one.

    Raises:
        ResultRequestError: If a figure or the quantity is unknown.
    """
    for name in only:
        find(name)
    if quantity not in QUANTITIES:
        raise ResultRequestError(f"unknown quantity {quantity!r}; a surface has {', '.join(QUANTITIES)}")
    return [
        Panel(name, datasets, _options(name, results, quantity), width)
        for name in catalogue()
        if (datasets := _datasets(name, results)) and (not only or name in only)
    ]


def _datasets(name: str, results: Results) -> dict[str, xr.Dataset]:
    """The results that a figure draws."""
    kind = find(name).kind
    own = {network: kinds[kind] for network, kinds in results.items() if kind in kinds}
    if name == "sequence":
        several = {network: each for network, each in own.items() if len(masks(each)) > 1}
        return several if len({len(masks(each)) for each in several.values()}) == 1 else {}
    return figures.suited(own).get(name, {})


def _options(name: str, results: Results, quantity: str) -> dict[str, Any]:
    """The quantity of surfaces, and the surface beneath a trajectory."""
    options: dict[str, Any] = {"quantity": quantity} if name in _SURFACES and quantity != "nll" else {}
    if name == "trajectory":
        beneath = {
            network: kinds["surface"]
            for network, kinds in results.items()
            if {"surface", "trajectory"} <= set(kinds) and _same_plane(kinds["surface"], kinds["trajectory"])
        }
        options |= {"surfaces": beneath} if beneath else {}
    return options


def _same_plane(surface: xr.Dataset, trajectory: xr.Dataset) -> bool:
    """Whether a surface was measured along a trajectory's directions."""
    if not all("direction" in each for each in (surface, trajectory)):
        return False
    return bool(surface["direction"].equals(trajectory["direction"]))


FORMATS = ("pdf", "svg", "png")
HEAVY = 450_000
"""A figure whose SVG has more bytes than this is shown as PNG."""
CHAPTERS = {
    "surface": ("Loss surfaces", "surface"),
    "connectivity": ("Connectivity", ""),
    "hessian": ("Hessian spectra", "spectrum"),
    "feature-maps": ("Feature maps by depth", "features"),
    "predictions": ("Predictions", "predictions"),
}
"""Heading of each chapter, in the order of the page, and the interactive part that it begins with, if any.

Which kinds of results a chapter is about, their records say (`landscape.results.kinds`).
"""
REASONS = ("reasons", "The chain of reasons")
"""Id and heading of the first chapter, whose figures are of `VERDICTS`."""
FURTHER = ("further", "Further figures")
TWINS = {
    "surface": ("contours", "surface3d", "sequence"),
    "spectrum": ("spectrum",),
    "features": ("variance", "high_frequency", "uncertainty"),
    "predictions": ("reliability", "ensemble"),
}
"""By interactive part the figures that show the same: they are seen on paper, and where no script runs."""
_PIXELS = 4 / 3 * 96 / 72  # of the page for a point of print: letters of 7 pt become 12 px


@dataclass(frozen=True)
class Section:
    """One figure of the page.

    Attributes:
        name: Of the catalogue; its files lie at `figures/<name>.<format>`.
        kind: Kind of result it draws.
        title: Its heading.
        sentence: What came out.
        caption: Definition, protocol and warnings.
        alternative: What is to be seen, for those who do not see it.
        image: The image as a data: address.
        width: Its width in the page, in pixels.
        height: Its height in the page, in pixels.
    """

    name: str
    kind: str
    title: str
    sentence: str
    caption: str
    alternative: str
    image: str
    width: int
    height: int


@dataclass(frozen=True)
class Chapter:
    """One part of the page.

    Attributes:
        name: Its id.
        title: Its heading.
        live: Name of the interactive part it begins with; empty for none.
        sections: Its figures.
    """

    name: str
    title: str
    live: str
    sections: Sequence[Section]

    def is_twin(self, section: Section) -> bool:
        """Whether a figure of it stands in for its interactive part."""
        return section.name in TWINS.get(self.live, ())


def write_figures(
    results: Results, folder: Path, *, looks: Mapping[str, Look], said: Mapping[str, str]
) -> list[Section]:
    """Draw and save every figure there is data for.

    Args:
        results: Network name → kind → dataset.
        folder: Where the files go.
        looks: A look for each network of the comparison.
        said: Sentences by figure.
    """
    return [section(panel, folder, looks, said.get(panel.name, "")) for panel in panels(results)]


def chapters(sections: Sequence[Section], parts: Mapping[str, object]) -> list[Chapter]:
    """The chapters that have a figure or an interactive part, in order.

    Args:
        sections: All figures.
        parts: What `live` returned.
    """
    name, title = REASONS
    sorted_in: dict[str, list[Section]] = {chapter: [] for chapter in (name, *CHAPTERS, FURTHER[0])}
    for section in sections:
        place = name if section.kind == VERDICTS else _chapter_of(section.kind)
        sorted_in[place].append(section)
    found = [Chapter(name, title, "", sorted_in[name])]
    found += [
        Chapter(chapter, heading, live if live in parts else "", sorted_in[chapter])
        for chapter, (heading, live) in CHAPTERS.items()
    ]
    found.append(Chapter(*FURTHER, "", sorted_in[FURTHER[0]]))
    return [chapter for chapter in found if chapter.live or chapter.sections]


def _chapter_of(kind: str) -> str:
    """The chapter that the record of a kind names, or the last one."""
    chapter = KINDS[kind].chapter if kind in KINDS else ""
    return chapter if chapter in CHAPTERS else FURTHER[0]


def section(panel: Panel, folder: Path, looks: Mapping[str, Look], sentence: str, seen: str = "") -> Section:
    """A figure drawn, saved, and put into the page.

    Args:
        panel: What to draw.
        folder: Where its files go.
        looks: A look for each network of the comparison.
        sentence: What came out.
        seen: What is to be seen, as alternative text; by default what the catalogue says, and of whom.
    """
    name, drawing = panel.name, panel.drawing
    caption = panel.save(folder, looks, FORMATS)
    vector = (folder / f"{name}.svg").read_bytes()
    width, height = _size(vector.decode("utf-8"))
    if len(vector) <= HEAVY:
        image = data_address(vector, "image/svg+xml")
    else:
        image = data_address((folder / f"{name}.png").read_bytes(), "image/png")
    seen = seen or f"{drawing.description}, for {', '.join(panel.datasets)}."
    alternative = f"{seen} {sentence}".strip()
    return Section(name, drawing.kind, drawing.title, sentence, caption, alternative, image, width, height)


def _size(vector: str) -> tuple[int, int]:
    """Width and height of an SVG in pixels of the page."""
    found = dict(re.findall(r'\b(width|height)="([\d.]+)pt"', vector[: vector.index("<g ")]))
    return round(float(found["width"]) * _PIXELS), round(float(found["height"]) * _PIXELS)
