"""Publication-ready comparative figures of saved results; reads xarray datasets and never imports torch.

Each function takes one result, or several by network name, and returns a matplotlib `Figure`:

    >>> from landscape import figures, results
    >>> figure = figures.contours({"gap": results.load("gap-surface.zarr")})      # doctest: +SKIP
    >>> figures.save(figure, "contours")                                          # doctest: +SKIP
"""

from landscape.figures.aliasing import aliasing
from landscape.figures.amplitude import amplitude
from landscape.figures.attack import attack
from landscape.figures.captions import caption, protocol_differences
from landscape.figures.catalogue import FIGURES, FURTHER, draw, suited
from landscape.figures.chain import chain, overview
from landscape.figures.conditions import conditions
from landscape.figures.contours import contours
from landscape.figures.correlations import correlations
from landscape.figures.covariance import covariance
from landscape.figures.density import density
from landscape.figures.drawing import Drawing
from landscape.figures.ensemble import ensemble
from landscape.figures.fourier import fourier, high_frequency, radial
from landscape.figures.layers import layers
from landscape.figures.lesion import lesion
from landscape.figures.lines import lines
from landscape.figures.maps import maps
from landscape.figures.noise import noise
from landscape.figures.polar import polar
from landscape.figures.reliability import reliability
from landscape.figures.robustness import consistency, corruptions, robustness
from landscape.figures.sequence import animate, sequence
from landscape.figures.similarity import similarity
from landscape.figures.smoothing_effect import smoothing_effect
from landscape.figures.spectrum import spectrum
from landscape.figures.style import ONE_COLUMN, PRESETS, TWO_COLUMN, Look, looks, preset_width, save
from landscape.figures.surface3d import surface3d
from landscape.figures.trajectory import trajectory
from landscape.figures.uncertainty import uncertainty
from landscape.figures.variance import variance

__all__ = [
    "FIGURES",
    "FURTHER",
    "ONE_COLUMN",
    "PRESETS",
    "TWO_COLUMN",
    "Drawing",
    "Look",
    "aliasing",
    "amplitude",
    "animate",
    "attack",
    "caption",
    "chain",
    "conditions",
    "consistency",
    "contours",
    "correlations",
    "corruptions",
    "covariance",
    "density",
    "draw",
    "ensemble",
    "fourier",
    "high_frequency",
    "layers",
    "lesion",
    "lines",
    "looks",
    "maps",
    "noise",
    "overview",
    "polar",
    "preset_width",
    "protocol_differences",
    "radial",
    "reliability",
    "robustness",
    "save",
    "sequence",
    "similarity",
    "smoothing_effect",
    "spectrum",
    "suited",
    "surface3d",
    "trajectory",
    "uncertainty",
    "variance",
]
