"""Trace and diagonal of a curvature matrix, with standard errors, for the whole network and by layer."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.hessian.operators import Operator, as_operator
from landscape.intervals import student
from landscape.linalg import rademacher, substream, xtrace
from landscape.objective import Objective
from landscape.parameters import unflatten
from landscape.precision import full_precision
from landscape.work import Item, Runner, in_memory

Estimator = Literal["hutchinson", "xtrace"]
ESTIMATORS: tuple[Estimator, ...] = ("hutchinson", "xtrace")


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
        seed: Of the probes.
        run: Runs the probes; in memory by default.

    Returns:
        `trace`, `trace_standard_error`, the ends `trace_low` and `trace_high` of Student's 95 % interval over
        probes, and `products`; with Hutchinson's estimator also `layer_trace` and
        `layer_trace_standard_error` with dimension `layer` and its names.

    Raises:
        LandscapeError: On an unknown estimator, or fewer than two probes.
    """
    if estimator not in ESTIMATORS:
        raise LandscapeError(f"estimator is {estimator!r}; choose one of {', '.join(ESTIMATORS)}")
    if probes < 2:
        raise LandscapeError(f"a standard error takes at least 2 probes, got {probes}")
    operator = as_operator(source)
    if estimator == "xtrace":
        with full_precision(operator.like.device):
            estimate = xtrace(operator, operator.size, probes=probes, seed=seed, like=operator.like)
        interval = (estimate.low, estimate.high)
        return xr.Dataset(_whole(estimate.value, estimate.error, *interval, estimate.products))
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
    return xr.Dataset(
        _whole(*map(float, student(table.sum(1))), probes)
        | {"layer_trace": ("layer", means), "layer_trace_standard_error": ("layer", errors)},
        coords={"layer": np.array(layers, dtype=object)},
    )


def diagonal(source: Objective | Operator, *, probes: int = 32, seed: int = 0) -> xr.Dataset:
    """Diagonal of a curvature matrix: the mean of v ⊙ H v over random signs v (Bekas et al. 2007).

    Args:
        source: An objective, for its Hessian, or an `Operator`.
        probes: Random vectors.
        seed: Of the probes.

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
    """The layer that a parameter belongs to: its name without the last part."""
    return name.rpartition(".")[0] or name


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
