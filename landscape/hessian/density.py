"""Spectral density of a curvature matrix by stochastic Lanczos quadrature (Ghorbani et al. 2019)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.errors import LandscapeError
from landscape.hessian.operators import Operator, as_operator
from landscape.intervals import quantile
from landscape.linalg import lanczos_quadrature, moments, spectral_density, substream
from landscape.objective import Objective
from landscape.precision import full_precision
from landscape.work import Item, Runner, in_memory

_WIDTH = 0.01  # of the spectrum's range: narrower than the gaps between outliers, wider than their spread


def density(
    source: Objective | Operator,
    *,
    probes: int = 8,
    steps: int = 60,
    points: int = 1000,
    width: float = 0.0,
    seed: int = 0,
    run: Runner | None = None,
) -> xr.Dataset:
    """Density of all n eigenvalues, each broadened to a Gaussian.

    A probe of m Lanczos steps is a quadrature rule that integrates polynomials up to degree 2m − 1 exactly
    against the probe's own spectral measure; the mean over random probes estimates the spectrum.

    Args:
        source: An objective, for its Hessian, or an `Operator`.
        probes: Random vectors.
        steps: Lanczos steps, one product each.
        points: Points of the curve.
        width: Standard deviation of the Gaussians; 0 takes 1 % of the spectrum's range.
        seed: Of the probes.
        run: Runs the probes; in memory by default.

    Returns:
        Dimension `point`: `eigenvalue`, `density` (which integrates to 1), `standard_error` over probes;
        dimensions `probe`, `step`: `node`, `weight`, the quadrature itself; and `trace`, n times the first
        moment, `trace_standard_error` with Student's 95 % interval, `trace_low` and `trace_high`,
        `parameters` (n), `width`, `products`.

    Raises:
        LandscapeError: If a number is out of range.
    """
    for name, number, least in (("probes", probes, 1), ("steps", steps, 2), ("points", points, 2)):
        if number < least:
            raise LandscapeError(f"a spectral density takes at least {least} {name}, got {number}")
    if not 0 <= width < np.inf:
        raise LandscapeError(f"the width must be finite and not negative, got {width}")
    operator = as_operator(source)
    steps = min(steps, operator.size)

    def compute(index: int) -> Item:
        with full_precision(operator.like.device):
            rule = lanczos_quadrature(
                operator, operator.size, steps, seed=substream(seed, index), like=operator.like
            )
        return {"node": rule.nodes, "weight": rule.weights}

    items = (run or in_memory())(probes, compute, "density")
    nodes, weights = (np.stack([item[name] for item in items]) for name in ("node", "weight"))
    used = nodes[weights > 0]
    span = float(np.ptp(used))
    width = width or _WIDTH * span or _WIDTH * max(float(np.abs(used).max()), 1.0)
    # Six standard deviations hold all of a Gaussian but 10⁻⁹.
    grid = np.linspace(used.min() - 6 * width, used.max() + 6 * width, points)
    values, errors = spectral_density(nodes, weights, grid, width)
    first, error = moments(nodes, weights, 1)
    half = quantile(probes) * error
    return xr.Dataset(
        {
            "eigenvalue": ("point", grid, {"long_name": "Hessian eigenvalue"}),
            "density": ("point", values, {"long_name": "share of eigenvalues per unit"}),
            "standard_error": ("point", errors),
            "node": (("probe", "step"), nodes),
            "weight": (("probe", "step"), weights),
            "trace": ((), operator.size * first, {"long_name": "n times the first moment"}),
            "trace_standard_error": ((), operator.size * error),
            "trace_low": ((), operator.size * (first - half)),
            "trace_high": ((), operator.size * (first + half)),
            "parameters": ((), operator.size),
            "width": ((), width, {"long_name": "standard deviation of the broadening"}),
            "products": ((), probes * steps, {"long_name": "products with the matrix"}),
        }
    )
