"""Figures of paths between networks."""
