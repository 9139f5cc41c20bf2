"""Panels of Park & Kim's papers, drawn of one's own measured networks: `draw("p1-fig8", results)`."""

from landscape.figures.papers.panels import PANELS, Panel, draw, find
from landscape.figures.papers.parts import Part, Widths

__all__ = ["PANELS", "Panel", "Part", "Widths", "draw", "find"]
