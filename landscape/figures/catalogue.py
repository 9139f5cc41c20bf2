"""The figures there are, by name: which kind of result each draws, and what it is called in words."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from landscape.errors import ResultError
from landscape.figures import catalogue_features, catalogue_predictive
from landscape.figures.contours import contours
from landscape.figures.density import density
from landscape.figures.drawing import Drawing
from landscape.figures.grids import is_line, is_plane
from landscape.figures.inputs import Datasets
from landscape.figures.layers import layers
from landscape.figures.lines import lines
from landscape.figures.polar import is_polar, polar
from landscape.figures.sequence import Frames, sequence
from landscape.figures.spectrum import spectrum
from landscape.figures.style import Look
from landscape.figures.surface3d import surface3d
from landscape.figures.trajectory import trajectory

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
    **catalogue_predictive.FIGURES,
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
    **catalogue_predictive.FURTHER,
}
"""Figures of results of a special form, or of several results of one network."""


def suited(datasets: Mapping[str, xr.Dataset]) -> dict[str, dict[str, xr.Dataset]]:
    """Every figure that can be drawn of some of these results, with those, in the order of the catalogue.

    Args:
        datasets: Results of one kind by network name.
    """
    found = {
        figure: {
            name: dataset
            for name, dataset in datasets.items()
            if dataset.attrs.get("kind") == drawing.kind and drawing.suits(dataset)
        }
        for figure, drawing in (FIGURES | FURTHER).items()
    }
    return {figure: drawn for figure, drawn in found.items() if drawn}


def draw(name: str, datasets: Datasets | Frames, *, looks: Mapping[str, Look] | None = None) -> Figure:
    """Draw a figure of the catalogue by name, with the looks of the whole comparison where it uses them.

    Raises:
        ResultError: If no figure has that name, or the results do not suit it.
    """
    drawings = FIGURES | FURTHER
    if name not in drawings:
        raise ResultError(f"no figure is called {name!r}; there are {', '.join(drawings)}")
    drawing = drawings[name]
    return drawing.draw(datasets, looks=looks) if drawing.per_network else drawing.draw(datasets)
