"""Many comparisons at once: what is said of each is corrected for how many there are.

A handful of comparisons that the papers' main statement is about is the primary family: Holm's procedure
(1979) keeps the chance of even one false alarm among them at 5 %. All others are secondary: within each block
the share of false alarms among what is told is kept at 5 % (Benjamini & Hochberg 1995). What is neither, as
the cells of the map of conditions, is exploratory: each by itself, at 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from landscape.comparison.quantities import Quantity

PRIMARY = "primary"
EXPLORATORY = "exploratory"

MAIN = ("largest Hessian eigenvalue", "NLL")
"""Quantities of the primary family: smoothing flattens the landscape, and predictions improve."""

BLOCKS = {
    "features": "feature maps",
    "ensemble": "spread of predictions",
    "spectrum": "landscape",
    "flatness": "landscape",
    "evaluation": "predictions",
}
"""The block of a secondary comparison, by kind of result."""


def family_of(quantity: Quantity) -> str:
    """`primary`, or the block that a comparison of this quantity belongs to."""
    return PRIMARY if quantity.name in MAIN else BLOCKS[quantity.kind]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that the chance of any false alarm in the family is at most the level (Holm 1979).

    Args:
        p_values: Of the family; NaN is none and stays so.
    """
    adjusted = np.full(len(p_values), np.nan)
    known = [place for place in np.argsort(p_values) if np.isfinite(p_values[place])]
    largest = 0.0
    for rank, place in enumerate(known):
        largest = max(largest, min((len(known) - rank) * p_values[place], 1.0))
        adjusted[place] = largest
    return adjusted.tolist()


def false_discovery(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that so many of those told are false alarms (Benjamini & Hochberg 1995).

    Args:
        p_values: Of the block; NaN is none and stays so.
    """
    adjusted = np.array(p_values, float)
    known = np.isfinite(adjusted)
    if known.any():
        adjusted[known] = stats.false_discovery_control(adjusted[known])
    return adjusted.tolist()


def corrected(families: Sequence[str], p_values: Sequence[float]) -> list[float]:
    """Each p-value adjusted for the others of its family.

    Args:
        families: `primary`, `exploratory`, or the name of a block, for each comparison.
        p_values: Of each comparison.
    """
    adjusted = list(p_values)
    for family in dict.fromkeys(families):
        places = [place for place, each in enumerate(families) if each == family]
        if family != EXPLORATORY:
            method = holm if family == PRIMARY else false_discovery
            for place, value in zip(places, method([p_values[place] for place in places]), strict=True):
                adjusted[place] = value
    return adjusted


def in_words(family: str, count: int) -> str:
    """How a comparison of a family of so many was corrected."""
    if family == EXPLORATORY:
        return "exploratory, not corrected"
    if family == PRIMARY:
        return f"corrected for the {count} primary comparisons (Holm)"
    return f"corrected for the {count} comparisons of {family} (false discovery rate)"
