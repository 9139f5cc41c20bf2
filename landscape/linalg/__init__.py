"""Eigenvalues, spectral density and trace of any symmetric operator; nothing here knows of networks."""

from landscape.linalg.eigenpairs import Eigenpairs, Matvec, Which, certify
from landscape.linalg.lanczos import lanczos
from landscape.linalg.power import power_iteration
from landscape.linalg.stochastic import (
    Quadrature,
    Trace,
    hutchinson,
    lanczos_quadrature,
    moments,
    spectral_density,
    xtrace,
)
from landscape.linalg.vectors import rademacher, random_unit, substream

__all__ = [
    "Eigenpairs",
    "Matvec",
    "Quadrature",
    "Trace",
    "Which",
    "certify",
    "hutchinson",
    "lanczos",
    "lanczos_quadrature",
    "moments",
    "power_iteration",
    "rademacher",
    "random_unit",
    "spectral_density",
    "substream",
    "xtrace",
]
