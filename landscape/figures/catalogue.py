"""The figures there are, by name: which kind of result each draws, and what it is called in words."""

from __future__ import annotations

from landscape.figures import catalogue_features
from landscape.figures.curvature.density import density
from landscape.figures.curvature.layers import layers
from landscape.figures.curvature.spectrum import spectrum
from landscape.figures.drawing import Drawing
from landscape.figures.surface.contours import contours
from landscape.figures.surface.grids import is_line, is_plane
from landscape.figures.surface.lines import lines
from landscape.figures.surface.polar import is_polar, polar
from landscape.figures.surface.sequence import sequence
from landscape.figures.surface.surface3d import surface3d
from landscape.figures.surface.trajectory import trajectory

FIGURES: dict[str, Drawing] = {
    "contours": Drawing(
        "surface",
        "Loss surface",
        "Contour plots of the loss around the trained weights, on one colour scale",
        contours,
        False,
        is_plane,
    ),
    "surface3d": Drawing(
        "surface",
        "Loss surface in 3D",
        "Loss around the trained weights as surfaces in three dimensions, on one scale",
        surface3d,
        False,
        is_plane,
    ),
    "trajectory": Drawing(
        "trajectory",
        "Path of training",
        "Checkpoints of training on a plane through the weights",
        trajectory,
        False,
    ),
    "spectrum": Drawing(
        "spectrum",
        "Hessian max-eigenvalue spectrum",
        "Densities of the Hessian eigenvalues of mini-batches",
        spectrum,
        True,
    ),
    "density": Drawing(
        "density",
        "Spectral density of the Hessian",
        "Density of all eigenvalues of the Hessian, with single outlying ones",
        density,
        True,
    ),
    "layers": Drawing(
        "layers",
        "Curvature by layer",
        "Top Hessian eigenvalue and trace of each layer against depth",
        layers,
        True,
    ),
    **catalogue_features.FIGURES,
}
"""What is drawn of the results of a comparison, in this order."""

FURTHER: dict[str, Drawing] = {
    "lines": Drawing(
        "surface",
        "Loss along a line",
        "Loss and accuracy along a line through the trained weights, one curve a network",
        lines,
        True,
        is_line,
    ),
    "polar": Drawing(
        "trajectory",
        "Training seen from its end",
        "Distance of checkpoints from the last weights against their direction, in polar coordinates",
        polar,
        True,
        is_polar,
    ),
    "sequence": Drawing(
        "surface",
        "Loss surface under fresh dropout masks",
        "Contour plots of the same plane under one dropout mask after another, on one colour scale",
        sequence,
        False,
        lambda dataset: False,  # it takes several results of each network
    ),
    **catalogue_features.FURTHER,
}
"""Figures of results of a special form, or of several results of one network."""
