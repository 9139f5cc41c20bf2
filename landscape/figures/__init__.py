"""Publication-ready comparative figures of saved results; reads xarray datasets and never imports torch.

Each function takes one result, or several by network name, and returns a matplotlib `Figure`:

    >>> from landscape import figures, results
    >>> figure = figures.contours({"gap": results.load("gap-surface.zarr")})      # doctest: +SKIP
    >>> figures.save(figure, "contours")                                          # doctest: +SKIP
"""

from landscape.figures.captions import caption, protocol_differences
from landscape.figures.catalogue import FIGURES, FURTHER, Drawing, draw, suited
from landscape.figures.contours import contours
from landscape.figures.density import density
from landscape.figures.fourier import fourier, high_frequency
from landscape.figures.layers import layers
from landscape.figures.lines import lines
from landscape.figures.polar import polar
from landscape.figures.sequence import animate, sequence
from landscape.figures.spectrum import spectrum
from landscape.figures.style import ONE_COLUMN, TWO_COLUMN, Look, looks, save
from landscape.figures.surface3d import surface3d
from landscape.figures.trajectory import trajectory
from landscape.figures.variance import variance

__all__ = [
    "FIGURES",
    "FURTHER",
    "ONE_COLUMN",
    "TWO_COLUMN",
    "Drawing",
    "Look",
    "animate",
    "caption",
    "contours",
    "density",
    "draw",
    "fourier",
    "high_frequency",
    "layers",
    "lines",
    "looks",
    "polar",
    "protocol_differences",
    "save",
    "sequence",
    "spectrum",
    "suited",
    "surface3d",
    "trajectory",
    "variance",
]
