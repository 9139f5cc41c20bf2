"""Figures of feature maps."""
