"""Figures of what a comparison found: changes, their conditions and correlations."""
