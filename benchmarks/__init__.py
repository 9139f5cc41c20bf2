"""Measured comparisons; run from the repository root."""
