"""Loss surfaces: lines and planes through weight space, what they say, and how far to trust it."""

from landscape.surface.directions import (
    Directions,
    filter_normalised,
    random,
    random_directions,
)
from landscape.surface.flatness import flatness
from landscape.surface.grid import Mesh, axis, coarse_to_fine, covering, find_span, tuned
from landscape.surface.moved import apart
from landscape.surface.norms import NORMS, Norm, normalised
from landscape.surface.plane import plane, shuffled, surface
from landscape.surface.quadratic import Quadratic, fit
from landscape.surface.roughness import roughness
from landscape.surface.series import line, principal, triangle
from landscape.surface.stored import as_arrays, from_arrays, from_eigenvectors, from_tensors
from landscape.surface.trajectory import polar, project

__all__ = [
    "NORMS",
    "Directions",
    "Mesh",
    "Norm",
    "Quadratic",
    "apart",
    "as_arrays",
    "axis",
    "coarse_to_fine",
    "covering",
    "filter_normalised",
    "find_span",
    "fit",
    "flatness",
    "from_arrays",
    "from_eigenvectors",
    "from_tensors",
    "line",
    "normalised",
    "plane",
    "polar",
    "principal",
    "project",
    "random",
    "random_directions",
    "roughness",
    "shuffled",
    "surface",
    "triangle",
    "tuned",
]
