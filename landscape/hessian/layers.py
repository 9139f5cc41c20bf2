"""Curvature by layer: top eigenvalue and trace of each layer's own block of the matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from torch import nn

from landscape.allocation import memory_kept
from landscape.derivatives.graphs import Curvature
from landscape.hessian.eigenvalues import eigenpairs, evidence
from landscape.hessian.operators import Coordinates, Operator
from landscape.hessian.probes import layer_names, layer_of, trace
from landscape.objective import Objective
from landscape.work import Item, Runner, in_memory

_KINDS = (
    (nn.Conv1d | nn.Conv2d | nn.Conv3d, "conv"),
    (nn.Linear, "dense"),
    (nn.modules.batchnorm._BatchNorm | nn.LayerNorm | nn.GroupNorm, "norm"),
    (nn.MultiheadAttention, "attention"),
)


@memory_kept()
def layers(
    objective: Objective,
    *,
    kind: Curvature = "hessian",
    coordinates: Coordinates = "raw",
    probes: int = 32,
    keep: int | None = None,
    seed: int = 0,
    run: Runner | None = None,
    **options: Any,
) -> xr.Dataset:
    """Top eigenvalue and trace of the diagonal block of each layer with free parameters.

    Args:
        objective: Network, samples and protocol.
        kind: The Hessian, or the generalised Gauss–Newton matrix.
        coordinates: See `Operator`.
        probes: Random vectors of the traces, which come from products of the whole matrix.
        keep: Bytes that graphs may take between products, as in `Objective.curvature`.
        seed: Random seed of start vectors and probes.
        run: Runs layers and probes; in memory by default.
        **options: As in `landscape.hessian.eigenvalues.Search`, for each layer's eigenvalue; by default to a
            tolerance of 0.01.

    Returns:
        Dimension `layer`: `name`, `kind` (conv, dense, norm, …), `depth` in the network's order from 0 to 1,
        `parameters`, `eigenvalue`, `residual`, `converged`, `rank_risk` and `rank_certain` (see
        `top_eigenvalues`), `trace`, `trace_standard_error`; and `products`.
    """
    run = run or in_memory()
    whole = Operator(objective, kind=kind, coordinates=coordinates, keep=keep)
    traces = trace(whole, probes=probes, seed=seed, run=run)
    names = layer_names(whole)
    free = whole.objective.free
    search: dict[str, Any] = {"tolerance": 1e-2, "rounding": False} | options

    def compute(index: int) -> Item:
        block = whole.objective.replace(free=[name for name in free if layer_of(name) == names[index]])
        operator = Operator(block, kind=kind, coordinates=coordinates, keep=keep)
        pairs = eigenpairs(operator, 1, **search, seed=seed)
        found = {name: values[0] for name, values in evidence(pairs).items() if name != "error_bound"}
        return found | {"products": np.array(pairs.products)}

    items = run(len(names), compute, "layers")
    sizes = [sum(value.numel() for name, value in free.items() if layer_of(name) == layer) for layer in names]
    columns = {name: ("layer", np.array([item[name] for item in items])) for name in items[0]}
    products = int(columns.pop("products")[1].sum()) + probes
    return xr.Dataset(
        columns
        | {
            "name": ("layer", np.array(names, dtype=object)),
            "kind": ("layer", np.array([_kind(objective, name) for name in names], dtype=object)),
            "depth": ("layer", np.linspace(0, 1, len(names)) if len(names) > 1 else np.zeros(1)),
            "parameters": ("layer", np.array(sizes)),
            "trace": ("layer", traces.layer_trace.values, {"long_name": "trace of the layer's block"}),
            "trace_standard_error": ("layer", traces.layer_trace_standard_error.values),
            "products": ((), products, {"long_name": "products with the matrices"}),
        }
    )


def _kind(objective: Objective, name: str) -> str:
    """What a layer is; one whose module is not to be found under its name is `other`."""
    layer = dict(objective.network.module.named_modules()).get(name)
    return next((word for types, word in _KINDS if isinstance(layer, types)), "other")
