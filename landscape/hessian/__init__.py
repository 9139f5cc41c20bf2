"""Curvature of an objective: operators, certified eigenvalues, mini-batch spectrum, trace, density."""

from landscape.hessian.eigenvalues import METHODS, Method, eigenpairs, top_eigenvalues
from landscape.hessian.forecast import Forecast, fitted, forecast, tuned
from landscape.hessian.frobenius import frobenius
from landscape.hessian.layers import layers
from landscape.hessian.operators import COORDINATES, Coordinates, Operator
from landscape.hessian.probes import ESTIMATORS, Estimator, density, diagonal, trace
from landscape.hessian.spectrum import (
    PROTOCOLS,
    SpectrumProtocol,
    max_eigenvalue_spectrum,
    mini_batches,
    summary_statistics,
)
from landscape.hessian.warm import Start

__all__ = [
    "COORDINATES",
    "ESTIMATORS",
    "METHODS",
    "PROTOCOLS",
    "Coordinates",
    "Estimator",
    "Forecast",
    "Method",
    "Operator",
    "SpectrumProtocol",
    "Start",
    "density",
    "diagonal",
    "eigenpairs",
    "fitted",
    "forecast",
    "frobenius",
    "layers",
    "max_eigenvalue_spectrum",
    "mini_batches",
    "summary_statistics",
    "top_eigenvalues",
    "trace",
    "tuned",
]
