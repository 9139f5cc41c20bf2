"""The figures there are, by name: which kind of result each draws, and what it is called in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from landscape.figures.contours import contours
from landscape.figures.density import density
from landscape.figures.fourier import fourier, high_frequency
from landscape.figures.inputs import Datasets
from landscape.figures.layers import layers
from landscape.figures.spectrum import spectrum
from landscape.figures.style import Look
from landscape.figures.surface3d import surface3d
from landscape.figures.variance import variance


@dataclass(frozen=True)
class Drawing:
    """One figure of the catalogue.

    Attributes:
        kind: Kind of result it draws.
        title: Its heading on a page.
        description: What is to be seen, as alternative text.
        draw: The function, called with results and options.
        per_network: Whether lines have the look of their network (the function takes `looks`).
    """

    kind: str
    title: str
    description: str
    draw: Callable[..., Figure]
    per_network: bool


FIGURES: dict[str, Drawing] = {
    "contours": Drawing(
        "surface",
        "Loss surface",
        "Contour plots of the loss around the trained weights, on one colour scale",
        contours,
        False,
    ),
    "surface3d": Drawing(
        "surface",
        "Loss surface in 3D",
        "Loss around the trained weights as surfaces in three dimensions, on one scale",
        surface3d,
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
    "fourier": Drawing(
        "features",
        "Fourier analysis of feature maps",
        "Delta log amplitude of feature maps against frequency, one curve a layer",
        fourier,
        False,
    ),
    "high_frequency": Drawing(
        "features",
        "High frequencies by depth",
        "High-frequency delta log amplitude of feature maps against depth",
        high_frequency,
        True,
    ),
    "variance": Drawing(
        "features",
        "Feature-map variance by depth",
        "Spatial variance of feature maps against depth",
        variance,
        True,
    ),
}


def draw(name: str, datasets: Datasets, *, looks: Mapping[str, Look] | None = None) -> Figure:
    """Draw a figure of the catalogue by name, with the looks of the whole comparison where it uses them."""
    drawing = FIGURES[name]
    return drawing.draw(datasets, looks=looks) if drawing.per_network else drawing.draw(datasets)
