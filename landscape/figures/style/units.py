"""Axes of surfaces in words: what one unit of them is, and how far it moves the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landscape.figures.style.reductions import option
from landscape.numbers import plain_number

UNITS = {
    "filter": "filter norms",
    "layer": "layer norms",
    "weight": "weight magnitudes",
    "none": "standard deviations",
    "paper": "norms across filters",
}
"""Unit of the axes of results that do not store it, by how their directions were normalised."""
LENGTH = "‖Δw‖"
_NAMES = {
    "random direction 1": "x",
    "random direction 2": "y",
    "principal component 1": "first principal component",
    "principal component 2": "second principal component",
}


@dataclass(frozen=True)
class Axis:
    """One axis of a surface.

    Attributes:
        name: What it runs along, such as x.
        unit: What one unit of it is; None if that is not known.
        length: Euclidean length of one unit; None if it is not known, or is the unit.
    """

    name: str
    unit: str | None
    length: str | None

    @property
    def step(self) -> str:
        """How far one unit moves the weights: `1 = ‖Δw‖ 12.3`; empty if that is not known."""
        return f"1 = {LENGTH} {self.length}" if self.length else ""

    def bare(self) -> Axis:
        """The axis without its length."""
        return Axis(self.name, self.unit, None)

    def label(self, *, lines: bool = False) -> str:
        """The label: `x (filter norms; 1 = ‖Δw‖ 12.3)`.

        Args:
            lines: Whether the length has a line of its own, for narrow panels.
        """
        if lines:
            return "\n".join(part for part in (self.bare().label(), self.step) if part)
        inside = "; ".join(part for part in (self.unit, self.step) if part)
        return f"{self.name} ({inside})" if inside else self.name


def axis(dataset: xr.Dataset, which: str) -> Axis:
    """One axis of a surface or of a trajectory.

    Args:
        dataset: The result; the mean length of several repeats is taken.
        which: `x` or `y`.
    """
    attributes = dataset[which].attrs
    name = str(attributes.get("long_name") or which)
    unit = attributes.get("units") or UNITS.get(str(option(dataset, "norm")))
    stored = dataset.get(f"{which}_norm")
    length = float(np.mean(stored.values)) if stored is not None else np.nan
    known = np.isfinite(length) and unit != LENGTH
    return Axis(_NAMES.get(name, name), unit, plain_number(length) if known else None)


def panel_labels(
    found: Sequence[tuple[Axis, Axis]], across: int, *, lines: bool = False
) -> list[tuple[str, str]]:
    """Labels of the x and the y axis of every panel, each thing said once.

    Outer panels have whole labels. Inner ones add what is theirs alone: their lengths, for x where they
    differ from the panel below, for y where they differ from their own x; the whole where the unit differs.

    Args:
        found: The axes x and y of each panel, in rows from the left.
        across: Panels in a row.
        lines: Whether lengths have a line of their own.
    """
    labels = []
    for index, (x, y) in enumerate(found):
        below = found[index + across][0] if index + across < len(found) else None
        left = found[index - 1][1] if index % across else None
        own = (y.unit, y.length) == (x.unit, x.length) or len(set(found)) == 1
        labels.append((_beside(x, below, x == below, lines), _beside(y, left, own, lines)))
    return labels


def _beside(this: Axis, outer: Axis | None, said: bool, lines: bool) -> str:
    if outer is None or (this.name, this.unit) != (outer.name, outer.unit):
        return this.label(lines=lines)
    return "" if said else this.step


def proportion(dataset: xr.Dataset) -> float:
    """Height of a panel over its width that shows a plane as it lies in weight space.

    1 where the lengths of the directions are not known, or the panel would be too flat or too tall.
    """
    width, height = (
        float(np.ptp(dataset[which].values)) * float(np.mean(dataset.get(f"{which}_norm", 1.0)))
        for which in ("x", "y")
    )
    found = height / width if width > 0 else np.nan
    if not 0.4 < found < 2.5 or abs(found - 1) < 0.05:  # for a few per cent, panels shall align
        return 1.0
    return found
