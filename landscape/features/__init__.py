"""Feature maps by depth: the layers of a network, their maps as they are computed, what is measured."""

from landscape.features.aliasing import aliasing
from landscape.features.capture import capture
from landscape.features.covariance import covariance
from landscape.features.lesion import lesion
from landscape.features.measurement import measure, smoothing_effect
from landscape.features.noise import Noise, frequency_noise
from landscape.features.pictures import pictures
from landscape.features.similarity import alike, similarity
from landscape.zoo.places import Layer, find_layers

__all__ = [
    "Layer",
    "Noise",
    "aliasing",
    "alike",
    "capture",
    "covariance",
    "find_layers",
    "frequency_noise",
    "lesion",
    "measure",
    "pictures",
    "similarity",
    "smoothing_effect",
]
