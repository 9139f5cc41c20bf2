"""Measures of local sharpness, each with an interval, and an audit by changes that keep the function."""

from landscape.sharpness.audit import Audit, audited
from landscape.sharpness.average import average
from landscape.sharpness.gradient_noise import gradient_noise
from landscape.sharpness.llc import LearningCoefficient, Sampler, learning_coefficient
from landscape.sharpness.measures import Measure, Protocol, Sizes, measured, measures
from landscape.sharpness.perturbations import SCALES, Found, Noise, Scale, ratio, scales
from landscape.sharpness.radius import basin_radius, gaussian_radius
from landscape.sharpness.relative_flatness import last_layer, relative_flatness
from landscape.sharpness.transformations import TOLERANCE, TRANSFORMATIONS, Transformed, transformed
from landscape.sharpness.worst import worst

__all__ = [
    "SCALES",
    "TOLERANCE",
    "TRANSFORMATIONS",
    "Audit",
    "Found",
    "LearningCoefficient",
    "Measure",
    "Noise",
    "Protocol",
    "Sampler",
    "Scale",
    "Sizes",
    "Transformed",
    "audited",
    "average",
    "basin_radius",
    "gaussian_radius",
    "gradient_noise",
    "last_layer",
    "learning_coefficient",
    "measured",
    "measures",
    "ratio",
    "relative_flatness",
    "scales",
    "transformed",
    "worst",
]
