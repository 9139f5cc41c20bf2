"""Figures of feature maps, for the catalogue."""

from __future__ import annotations

from landscape.figures.drawing import Drawing
from landscape.figures.features.aliasing import aliasing
from landscape.figures.features.amplitude import amplitude
from landscape.figures.features.covariance import covariance
from landscape.figures.features.fourier import fourier, high_frequency, is_radial, radial
from landscape.figures.features.lesion import lesion
from landscape.figures.features.maps import maps
from landscape.figures.features.noise import noise
from landscape.figures.features.similarity import similarity
from landscape.figures.features.smoothing_effect import is_smoothed, smoothing_effect
from landscape.figures.features.uncertainty import is_uncertain, uncertainty
from landscape.figures.features.variance import variance

FIGURES: dict[str, Drawing] = {
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
    "aliasing": Drawing(
        "aliasing",
        "Aliasing",
        "Power of feature maps that folds back where they are subsampled, before and after smoothing",
        aliasing,
        True,
    ),
    "covariance": Drawing(
        "covariance",
        "Covariance of feature maps",
        "Correlation of the points of feature maps with their centre, for noise and for images",
        covariance,
        False,
    ),
    "maps": Drawing(
        "maps",
        "Feature maps",
        "An image and its feature maps over several dropout draws, a row a network",
        maps,
        False,
    ),
    "noise": Drawing(
        "noise",
        "Noise by frequency",
        "Accuracy and its drop against the frequency of noise added to the images",
        noise,
        True,
    ),
    "similarity": Drawing(
        "similarity",
        "Similarity of layers",
        "Heat maps of mini-batch CKA between layers",
        similarity,
        False,
    ),
    "lesion": Drawing(
        "lesion",
        "Lesion study",
        "Accuracy lost without one block, against the depth of the block",
        lesion,
        True,
    ),
}
"""What is drawn of the results of a comparison."""

FURTHER: dict[str, Drawing] = {
    "radial": Drawing(
        "features",
        "Radial spectra of feature maps",
        "Delta log amplitude of feature maps over rings of equal frequency, one curve a layer",
        radial,
        False,
        is_radial,
    ),
    "amplitude": Drawing(
        "features",
        "Spectra at the ends of stages",
        "Log amplitude of the feature maps that leave each stage against frequency, one curve a network",
        amplitude,
        True,
    ),
    "uncertainty": Drawing(
        "features",
        "Uncertainty by depth",
        "Standard deviation of feature maps over dropout draws and over the map, against depth",
        uncertainty,
        True,
        is_uncertain,
    ),
    "smoothing_effect": Drawing(
        "features",
        "Effect of smoothing layers",
        "Variances of feature maps after each smoothing layer over those before it",
        smoothing_effect,
        True,
        is_smoothed,
    ),
}
"""Other figures of these results, or of those that hold what not all do."""
