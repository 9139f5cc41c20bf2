"""Finding what was drawn: panels, lines, bands and areas of a figure."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.contour import ContourSet


def line(axis, label):
    """The line of a network, on its own or within its error bars."""
    for container in axis.containers:
        if container.get_label() == label:
            return container.lines[0]
    return next(drawn for drawn in axis.lines if drawn.get_label() == label)


def labels(figure):
    """Entries of the legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def bands(axis):
    """The filled bands of an axis, in order."""
    return [each for each in axis.collections if isinstance(each, PolyCollection)]


def edges(band):
    """Coordinates of a filled band, and its lower and upper edge there, each in order."""
    corners = band.get_paths()[0].vertices
    places = np.unique(corners[:, 0])
    heights = [corners[corners[:, 0] == place, 1] for place in places]
    return places, np.array([h.min() for h in heights]), np.array([h.max() for h in heights])


def bars(container, side=1):
    """Ends of the error bars, shape (N, 2)."""
    return np.array([segment[:, side] for segment in container.lines[2][0].get_segments()])


def titled(figure):
    """The panels with a title."""
    return [axis for axis in figure.axes if axis.get_title()]


def filled(axis):
    """The areas of a contour plot."""
    return next(c for c in axis.collections if isinstance(c, ContourSet) and c.filled)


def labelled(axis, label):
    """Patches and collections of a label."""
    return [artist for artist in (*axis.patches, *axis.collections) if artist.get_label() == label]
