"""Loss surfaces: planes through trained weights along filter-normalised directions."""

from landscape.surface.directions import filter_normalised, random_directions
from landscape.surface.plane import plane

__all__ = ["filter_normalised", "plane", "random_directions"]
