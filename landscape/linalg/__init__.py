"""Eigenvalue solvers over any symmetric operator; they know nothing of networks."""

from landscape.linalg.eigenpairs import Eigenpairs, Matvec, Which
from landscape.linalg.lanczos import lanczos
from landscape.linalg.power import power_iteration

__all__ = ["Eigenpairs", "Matvec", "Which", "lanczos", "power_iteration"]
