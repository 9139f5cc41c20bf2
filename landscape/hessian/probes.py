"""What random probes tell of a curvature matrix: trace, diagonal, spectral density, with errors."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.allocation import memory_kept
from landscape.errors import ArgumentError, LandscapeError
from landscape.hessian.operators import Operator, as_operator
from landscape.intervals import quantile, student
from landscape.linalg import lanczos_quadrature, moments, rademacher, spectral_density, substream, xtrace
from landscape.objective import Objective
from landscape.parameters import unflatten
from landscape.precision import full_precision
from landscape.work import Item, Runner, in_memory

Estimator = Literal["hutchinson", "xtrace"]
ESTIMATORS: tuple[Estimator, ...] = ("hutchinson", "xtrace")


@memory_kept()
def trace(
    source: Objective | Operator,
    *,
    probes: int = 32,
    estimator: Estimator = "hutchinson",
    seed: int = 0,
    run: Runner | None = None,
) -> xr.Dataset:
    """Trace of a curvature matrix.

    Hutchinson's estimator (1989), the mean of vᵀ H v over random signs v, gives the trace of each layer's own
    block from the same products. XTrace (Epperly, Tropp & Webber 2024) gives the whole trace alone, more
    accurately where few eigenvalues dominate.

    Args:
        source: An objective, for its Hessian, or an `Operator`.
        probes: Random vectors; XTrace takes two products for each.
        estimator: `hutchinson` or `xtrace`.
        seed: Random seed of the probes.
        run: Runs the probes; in memory by default.

    Returns:
        `trace`, `trace_standard_error`, the ends `trace_low` and `trace_high` of Student's 95 % interval over
        probes, and `products`; with Hutchinson's estimator also `layer_trace` and
        `layer_trace_standard_error` with dimension `layer` and its names.

    Raises:
        LandscapeError: On an unknown estimator, or fewer than two probes.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> found = ls.hessian.trace(objective, probes=8)
        >>> bool(found.trace_low < found.trace < found.trace_high)
        True
    """
    if estimator not in ESTIMATORS:
        raise ArgumentError(f"estimator is {estimator!r}; choose one of {', '.join(ESTIMATORS)}")
    if probes < 2:
        raise LandscapeError(f"a standard error takes at least 2 probes, got {probes}")
    operator = as_operator(source)
    if estimator == "xtrace":
        with full_precision(operator.like.device):
            estimate = xtrace(operator, operator.size, probes=probes, seed=seed, like=operator.like)
        low, high = estimate.low, estimate.high
        return xr.Dataset(_whole(estimate.value, estimate.error, low, high, estimate.products))
    layers = layer_names(operator)

    def compute(index: int) -> Item:
        products = unflatten(_probe(operator, seed, index), operator.objective.free)
        parts = dict.fromkeys(layers, 0.0)
        for name, part in products.items():
            parts[layer_of(name)] += float(part.double().sum())
        return {"layers": np.array(list(parts.values()))}

    items = (run or in_memory())(probes, compute, "trace")
    table = np.array([item["layers"] for item in items])
    means, errors, *_ = student(table)
    value, error, low, high = map(float, student(table.sum(1)))
    return xr.Dataset(
        _whole(value, error, low, high, probes)
        | {"layer_trace": ("layer", means), "layer_trace_standard_error": ("layer", errors)},
        coords={"layer": np.array(layers, dtype=object)},
    )


@memory_kept()
def diagonal(source: Objective | Operator, *, probes: int = 32, seed: int = 0) -> xr.Dataset:
    """Diagonal of a curvature matrix: the mean of v ⊙ H v over random signs v (Bekas et al. 2007).

    Args:
        source: An objective, for its Hessian, or an `Operator`.
        probes: Random vectors.
        seed: Random seed of the probes.

    Returns:
        Dimension `parameter`, the free parameters flattened in order: `diagonal`, `standard_error`.

    Raises:
        LandscapeError: With fewer than two probes.
    """
    if probes < 2:
        raise LandscapeError(f"a standard error takes at least 2 probes, got {probes}")
    operator = as_operator(source)
    mean = torch.zeros(operator.size, dtype=torch.float64, device=operator.like.device)
    squares = torch.zeros_like(mean)
    for index in range(probes):
        # Welford's update: no difference of large sums.
        values = _probe(operator, seed, index).double()
        step = values - mean
        mean += step / (index + 1)
        squares += step * (values - mean)
    errors = (squares / (probes - 1) / probes).sqrt()
    return xr.Dataset(
        {
            "diagonal": ("parameter", mean.cpu().numpy()),
            "standard_error": ("parameter", errors.cpu().numpy()),
        }
    )


def layer_of(name: str) -> str:
    """The layer that a parameter belongs to: its name without the last part, or what parametrizes it."""
    owner, parametrized, _ = name.partition(".parametrizations.")
    return owner if parametrized else name.rpartition(".")[0] or name


def layer_names(operator: Operator) -> list[str]:
    """Layers of the free parameters, in the network's order."""
    return list(dict.fromkeys(layer_of(name) for name in operator.objective.free))


def _probe(operator: Operator, seed: int, index: int) -> Tensor:
    """V ⊙ H v for one vector of random signs."""
    signs = rademacher(operator.size, substream(seed, index), operator.like)
    return signs * operator(signs)


def _whole(value: float, error: float, low: float, high: float, products: int) -> dict:
    return {
        "trace": ((), value, {"long_name": "trace of the Hessian"}),
        "trace_standard_error": ((), error),
        "trace_low": ((), low, {"long_name": "lower end of the 95 % interval"}),
        "trace_high": ((), high),
        "products": ((), products, {"long_name": "products with the matrix"}),
    }


_WIDTH = 0.01  # of the spectrum's range: narrower than the gaps between outliers, wider than their spread


@memory_kept()
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
        seed: Random seed of the probes.
        run: Runs the probes; in memory by default.

    Returns:
        Dimension `point`: `eigenvalue`, `density` (which integrates to 1), `standard_error` over probes;
        dimensions `probe`, `step`: `node`, `weight`, the quadrature itself; and `trace`, n times the first
        moment, `trace_standard_error` with Student's 95 % interval, `trace_low` and `trace_high`,
        `parameters` (n), `width`, `products`.

    Raises:
        LandscapeError: If a number is out of range.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> found = ls.hessian.density(objective, probes=2, steps=10)
        >>> found.density.dims, int(found.parameters)
        (('point',), 67)
    """
    for name, number, least in (("probes", probes, 1), ("steps", steps, 2), ("points", points, 2)):
        if number < least:
            raise LandscapeError(f"a spectral density takes at least {least} {name}, got {number}")
    if not 0 <= width < np.inf:
        raise ArgumentError(f"the width must be finite and not negative, got {width}")
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
