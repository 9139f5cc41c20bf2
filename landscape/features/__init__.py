"""Feature maps by depth: the layers of a network, their maps as they are computed, what is measured."""

from landscape.features.capture import Layer, capture, find_layers
from landscape.features.measurement import measure

__all__ = ["Layer", "capture", "find_layers", "measure"]
