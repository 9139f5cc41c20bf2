"""The layers that a network offers to be looked at; finding them is the zoo's, which smooths them too."""

from landscape.zoo.places import Layer, find_layers, listed, unknown

__all__ = ["Layer", "find_layers", "listed", "unknown"]
