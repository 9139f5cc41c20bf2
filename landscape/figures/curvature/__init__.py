"""Figures of curvature: eigenvalues, spectra, densities, traces, layers."""
