"""Curvature of an objective: certified eigenvalues and the mini-batch max-eigenvalue spectrum."""

from landscape.hessian.eigenvalues import METHODS, Method, eigenpairs, top_eigenvalues
from landscape.hessian.spectrum import max_eigenvalue_spectrum, summary_statistics

__all__ = [
    "METHODS",
    "Method",
    "eigenpairs",
    "max_eigenvalue_spectrum",
    "summary_statistics",
    "top_eigenvalues",
]
