"""Where feature maps are in the tensors of any network: rows, columns and channels, followed through it."""

from landscape.layout.follow import Follow, Watching
from landscape.layout.maps import MapLayout, map_layout
from landscape.layout.watch import Seen, first_tensor, follow_inputs, watch

__all__ = ["Follow", "MapLayout", "Seen", "Watching", "first_tensor", "follow_inputs", "map_layout", "watch"]
