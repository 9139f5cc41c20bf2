"""Figures of networks over a grid of two fields: the map, the quadrants, the trends."""
