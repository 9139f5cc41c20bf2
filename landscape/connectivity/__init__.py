"""Paths between networks: alignment modulo permutation, trained curves, and the barriers on them."""

from landscape.connectivity.activations import by_activations
from landscape.connectivity.curves import CurveRecipe, trained
from landscape.connectivity.groups import Group, Symmetry
from landscape.connectivity.heights import Height, barrier, connectivity
from landscape.connectivity.matching import Matching, by_weights
from landscape.connectivity.paths import Path, spaced
from landscape.connectivity.permuting import Copy, permuted, verified
from landscape.connectivity.repair import aligned_ends, placed, repairable, repaired, statistics_at
from landscape.connectivity.symmetry import symmetry

__all__ = [
    "Copy",
    "CurveRecipe",
    "Group",
    "Height",
    "Matching",
    "Path",
    "Symmetry",
    "aligned_ends",
    "barrier",
    "by_activations",
    "by_weights",
    "connectivity",
    "permuted",
    "placed",
    "repairable",
    "repaired",
    "spaced",
    "statistics_at",
    "symmetry",
    "trained",
    "verified",
]
