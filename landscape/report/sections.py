"""The page's figures: drawn, saved, put into the page, and sorted into its chapters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from landscape.figures.style import Look
from landscape.report.assets import data_address
from landscape.report.drawing import Panel, Results, panels
from landscape.results import KINDS

FORMATS = ("pdf", "svg", "png")
HEAVY = 450_000
"""A figure whose SVG has more bytes than this is shown as PNG."""
CHAPTERS = {
    "surface": ("Loss surfaces", "surface"),
    "hessian": ("Hessian spectra", "spectrum"),
    "feature-maps": ("Feature maps by depth", "features"),
    "predictions": ("Predictions", "predictions"),
}
"""Heading of each chapter, in the order of the page, and the interactive part that it begins with.

Which kinds of results a chapter is about, their records say (`landscape.results.kinds`).
"""
REASONS = ("reasons", "The chain of reasons", "verdicts")
"""Id and heading of the first chapter, and the kind of its figures."""
FURTHER = ("further", "Further figures")
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
    return [_section(panel, folder, looks, said.get(panel.name, "")) for panel in panels(results)]


def chapters(sections: Sequence[Section], parts: Mapping[str, object]) -> list[Chapter]:
    """The chapters that have a figure or an interactive part, in order.

    Args:
        sections: All figures.
        parts: What `live` returned.
    """
    name, title, reasons = REASONS
    sorted_in: dict[str, list[Section]] = {chapter: [] for chapter in (name, *CHAPTERS, FURTHER[0])}
    for section in sections:
        place = name if section.kind == reasons else _chapter_of(section.kind)
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


def _section(panel: Panel, folder: Path, looks: Mapping[str, Look], sentence: str) -> Section:
    caption = panel.save(folder, looks, FORMATS)
    drawing = panel.drawing
    alternative = f"{drawing.description}, for {', '.join(panel.datasets)}. {sentence}".strip()
    words = Words(drawing.title, sentence, caption, alternative)
    return put_in(folder, panel.name, drawing.kind, words)


@dataclass(frozen=True)
class Words:
    """What is said of a figure, as in `Section`."""

    title: str
    sentence: str
    caption: str
    alternative: str


def put_in(folder: Path, name: str, kind: str, words: Words) -> Section:
    """A saved figure as a section of the page, with its image inside.

    Args:
        folder: Where its files lie.
        name: Their name without the format.
        kind: Kind of result it draws.
        words: What is said of it.
    """
    vector = (folder / f"{name}.svg").read_bytes()
    width, height = _size(vector.decode("utf-8"))
    image = (
        data_address(vector, "image/svg+xml")
        if len(vector) <= HEAVY
        else data_address((folder / f"{name}.png").read_bytes(), "image/png")
    )
    return Section(
        name,
        kind,
        words.title,
        words.sentence,
        words.caption,
        words.alternative,
        image,
        width,
        height,
    )


def _size(vector: str) -> tuple[int, int]:
    """Width and height of an SVG in pixels of the page."""
    found = dict(re.findall(r'\b(width|height)="([\d.]+)pt"', vector[: vector.index("<g ")]))
    return round(float(found["width"]) * _PIXELS), round(float(found["height"]) * _PIXELS)
